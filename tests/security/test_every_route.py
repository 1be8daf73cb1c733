"""Every route x caller x credential -> refused or not, over HTTP.

What each route demands is written down here a second time, so that a route without an expectation fails, and one whose
policy is changed by mistake, too. "Not refused" is any status but 401 and 403: the requests are mostly senseless beyond.
"""

import asyncio
import base64
import hmac
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from entrepot.messages import Row
from entrepot.settings import Settings
from entrepot.worker import build
from tests.served import PASSWORD, client_of, prepared, settings_of

EXPECTED = {
    "ticket": """
        uploads.part.url uploads.complete uploads.status uploads.abort
    """,
    "open": """
        openapi.document openapi.page docker.token.oauth2 passwords.change sessions.begin sessions.old.begin
        trust.certificate trust.keys oidc.exchange uploads.part system.ping access.ping router.ping mc.ping event.ping
        artifactory.liveness artifactory.readiness router.liveness router.readiness access.liveness
        access.readiness router.health
    """,
    "judged": """
        docker.token access.tokens.create tokens.create
    """,
    "users": """
        docker.ping docker.catalog access.tokens.list access.tokens.revoke access.tokens.revoke.post
        access.tokens.me access.tokens.me.revoke access.tokens.get access.tokens.delete sessions.current
        sessions.old.current projects.list environments.list repositories.list repositories.get
        repositories.get.v2 system.version access.version system.license system.licenses system.usage
        uploads.config uploads.create search.artifact search.prop search.checksum search.gavc search.versions search.latestVersion
        search.usage search.creation
        search.dates search.pattern search.badChecksum search.license search.aql
    """,
    "own password": """
        passwords.encrypted apikeys.get apikeys.create apikeys.renew apikeys.revoke
    """,
    "others": """
        permissions.of.user permissions.of.user.v2 sshkeys.list sshkeys.add sshkeys.remove
    """,
    "session": """
        sessions.end sessions.old.end
    """,
    "project": """
        projects.get projects.update projects.users.list projects.users.get projects.users.put
        projects.users.delete projects.groups.list projects.groups.get projects.groups.put
        projects.groups.delete projects.roles.list projects.roles.create projects.roles.get projects.roles.put
        projects.roles.delete
    """,
    "administrators": """
        passwords.expire passwords.expire.one passwords.renew.one passwords.expire.all passwords.renew.all
        access.passwords.set access.passwords.expire access.passwords.expire.all access.passwords.renew.all
        apikeys.revoke.other apikeys.list users.list users.get users.replace users.update users.delete
        access.users.list access.users.create access.users.get access.users.update access.users.delete
        access.users.groups locks.list locks.unlock locks.unlock.some locks.unlock.all access.locks.unlock
        policies.lock.get policies.lock.put policies.expiration.get policies.expiration.put
        policies.password.get policies.password.put policies.password.patch policies.basic.get
        policies.basic.put policies.tokens.get policies.tokens.put groups.list groups.get groups.replace
        groups.update groups.delete access.groups.list access.groups.create access.groups.get
        access.groups.update access.groups.delete access.groups.members access.groups.members.change
        permissions.of.group permissions.of.group.v2 permissions.list permissions.get permissions.replace
        permissions.delete permissions.list.v2 permissions.get.v2 permissions.create.v2 permissions.replace.v2
        permissions.delete.v2 access.permissions.list access.permissions.create access.permissions.get
        access.permissions.replace access.permissions.delete access.permissions.resource.get
        access.permissions.resource.replace access.permissions.resource.update
        access.permissions.resource.delete tokens.list tokens.revoke sessions.end.all oidc.providers.list
        oidc.providers.create oidc.providers.get oidc.providers.put oidc.providers.put.named oidc.providers.delete oidc.mappings.list
        oidc.mappings.create oidc.mappings.get oidc.mappings.put oidc.mappings.delete ldap.settings.list
        ldap.settings.create ldap.settings.get ldap.settings.put ldap.settings.put.named ldap.settings.delete ldap.groups.list
        ldap.groups.create ldap.groups.get ldap.groups.put ldap.groups.put.named ldap.groups.delete projects.attach projects.detach
        projects.share projects.unshare projects.repository projects.create projects.delete roles.list
        roles.create roles.get roles.put roles.put.named roles.delete environments.create environments.rename
        environments.delete audit.search repositories.configurations repositories.create repositories.update
        repositories.delete repositories.create.batch repositories.update.batch system.status system.service_id
        system.base_url artifactory.metrics access.metrics event.metrics storage.summary
        storage.summary.calculate configuration.get configuration.patch configuration.security trash.empty
        trash.restore trash.clean
    """,
    "annotate": """
        storage.properties.set storage.properties.delete metadata.patch metadata.delete
        storage.properties.set.item storage.properties.delete.item metadata.patch.item metadata.delete.item
    """,
    "delete": """
        artifacts.delete docker.blob.delete docker.delete
    """,
    "clear": """
        artifacts.clear0 artifacts.clear1
    """,
    "deploy": """
        artifacts.deploy docker.upload.start docker.upload.add docker.upload.close docker.upload.status
        docker.upload.cancel docker.push
    """,
    "read": """
        artifacts.fetch artifacts.root0 artifacts.root1 docker.blob.fetch docker.tags docker.referrers
        docker.pull storage.get storage.get.item artifacts.copy artifacts.move artifacts.copy.root
        artifacts.move.root artifacts.archive.root artifacts.archive
    """,
}
"""What routes demand, by operation:

ticket          the ticket of what was begun before, in the place of credentials
open            nothing, and credentials are not looked at
judged          nothing at the door; the handler judges the credentials that it is given
users           anybody who is known
own password    the password of somebody, or what is as good
session         the session of a browser
others          oneself or administrators; asked here about somebody else
project         administrators of the project
administrators  administrators
clear           administrators, for whole repositories
read ...        rights on a path
"""
OPERATIONS = {operation: demand for demand, listed in EXPECTED.items() for operation in listed.split()}
LETTERS = {"read": "r", "deploy": "w", "annotate": "n", "delete": "d"}

