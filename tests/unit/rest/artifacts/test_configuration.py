"""The configuration descriptor, anonymous access and hidden resources, over HTTP, on both engines."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import pytest

import entrepot
from entrepot.configuration.documents import Documents, read
from entrepot.metadata.open import open_database
from entrepot.settings import Settings
from entrepot.worker import build
from tests.served import client_of

SOURCE = Path(entrepot.__file__).parent
URL = "/artifactory/api/system/configuration"
_SPACE = "{http://artifactory.jfrog.org/xsd/3.1.20}"


async def patch(http: httpx.AsyncClient, text: str) -> httpx.Response:
    return await http.patch(URL, content=text, headers={"content-type": "application/yaml"})


async def config(http: httpx.AsyncClient) -> ET.Element:
    answer = await http.get(URL)
    assert answer.headers["content-type"] == "application/xml"
    return ET.fromstring(answer.content)


@pytest.fixture
async def nobody(http: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    yield httpx.AsyncClient(transport=http._transport, base_url=http.base_url)
    await patch(http, "security: {anonAccessEnabled: null, hideUnauthorizedResources: null}")


async def test_what_is_patched_is_shown_and_what_is_null_is_gone(http: httpx.AsyncClient) -> None:
    answer = await patch(
        http,
        "propertySets:\n  one: {visible: true, properties: {a: {predefinedValues: [x, y]}}}\nmailServer: {host: m}",
    )
    assert (answer.status_code, answer.text) == (
        200,
        "2 changes to config merged successfully\nKept and shown, without effect here: propertySets, mailServer",
    )
    root = await config(http)
    assert [one.findtext(f"{_SPACE}name") for one in root.findall(f"{_SPACE}propertySets/{_SPACE}propertySet")] == [
        "one"
    ]
    assert root.findtext(f"{_SPACE}mailServer/{_SPACE}host") == "m"
    await patch(http, "propertySets: {one: null}\nmailServer: {port: 25}")
    root = await config(http)
    assert root.findall(f"{_SPACE}propertySets/{_SPACE}propertySet") == []
    assert (root.findtext(f"{_SPACE}mailServer/{_SPACE}host"), root.findtext(f"{_SPACE}mailServer/{_SPACE}port")) == (
        "m",
        "25",
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "security: {anonAccessEnabeld: true}",
            "security has no field 'anonAccessEnabeld'. Did you mean anonAccessEnabled?",
        ),
        (
            "security: {passwordSettings: {encryptPolicy: x}}",
            "passwordSettings has no field 'encryptPolicy'. Did you mean encryptionPolicy?",
        ),
        ("securty: {anonAccessEnabled: true}", "no element 'securty'. Did you mean security?"),
        ("trashcanConfig: {days: 3}", "trashcanConfig has no field 'days'. It has allowPermDeletes, enabled"),
        ("quotaConfig: 7", "must be a map"),
        ("trashcanConfig: false", "must be a map"),
        ("quotaConfig: {diskSpaceLimitPercentage: 190}", "whole number from 0 to 100"),
        ("trashcanConfig: {retentionPeriodDays: 200000000000}", "whole number from 0 to 36500"),
        ("security: {passwordSettings: true}", "must be a map"),
        ("security: {passwordSettings: {1: 2}}", "must be texts"),
        ("security: {passwordSettings: {expirationPolicy: {paswordMaxAge: 3}}}", "Did you mean passwordMaxAge?"),
        ("security: {userLockPolicy: {loginAttempts: many}}", "whole number from 1 to 100"),
        ("security: {userLockPolicy: {loginAttempts: 0}}", "whole number from 1 to 100"),
        ("security: {basicAuthenticationEnabled: maybe}", "must be true or false"),
        ("propertySets: {a: {properties: {b: [1]}}}", "must be maps"),
        ("propertySets: {a: {properties: [1]}}", "must be a map"),
        ("propertySets: {a: {properties: {p: {predefinedValues: {x: 1}}}}}", "must be maps"),
        (
            "security: {ldapSettings: {a: {ldapUrl: 'ldap://h:99999/dc=x', userDnPattern: 'uid={0}'}}}",
            "ldap_url must be",
        ),
        ("security: {ldapSettings: {a: {ldapUrl: 'ldap://h/dc=x'}}}", "user_dn_pattern"),
        ("security: {ldapGroupSettings: {a: {filter: '('}}}", "search filter"),
        (
            "security: {passwordSettings: {encryptionPolicy: REQUIERD}}",
            "must be one of SUPPORTED, REQUIRED, UNSUPPORTED",
        ),
        ("security: {passwordSettings: {encryptionPolicy: [REQUIRED]}}", "must be one of"),
        ("urlBase: [1]", "must be a single value"),
        ("urlBase: 'ftp://x'", "is not a valid URL"),
        ("urlBase: 'http://x y'", "is not a valid URL"),
        ('serverName: "\\uD800"', "onfiguration"),
        ('serverName: "\\uFFFE"', "no character"),
        ("trashcanConfig: {retentionPeriodDays: 0x" + "f" * 4000 + "}", "too large"),
        ("dateFormat: .nan", "too large"),
        ("serverName: " + "[" * 20_000, "nest"),
        ("security: " + "{passwordSettings: " * 30 + "}" * 30, "nested too deeply"),
        ("serverName: [" + "1," * 50_000 + "1]", "too large"),
    ],
)
async def test_a_misspelt_name_is_refused_with_the_one_that_is_meant(
    http: httpx.AsyncClient, text: str, told: str
) -> None:
    before = (await http.get(URL)).content
    answer = await patch(http, f"folderDownloadConfig: {{enabled: true}}\n{text}")
    assert answer.status_code == 400
    assert told in answer.json()["errors"][0]["message"]
    assert (await http.get(URL)).content == before


async def test_every_field_of_security_that_is_read_can_be_set(http: httpx.AsyncClient) -> None:
    read = re.compile(r"(?:flag\((?:SECURITY|\"security\"), |one\((?:SECURITY|\"security\")\)\.get\()\"(\w+)\"")
    names = {name for path in SOURCE.rglob("*.py") for name in read.findall(path.read_text())}
    assert {"anonAccessEnabled", "basicAuthenticationEnabled", "userLockPolicy"} <= names
    for name in names:
        assert (await patch(http, f"security: {{{name}: null}}")).status_code == 200, name


async def test_what_works_is_not_called_without_effect(http: httpx.AsyncClient) -> None:
    answer = await patch(
        http, "trashcanConfig: {retentionPeriodDays: 14}\nsecurity: {samlSettings: {enableIntegration: false}}"
    )
    assert answer.text == (
        "2 changes to config merged successfully\nKept and shown, without effect here: security.samlSettings"
    )
    answer = await patch(http, "security: {samlSettings: null}\ntrashcanConfig: null")
    assert answer.status_code == 200


async def test_repositories_are_listed_and_secrets_are_not_shown(http: httpx.AsyncClient) -> None:
    await patch(http, "proxies: {p: {host: h, password: top-secret-1}}")
    text = (await http.get(URL)).text
    assert "<key>generic-local</key>" in text
    assert "top-secret-1" not in text
    await patch(http, "proxies: {p: null}")


@pytest.mark.parametrize(
    "field", ["password", "keyStorePassword", "key_password", "passphrase", "apiKey", "clientSecret", "privateKey"]
)
@pytest.mark.parametrize(
    ("stated", "secret"), [("hidden-7", "hidden-7"), ("1234567", "1234567"), ("[hidden-7]", "hidden-7")]
)
async def test_what_is_secret_is_neither_stored_nor_shown_in_the_clear(
    http: httpx.AsyncClient, settings: Settings, field: str, stated: str, secret: str
) -> None:
    text = f"security: {{signingKeysSettings: {{alias: a, {field}: {stated}}}}}"
    assert (await patch(http, text)).status_code == 200
    shown = (await http.get(URL)).text
    assert ("<alias>a</alias>" in shown, secret in shown, field in shown) == (True, False, False)
    database = await open_database(settings.home, settings.database_url)
    stored = (await read(database, "security") or {})["signingKeysSettings"][field]
    await database.close()
    assert secret not in str(stored)
    await patch(http, "security: {signingKeysSettings: null}")


async def test_what_only_has_to_do_with_passwords_is_shown(http: httpx.AsyncClient) -> None:
    await patch(http, "security: {passwordSettings: {expirationPolicy: {passwordMaxAge: 77}}}")
    assert "<passwordMaxAge>77</passwordMaxAge>" in (await http.get(URL)).text
    await patch(http, "security: {passwordSettings: null}")


async def test_a_secret_that_was_not_sealed_here_is_refused(http: httpx.AsyncClient) -> None:
    answer = await patch(http, "mailServer: {password: '{sealed}x'}")
    assert (answer.status_code, "mailServer//password" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("stated", "seen"),
    [("http://far.test", "http://far.test"), ("https://far.test/x/artifactory/", "http://far.test/x")],
)
async def test_the_base_url_that_is_set_is_what_clients_see(
    http: httpx.AsyncClient, repo: str, stated: str, seen: str
) -> None:
    url = f"{URL}/baseUrl"
    answer = await http.put(url, content=stated)
    assert answer.text == f'URL base has been successfully updated to "{stated}".\n'
    told = (await http.put(f"/artifactory/{repo}/a.txt", content=b"x")).json()
    assert told["downloadUri"] == f"{seen}/artifactory/{repo}/a.txt"  # the scheme is that of the request
    assert (await http.put(url, content="ftp://x")).status_code == 400
    assert (await http.put(url, content="")).status_code == 200
    told = (await http.put(f"/artifactory/{repo}/a.txt", content=b"x")).json()
    assert told["downloadUri"].startswith("http://entrepot.test/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "a",
        "1",
        "{",
        "nothing: {}",
        "localRepositories: {a: {}}",
        "security: 1",
        "security: {anonAccessEnabled: maybe}",
        "a: &a [x]\nb: *a",
        "trashcanConfig: {retentionPeriodDays: -1}",
        "propertySets: [a]",
        "\x00",
        "? [a]\n: b",
        "!!python/name:os.system",
        "security: " + "{a: " * 2000 + "1" + "}" * 2000,
    ],
)
async def test_what_is_no_configuration_is_refused(http: httpx.AsyncClient, text: str) -> None:
    answer = await patch(http, text)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["message"]


async def test_anonymous_access_is_switched_by_a_patch(
    http: httpx.AsyncClient, repo: str, nobody: httpx.AsyncClient
) -> None:
    await http.put(f"/artifactory/{repo}/a.txt", content=b"x")
    assert (await nobody.get(f"/artifactory/{repo}/a.txt")).status_code == 401
    await patch(http, "security: {anonAccessEnabled: true}")
    assert (await nobody.get(f"/artifactory/{repo}/a.txt")).status_code == 200
    assert (await http.get("/artifactory/api/securityconfig")).json()["anonAccessEnabled"] is True
    await patch(http, "security: {anonAccessEnabled: false}")
    assert (await nobody.get(f"/artifactory/{repo}/a.txt")).status_code == 401


async def test_the_encryption_policy_that_is_shown_is_the_one_in_force(http: httpx.AsyncClient) -> None:
    async def shown() -> object:
        return (await http.get("/artifactory/api/securityconfig")).json()["passwordSettings"]

    assert await shown() == {"encryptionPolicy": "SUPPORTED"}
    assert (await http.get("/artifactory/api/security/encryptedPassword")).status_code == 200
    await patch(http, "security: {passwordSettings: {encryptionPolicy: UNSUPPORTED}}")
    assert await shown() == {"encryptionPolicy": "UNSUPPORTED"}
    assert (await http.get("/artifactory/api/security/encryptedPassword")).status_code == 409
    await patch(http, "security: {passwordSettings: null}")


async def test_nothing_is_taken_in_when_the_disk_is_as_full_as_is_allowed(http: httpx.AsyncClient, repo: str) -> None:
    async def configure(text: str) -> None:
        yaml = {"content-type": "application/yaml"}
        answer = await http.patch("/artifactory/api/system/configuration", content=text, headers=yaml)
        assert answer.status_code == 200

    await configure("quotaConfig: {enabled: true, diskSpaceLimitPercentage: 0, diskSpaceWarningPercentage: 0}")
    refused = [
        await http.put(f"/artifactory/{repo}/a", content=b"x"),
        await http.post(f"/artifactory/api/v1/uploads/create?repoKey={repo}&repoPath=a"),
        await http.post("/v2/docker-local/app/blobs/uploads/"),
    ]
    assert [one.status_code for one in refused] == [413] * 3
    assert refused[0].json()["errors"][0]["message"].startswith("Datastore disk usage is too high.")
    await configure("quotaConfig: {enabled: true, diskSpaceLimitPercentage: 100}")
    assert (await http.put(f"/artifactory/{repo}/a", content=b"x")).status_code == 201
    await configure("quotaConfig: {enabled: false, diskSpaceLimitPercentage: 0}")
    assert (await http.put(f"/artifactory/{repo}/b", content=b"x")).status_code == 201


async def test_what_terraform_writes_comes_back_as_it_reads_it(http: httpx.AsyncClient) -> None:
    patch = """
