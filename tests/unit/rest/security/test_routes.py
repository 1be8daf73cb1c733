import pytest

from entrepot.auth.jwt import Claims
from tests.unit.rest.security.support import Site

OPEN = {
    "/artifactory/api/security/users/authorization/changePassword",
    "/ui/api/v1/ui/auth/login",
    "/artifactory/ui/auth/login",
    "/access/api/v1/cert/root",
    "/access/api/v1/oidc/jwks",
    "/access/api/v1/oidc/token",
}
FOR_USERS = (
    "/access/api/v1/tokens", "/artifactory/api/security/token", "/artifactory/api/security/encryptedPassword",
    "/artifactory/api/security/apiKey", "/ui/api/v1/ui/auth", "/artifactory/ui/auth", "/access/api/v1/environments",
)  # fmt: skip
"""Open to users; what they may do there with which credential is proved beside."""


def path_of(template: str) -> str:
    for word in ("{name}", "{kind}", "{token_id}", "{key}", "{provider}", "{repo}", "{project}", "{fingerprint*}"):
        template = template.replace(word, "artifact" if word == "{kind}" else "x")
    return template


async def test_no_route_is_open_that_should_not_be(site: Site) -> None:
    for row in site.rows:
        refused = await site.ask(row.method, path_of(row.path), {}, name="")
        assert (refused.status_code == 401) is (row.path not in OPEN), row


@pytest.mark.parametrize("scope", ["", "applied-permissions/user", "applied-permissions/groups:devs", "artifact:*:*"])
async def test_what_administers_is_closed_to_users_and_to_narrow_tokens(site: Site, scope: str) -> None:
    owner = "root" if scope and scope != "applied-permissions/user" else "bob"
    who = {"token": await site.token(owner, scope)} if scope else {"name": owner}
    for row in site.rows:
        if row.path in OPEN or (row.action != "admin" and row.path.startswith(FOR_USERS)):
            continue
        if row.operation == "projects.list":  # of which a user sees those that it administers
            assert (await site.ask("GET", row.path, **who)).json() == []
            continue
        refused = await site.ask(row.method, path_of(row.path), {}, **who)
        assert refused.status_code == 403, row


async def test_a_docker_token_opens_nothing_here(site: Site) -> None:
    now = site.database.now() // 1000
    claims = Claims(
        sub=f"{site.tokens.issuer}/users/root", scp="applied-permissions/admin", aud=site.tokens.docker_audience,
        iss=site.tokens.issuer, iat=now, jti="d", exp=now + 60, access=[],
    )  # fmt: skip
    token = await site.tokens.sign(claims, "docker+jwt")
    for row in site.rows:
        if row.path not in OPEN:
            assert (await site.ask(row.method, path_of(row.path), {}, token=token)).status_code == 401, row


async def test_nobody_is_read_at_length(site: Site) -> None:
    for row in site.rows:
        if row.action == "public" and row.method == "POST":
            refused = await site.ask(row.method, row.path, {"x": "x" * (64 << 10)}, name="")
            assert refused.status_code == 413, row
