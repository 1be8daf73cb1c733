"""Keyless CI: tokens of a real provider, and of those who pretend to be one, for ours."""

import base64
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from entrepot.access.scopes import ScopeInvalid
from entrepot.auth.oidc.keys import IdTokenRefused, ProviderKeys
from entrepot.auth.oidc.settings import ClaimRefused, IdentityMapping, Provider, filled
from entrepot.errors import Invalid
from entrepot.outbound import PartnerFailed, UrlRefused, check_url, fetch_json
from tests.parts.oidc import OidcProvider, oidc_provider
from tests.unit.rest.security.support import Site, message

OIDC = "/access/api/v1/oidc"
NOW = 1_800_000_000  # seconds
ISSUER = "https://ci.example.org"


# --- with a real provider ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Iterator[OidcProvider]:
    with oidc_provider() as started:
        yield started


async def configured(site: Site, provider: OidcProvider, **spec: object) -> None:
    body = {"name": "op", "issuer_url": provider.issuer, "audience": "ci", "provider_type": "generic"}
    assert (await site.ask("POST", OIDC, body)).status_code == 201
    mapping = {
        "name": "app",
        "priority": 1,
        "claims": {"repository": "acme/app*"},
        "token_spec": {"expires_in": 60, **spec},
    }
    assert (await site.ask("POST", f"{OIDC}/op/identity_mappings", mapping)).status_code == 201


async def exchanged(site: Site, token: str, **more: object) -> Any:
    body = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "subject_token": token, "provider_name": "op", "job_id": "7", **more,
    }  # fmt: skip
    return await site.ask("POST", f"{OIDC}/token", body, name="")


async def test_a_job_gets_a_token_of_the_user_that_its_claims_are_mapped_to(site: Site, real: OidcProvider) -> None:
    await configured(site, real, username="bob", scope="applied-permissions/user")
    told = (await exchanged(site, real.id_token("app-1"), include_reference_token=True)).json()
    assert (told["username"], told["scope"], told["expires_in"]) == ("bob", "applied-permissions/user", 60)
    assert (told["token_type"], told["issued_token_type"]) == (
        "Bearer",
        "urn:ietf:params:oauth:token-type:access_token",
    )
    for text in (told["access_token"], told["reference_token"]):
        assert (await site.ask("GET", "/access/api/v1/tokens", token=text)).status_code == 200
    made = [(row[0], row[1]) for row in await site.audit()]
    assert ("token.create", "bob") in made


async def test_groups_come_from_claims(site: Site, real: OidcProvider) -> None:
    await configured(site, real, username_pattern="ci-{{sub}}", groups_pattern="devs,team-{{sub}}")
    told = (await exchanged(site, real.id_token("app-2"))).json()
    assert (told["username"], told["scope"]) == ("ci-app-2", 'applied-permissions/groups:"devs","team-app-2"')
    caller = (await site.authenticator.password("", told["access_token"], "192.0.2.1")).caller
    assert (caller.groups, caller.user_id, caller.may_administer) == (frozenset({"devs", "team-app-2"}), None, False)


async def test_whose_claims_fit_no_mapping_gets_nothing(site: Site, real: OidcProvider) -> None:
    await configured(site, real, username="bob")
    token = real.id_token("other")
    refused = await exchanged(site, token)
    assert (refused.status_code, "identity mapping" in message(refused)) == (403, True)
    assert (await exchanged(site, real.id_token("app"), identity_mapping_name="none")).status_code == 403
    head, _, rest = token.partition(".")
    body, _, signature = rest.partition(".")
    assert (await exchanged(site, f"{head}.{body}x.{signature}")).status_code == 401
    assert (await exchanged(site, "nonsense")).status_code == 401
    assert (await exchanged(site, token, provider_name="none")).status_code == 400
    assert (await exchanged(site, token, grant_type="password")).status_code == 400