CALLERS = {
    "reader": "r", "deployer": "w", "annotator": "n", "deleter": "d", "member": "r", "narrow": "", "chief": "rwnd", "stranger": "",
}  # fmt: skip
"""Users and their letters on `libs` and `images`; `member` has them by a group, `narrow` below another path, `chief` by a project."""

PATHS = {
    "repo": "libs", "path": "a/1.txt", "name": "images/app", "reference": "latest", "digest": f"sha256:{'0' * 64}", "upload": "none",
    "key": "none", "kind": "artifact", "token_id": "none", "provider": "none", "project": "none", "fingerprint": "SHA256:none",
}  # fmt: skip


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home: Path = tmp_path_factory.mktemp("every") / "home"
    made = prepared(settings_of(home))
    asyncio.run(filled(made))
    return made


async def filled(settings: Settings) -> None:
    async with build(settings) as application, client_of(application) as admin:
        for everyone in ("Anything", "Any%20Remote"):
            await admin.delete(f"/artifactory/api/security/permissions/{everyone}")
        for key, kind in (("libs", "generic"), ("images", "docker")):
            await admin.put(f"/artifactory/api/repositories/{key}", json={"rclass": "local", "packageType": kind})
        await admin.put("/artifactory/api/security/groups/crew", json={"name": "crew"})
        await admin.post("/access/api/v1/projects", json={"project_key": "app", "display_name": "App"})
        for name, letters in CALLERS.items():
            user = {"email": f"{name}@x.test", "password": PASSWORD, "groups": ["crew"] if name == "member" else []}
            assert (await admin.put(f"/artifactory/api/security/users/{name}", json=user)).status_code == 201
            if name == "chief" or (not letters and name != "narrow"):
                continue
            principals = {"groups": {"crew": ["r"]}} if name == "member" else {"users": {name: [*(letters or "rwndm")]}}
            target = {"name": name, "repositories": ["libs", "images"], "principals": principals,
                      "includesPattern": "mine/**" if name == "narrow" else "**"}  # fmt: skip
            answer = await admin.put(f"/artifactory/api/security/permissions/{name}", json=target)
            assert answer.status_code == 201, answer.text
        chief = {"name": "chief", "roles": ["Project Admin"]}
        assert (await admin.put("/access/api/v1/projects/app/users/chief", json=chief)).status_code == 200
        for key in ("libs", "images"):
            assert (await admin.put(f"/access/api/v1/projects/_/attach/repositories/{key}/app")).status_code == 204
        assert (await admin.put("/artifactory/libs/a/1.txt", content=b"one")).status_code == 201
        yaml = {"content-type": "application/yaml"}
        text = "folderDownloadConfig: {enabled: true}"
        assert (
            await admin.patch("/artifactory/api/system/configuration", content=text, headers=yaml)
        ).status_code == 200