propertySets: {qa: {visible: true, properties: {state: {predefinedValues: {good: {defaultValue: true}, bad: {defaultValue: false}},
  closedPredefinedValues: true, multipleChoice: false}}}}
backups: {nightly: {cronExp: "0 0 2 * * ?", enabled: true, excludedRepositories: [a, b]}}
mailServer: {enabled: true, host: mail.test}
"""
    yaml = {"content-type": "application/yaml"}
    assert (await http.patch("/artifactory/api/system/configuration", content=patch, headers=yaml)).status_code == 200
    told = (await http.get("/artifactory/api/system/configuration")).text
    value = "<predefinedValue><value>good</value><defaultValue>true</defaultValue></predefinedValue>"
    assert f"<properties><property><name>state</name><predefinedValues>{value}" in told
    assert (
        "<excludedRepositories><repositoryRef>a</repositoryRef><repositoryRef>b</repositoryRef></excludedRepositories>"
        in told
    )
    assert "<host>mail.test</host>" in told.partition("<mailServer>")[2].partition("</mailServer>")[0]
    gone = "mailServer: ~\nbackups: {nightly: ~}\npropertySets: {qa: ~}\n"
    assert (await http.patch("/artifactory/api/system/configuration", content=gone, headers=yaml)).status_code == 200
    assert "mailServer" not in (await http.get("/artifactory/api/system/configuration")).text


async def test_a_patch_keeps_what_another_process_has_changed_a_moment_ago(
    http: httpx.AsyncClient, settings: Settings
) -> None:
    async with build(settings) as application, client_of(application) as elsewhere:
        await patch(elsewhere, "mailServer: null")
        await patch(http, "mailServer: {host: m}\nproxies: {p: {host: h}}")
        with pytest.MonkeyPatch.context() as patched:  # its request has begun before, so to say
            patched.setattr(Documents, "refresh", lambda _: asyncio.sleep(0))
            assert (await patch(elsewhere, "mailServer: {port: 25}\nproxies: {p: {port: 3128}}")).status_code == 200
    root = await config(http)
    assert [root.findtext(f"{_SPACE}mailServer/{_SPACE}{name}") for name in ("host", "port")] == ["m", "25"]
    assert [root.findtext(f"{_SPACE}proxies/{_SPACE}proxy/{_SPACE}{name}") for name in ("host", "port")] == [
        "h",
        "3128",
    ]
    await patch(http, "mailServer: null\nproxies: null")


async def test_each_document_that_is_changed_is_told_in_the_audit_trail(http: httpx.AsyncClient) -> None:
    await patch(http, "security: {hideUnauthorizedResources: false}\nproxies: {p: {host: h, password: hidden-1}}")
    await patch(http, "proxies: {p: null}\nsecurity: {hideUnauthorizedResources: null}")
    await http.put(f"{URL}/baseUrl", content="http://far.test")
    await http.put(f"{URL}/baseUrl", content="")
    await http.post("/access/api/v1/environments", json={"name": "QA"})
    await http.delete("/access/api/v1/environments/QA")
    told = (await http.get("/access/api/v1/audit?limit=8")).json()["events"]
    assert [(one["actor"], one["action"].partition(".")[2], one["subject"]) for one in reversed(told)] == [
        ("admin", verb, subject)
        for verb, subject in (
            ("update", "security"), ("update", "proxies/p"), ("delete", "proxies/p"), ("update", "security"),
            ("update", "general"), ("update", "general"), ("update", "environments/QA"), ("delete", "environments/QA"),
        )
    ]  # fmt: skip
    assert "hidden-1" not in str(told)