async def test_a_mapping_to_nobody_or_a_disabled_user_gives_nothing(site: Site, real: OidcProvider) -> None:
    await configured(site, real, username="{{sub}}")
    assert (await exchanged(site, real.id_token("app"))).status_code == 403
    await site.ask(
        "PUT", f"{OIDC}/op/identity_mappings/app", {"claims": {"repository": "*"}, "token_spec": {"username": "bob"}}
    )
    assert (await exchanged(site, real.id_token("app"))).status_code == 200
    await site.ask("PATCH", "/access/api/v2/users/bob", {"status": "disabled"})
    assert (await exchanged(site, real.id_token("app"))).status_code == 403


async def test_providers_and_mappings_are_configured(site: Site) -> None:
    body = {"name": "gh", "issuer_url": "https://token.example.org", "provider_type": "GitHub", "organization": "acme"}
    assert (await site.ask("POST", OIDC, {**body, "organization": ""})).status_code == 400
    told = (await site.ask("POST", OIDC, body)).json()
    assert {**told, **body} == told
    assert "identity_mappings" not in told
    assert (await site.ask("POST", OIDC, body)).status_code == 409
    assert (await site.ask("PUT", f"{OIDC}/gh", {**body, "description": "d"})).json()["description"] == "d"
    mapping = {"name": "m", "priority": 2, "claims": {"sub": "x"}, "token_spec": {"scope": "applied-permissions/admin"}}
    many = f"{OIDC}/gh/identity_mappings"
    assert (await site.ask("POST", many, mapping)).status_code == 201
    assert (await site.ask("POST", many, mapping)).status_code == 409
    assert (
        await site.ask("POST", many, {**mapping, "name": "bad", "token_spec": {"scope": "nonsense"}})
    ).status_code == 400
    assert (await site.ask("GET", f"{many}/m")).json()["priority"] == 2
    assert (await site.ask("PUT", f"{OIDC}/gh", body)).status_code == 200
    assert [one["name"] for one in (await site.ask("GET", many)).json()] == ["m"]
    assert (await site.ask("DELETE", f"{many}/m")).status_code == 204
    assert (await site.ask("DELETE", f"{many}/m")).status_code == 404
    assert (await site.ask("DELETE", f"{OIDC}/gh")).status_code == 204
    assert (await site.ask("GET", f"{OIDC}/gh")).status_code == 404
    for url in ("ftp://x", "http://169.254.169.254/", "https://u:p@x.test", "https://", "x"):
        answer = await site.ask("POST", OIDC, {**body, "name": f"x{len(url)}", "issuer_url": url})
        assert answer.status_code == (201 if url.startswith("http://169") else 400), url


# --- with those who pretend -------------------------------------------------------------------------------------------


class Time:
    def __init__(self) -> None:
        self.seconds = NOW

    def now(self) -> int:
        return self.seconds * 1000