@dataclass
class Place:
    """The running application, and what a test asks it."""

    rows: tuple[Row, ...]
    admin: httpx.AsyncClient
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def status(self, row: Row, headers: dict[str, str], *, name: str = "none", project: str = "app") -> int:
        """Ask a route for something that is not there, or that does no harm."""
        words = {**PATHS, "name": PATHS["name"] if row.face == "oci" else name}
        if row.operation.startswith("projects.") and "{key}" in row.path:
            words["key"] = project
        if row.operation == "artifacts.deploy":
            words["path"] = f"new/{next(self.numbers)}.txt"
        url = re.sub(r"\{([a-z_]+)\*?\}", lambda word: words[word[1]], row.path)
        unsafe = row.method in {"PUT", "POST", "PATCH"}
        more = {"content": b"{}"} if unsafe else {}
        client = httpx.AsyncClient(transport=self.admin._transport, base_url=self.admin.base_url, headers=headers)
        return (await client.request(row.method, url, **more)).status_code

    async def session(self, name: str) -> dict[str, str]:
        client = httpx.AsyncClient(transport=self.admin._transport, base_url=self.admin.base_url)
        reply = await client.post("/ui/api/v1/ui/auth/login", json={"user": name, "password": PASSWORD})
        assert reply.status_code == 200, reply.text
        return {"cookie": reply.headers["set-cookie"].partition(";")[0], "x-csrf-token": reply.json()["csrfToken"]}

    async def token(self, **wish: object) -> dict[str, str]:
        made = await self.admin.post("/access/api/v1/tokens", json=wish)
        assert made.status_code == 200, made.text
        told: dict[str, str] = made.json()
        return told


@pytest.fixture
async def place(settings: Settings) -> AsyncIterator[Place]:
    async with build(settings) as application, client_of(application) as admin:
        yield Place(application._table.rows, admin)


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def credentials(place: Place, name: str) -> dict[str, dict[str, str]]:
    """All ways in which somebody may come."""
    told = await place.token(username=name, include_reference_token=True)
    client = httpx.AsyncClient(transport=place.admin._transport, base_url=place.admin.base_url, headers=basic(name))
    key = (await client.put("/artifactory/api/security/apiKey")).json()["apiKey"]
    encrypted = (await client.get("/artifactory/api/security/encryptedPassword")).text
    return {
        "basic": basic(name), "jwt": bearer(told["access_token"]), "reference": {"X-JFrog-Art-Api": told["reference_token"]},
        "token as password": basic(name, told["access_token"]), "api key": {"X-JFrog-Art-Api": key},
        "key as password": basic(name, key), "encrypted": basic(name, encrypted), "session": await place.session(name),
    }  # fmt: skip


def refused(row: Row, caller: str, how: str) -> set[int]:
    """The statuses that the table expects; empty: not refused."""
    demand, letters = OPERATIONS[row.operation], CALLERS.get(caller, "rwnd")
    administers = caller == "admin"
    if demand == "ticket":
        return {401}
    if demand == "session":
        return set() if how == "session" else {401}
    if row.operation == "passwords.encrypted":
        return set() if how in {"basic", "encrypted", "session"} else {403}
    if demand in {"open", "judged", "users"} or administers:
        return set()
    if demand == "project":
        return set() if caller == "chief" else {403}
    if demand == "read" and caller == "narrow" and row.face != "oci" and "{path*}" not in row.path:
        return set()  # the root is on the way to what it may read
    if demand in LETTERS:
        return set() if LETTERS[demand] in letters else {403}
    return {403}


def test_every_route_has_an_expectation_and_every_expectation_a_route(settings: Settings) -> None:
    async def operations() -> set[str]:
        async with build(settings) as application:
            return {row.operation for row in application._table.rows}

    assert asyncio.run(operations()) == set(OPERATIONS)


async def test_nobody_gets_in_where_somebody_is_asked_for(place: Place) -> None:
    for row in place.rows:
        demand = OPERATIONS[row.operation]
        status = await place.status(row, {})
        assert (status == 401) is (demand != "open" and row.operation != "docker.token.oauth2"), (row.operation, status)


@pytest.mark.parametrize("caller", [*CALLERS, "admin"])
async def test_each_caller_may_do_what_it_holds_by_whatever_credential(place: Place, caller: str) -> None:
    for how, headers in (await credentials(place, caller)).items():
        for row in place.rows:
            if row.operation in {"sessions.end.all", "sessions.end", "sessions.old.end", "passwords.expire.all",
                                 "access.passwords.expire.all", "access.tokens.me.revoke", "trash.empty"}:  # fmt: skip
                continue  # which would end what this test goes on with
            if row.operation.startswith("apikeys") or (caller == "admin" and OPERATIONS[row.operation] == "clear"):
                continue  # likewise; keys are proved beside
            wanted = refused(row, caller, how)
            status = await place.status(row, headers)
            assert (status if status in {401, 403} else 0) in (wanted or {0}), (row.operation, caller, how, status)