class Pretended:
    """A provider whose documents and tokens the test makes."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "k1"})
        self.keys = [self.key]
        self.issuer = ISSUER
        self.asked: list[str] = []
        self.down = False

    async def fetch(self, url: str) -> Any:
        self.asked.append(url)
        if self.down:
            raise PartnerFailed(host="x", reason="down")
        if url.endswith("openid-configuration"):
            return {"issuer": self.issuer, "jwks_uri": f"{ISSUER}/keys"}
        return {"keys": [*({"kty": "strange", "kid": "?"}, {"kty": "oct", "k": "c2VjcmV0", "kid": "o"}),
                         *(key.as_dict(private=False) for key in self.keys)]}  # fmt: skip

    def token(self, key: Any = None, alg: str = "RS256", kid: str = "k1", **claims: object) -> str:
        body = {"iss": ISSUER, "aud": "us", "sub": "job", "exp": NOW + 300, "iat": NOW, **claims}
        return jwt.encode(
            {"alg": alg, "kid": kid},
            {k: v for k, v in body.items() if v is not None},
            key or self.key,
            algorithms=[alg],
        )


PROVIDER = Provider(name="p", issuer_url=ISSUER, audience="us")


async def refused(pretended: Pretended, token: str, provider: Provider = PROVIDER) -> str:
    with pytest.raises(IdTokenRefused) as found:
        await ProviderKeys(Time(), pretended.fetch).verified(provider, token)
    return str(found.value)


async def test_a_good_token_passes_and_keys_are_asked_for_once() -> None:
    pretended = Pretended()
    keys = ProviderKeys(Time(), pretended.fetch)
    for _ in range(3):
        assert (await keys.verified(PROVIDER, pretended.token()))["sub"] == "job"
    assert len(pretended.asked) == 2


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.test"}, {"iss": None}, {"aud": "them"}, {"aud": ["a", "b"]}, {"aud": None}, {"exp": NOW - 61},
        {"exp": None}, {"exp": "never"}, {"nbf": NOW + 120}, {"iat": NOW + 120}, {"nbf": "x"},
    ],
)  # fmt: skip
async def test_claims_of_others_or_of_another_time_are_refused(claims: dict[str, object]) -> None:
    pretended = Pretended()
    assert await refused(pretended, pretended.token(**claims))


async def test_signatures_of_others_are_refused() -> None:
    pretended, stranger = Pretended(), RSAKey.generate_key(2048)
    assert "signature" in await refused(pretended, pretended.token(stranger))
    assert "key" in await refused(pretended, pretended.token(stranger, kid="k2"))
    head, body = (
        base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"HS256","kid":"k1"}', b"{}")
    )
    mac = hmac.digest(pretended.key.as_pem(private=False), f"{head}.{body}".encode(), "sha256")
    confused = f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    assert "algorithm" in await refused(pretended, confused)
    assert "key" in await refused(pretended, pretended.token(kid="o"))
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k1"}').decode().rstrip("=")
    assert "algorithm" in await refused(pretended, f"{none}.{pretended.token().split('.')[1]}.")
    assert "long" in await refused(pretended, "e" * 40_000)


async def test_new_keys_are_found_and_made_up_ones_do_not_make_us_ask_all_the_time() -> None:
    pretended, time = Pretended(), Time()
    keys = ProviderKeys(time, pretended.fetch)
    await keys.verified(PROVIDER, pretended.token())
    for number in range(20):
        with pytest.raises(IdTokenRefused):
            await keys.verified(PROVIDER, pretended.token(kid=f"made up {number}"))
    assert len(pretended.asked) == 2
    new = RSAKey.generate_key(2048, {"kid": "k9"})
    pretended.keys = [new]
    time.seconds += 11
    assert await keys.verified(PROVIDER, pretended.token(new, kid="k9"))
    with pytest.raises(IdTokenRefused):
        await keys.verified(PROVIDER, pretended.token())


async def test_a_provider_that_is_down_is_relied_upon_for_a_day() -> None:
    pretended, time = Pretended(), Time()
    keys = ProviderKeys(time, pretended.fetch)
    await keys.verified(PROVIDER, pretended.token())
    pretended.down = True
    time.seconds += 3600
    assert await keys.verified(PROVIDER, pretended.token(exp=NOW + 4000))
    time.seconds += 86_400
    with pytest.raises(PartnerFailed):
        await keys.verified(PROVIDER, pretended.token(exp=NOW + 100_000))


async def test_a_configuration_that_names_another_issuer_is_not_believed() -> None:
    pretended = Pretended()
    pretended.issuer = "https://evil.test"
    with pytest.raises(PartnerFailed):
        await ProviderKeys(Time(), pretended.fetch).verified(PROVIDER, pretended.token())


async def test_a_github_token_must_be_of_the_organization() -> None:
    pretended = Pretended()
    github = Provider(name="g", issuer_url=ISSUER, provider_type="GitHub", organization="acme")
    assert "organization" in await refused(pretended, pretended.token(repository_owner="evil"), github)
    keys = ProviderKeys(Time(), pretended.fetch)
    assert await keys.verified(github, pretended.token(repository_owner="acme"))


@pytest.mark.parametrize("claim", ["azp", "appid", "aud"])
async def test_a_token_of_azure_must_be_of_the_application(claim: str) -> None:
    pretended = Pretended()
    azure = Provider(name="a", issuer_url=ISSUER, provider_type="Azure", azure_app_id="ours")
    assert "application" in await refused(pretended, pretended.token(**{claim: "another"}), azure)
    assert "application" in await refused(pretended, pretended.token(aud="ours", azp="another"), azure)
    assert await ProviderKeys(Time(), pretended.fetch).verified(azure, pretended.token(**{claim: "ours"}))


async def test_a_provider_of_one_project_is_refused_as_its_tokens_would_count_everywhere(site: Site) -> None:
    body = {"name": "p", "issuer_url": "https://token.example.org", "project_key": "app"}
    answer = await site.ask("POST", OIDC, body)
    assert (answer.status_code, "project_key" in message(answer)) == (400, True)
    assert (await site.ask("POST", OIDC, {**body, "project_key": ""})).status_code == 201


@pytest.mark.parametrize(
    ("wanted", "claims", "fits"),
    [
        ({"sub": "repo:acme/*"}, {"sub": "repo:acme/app:ref"}, True),
        ({"sub": "repo:acme/*"}, {"sub": "repo:acme2/app"}, False),
        ({"sub": "[a]?"}, {"sub": "ab"}, False),
        ({"sub": "[a]?"}, {"sub": "[a]?"}, True),
        ({"sub": "x", "ref": "main"}, {"sub": "x"}, False),
        ({"teams": "devs"}, {"teams": ["ops", "devs"]}, True),
        ({"a": {"b": "c*"}}, {"a": {"b": "cd", "e": 1}}, True),
        ({"a": {"b": "c"}}, {"a": "c"}, False),
        ({"n": 1}, {"n": True}, False),
        ({"n": 1}, {"n": 1}, True),
        ({}, {"sub": "x"}, False),
    ],
)
def test_a_mapping_fits_when_all_its_claims_do(wanted: dict[str, Any], claims: dict[str, Any], fits: bool) -> None:
    assert IdentityMapping(name="m", claims=wanted).fits(claims) is fits


@pytest.mark.parametrize(
    "value", ['a","admins', "a b", "a,b", "", "é", "x" * 300, 7, None, ["a"], "a\nb", 'x" applied-permissions/admin']
)
def test_a_claim_cannot_widen_a_scope(value: object) -> None:
    with pytest.raises(ClaimRefused):
        filled('applied-permissions/groups:"{{team}}"', {"team": value})


def test_placeholders_are_filled_from_nested_claims_too() -> None:
    assert filled("{{ a }}-{{b.c}}", {"a": "x", "b": {"c": "y"}}) == "x-y"
    assert filled("{{k8s.io}}", {"k8s.io": "dotted", "k8s": {"io": "nested"}}) == "dotted"


# --- requests of our own ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://[fe80::1]/", "https://0.0.0.0/", "https://224.0.0.1/", "http://[::ffff:169.254.169.254]/",
            "https://100.100.100.200/", "http://192.0.2.7/"],
)  # fmt: skip
async def test_addresses_that_no_partner_has_are_not_asked(url: str) -> None:
    with pytest.raises(UrlRefused):
        await fetch_json(url)


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://h/", "https://", "https://u:p@h/", "https://h:99999/", "https://h\n/", "http://h:x/"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        check_url(url)


async def test_a_partner_that_does_not_answer_is_told_apart(real: OidcProvider) -> None:
    assert (await fetch_json(f"{real.issuer}/.well-known/openid-configuration"))["issuer"] == real.issuer
    for url in (f"{real.issuer}/nothing", "http://127.0.0.1:1/", "https://name.invalid/", f"{real.issuer}/"):
        with pytest.raises(PartnerFailed):
            await fetch_json(url)


def test_the_scope_of_a_mapping_is_read_like_any_other() -> None:
    from entrepot.access.scopes import parse_scope

    with pytest.raises(ScopeInvalid):
        parse_scope(json.dumps({"a": 1}))