async def test_a_project_is_administered_by_its_own_administrators_only(place: Place) -> None:
    await place.admin.post("/access/api/v1/projects", json={"project_key": "other", "display_name": "Other"})
    for row in place.rows:
        if OPERATIONS[row.operation] == "project":
            assert await place.status(row, basic("chief"), project="other") == 403, row.operation
            assert await place.status(row, basic("chief"), project="absent") == 403, row.operation


@pytest.mark.parametrize(
    "scope", ["artifact:libs/mine/**:r", "applied-permissions/groups:crew", "system:metrics:r", "api:*"]
)
async def test_a_narrow_token_of_an_administrator_administers_nothing(place: Place, scope: str) -> None:
    headers = bearer((await place.token(scope=scope))["access_token"])
    for row in place.rows:
        demand = OPERATIONS[row.operation]
        if demand in {"administrators", "project", "others", "own password", "delete", "annotate", "deploy"}:
            assert await place.status(row, headers) == 403, (row.operation, scope)
        if demand == "read" and "crew" not in scope and (row.face == "oci" or "{path*}" in row.path):
            assert await place.status(row, headers) == 403, (row.operation, scope)


async def test_credentials_that_are_no_longer_or_never_were_good_open_nothing(place: Place) -> None:
    good = (await place.token(scope="applied-permissions/admin"))["access_token"]
    revoked = await place.token(scope="applied-permissions/admin", include_reference_token=True)
    assert (await place.admin.delete(f"/access/api/v1/tokens/{revoked['token_id']}")).status_code == 200
    elsewhere = (await place.token(scope="applied-permissions/admin", audience="jfrt@elsewhere"))["access_token"]
    head, body, signature = good.split(".")
    public = (await place.admin.get("/access/api/v1/cert/root")).content

    def part(text: bytes) -> str:
        return base64.urlsafe_b64encode(text).decode().rstrip("=")

    def forged(algorithm: bytes, key: bytes | None) -> str:
        header = b'{"alg":"%s","typ":"JWT","ver":"2"}' % algorithm
        signed = f"{part(header)}.{body}"
        return f"{signed}." if key is None else f"{signed}.{part(hmac.digest(key, signed.encode(), 'sha256'))}"

    bad = {
        "revoked": bearer(revoked["access_token"]), "revoked reference": bearer(revoked["reference_token"]),
        "another audience": bearer(elsewhere), "alg none": bearer(forged(b"none", None)), "blank key": bearer(forged(b"HS256", b"")),
        "confused": bearer(forged(b"HS256", public)), "cut": bearer(f"{head}.{body}."),
        "tampered": bearer(f"{head}.{body[:-4]}AAAA.{signature}"),
        "of another": basic("reader", good), "wrong": basic("admin", "wrong"), "no key": {"X-JFrog-Art-Api": "AKCp8" + "x" * 68},
        "no session": {"cookie": "entrepot_session=nothing"}, "no scheme": {"authorization": "Digest x"},
    }  # fmt: skip
    for name, headers in bad.items():
        for row in place.rows:
            if OPERATIONS[row.operation] == "open" or row.operation == "docker.token.oauth2":
                continue
            assert await place.status(row, headers) == 401, (row.operation, name)


async def test_an_expired_token_opens_nothing(place: Place) -> None:
    token = (await place.token(scope="applied-permissions/admin", expires_in=1))["access_token"]
    async with asyncio.timeout(10):
        while (await place.status(place.rows[-1], bearer(token))) != 401:  # noqa: ASYNC110 - the database's clock decides
            await asyncio.sleep(0.1)
    for row in place.rows:
        if OPERATIONS[row.operation] != "open" and row.operation != "docker.token.oauth2":
            assert await place.status(row, bearer(token)) == 401, row.operation


async def test_a_session_without_its_token_changes_nothing(place: Place) -> None:
    headers = await place.session("admin")
    del headers["x-csrf-token"]
    for row in place.rows:
        blind = OPERATIONS[row.operation] in {"open", "ticket"} or row.operation == "docker.token.oauth2"
        if row.method not in {"GET", "HEAD"} and not blind:
            assert await place.status(row, headers) == 403, row.operation
