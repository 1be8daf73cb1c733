"""Every route x caller x credential -> refused or not, over HTTP, in one process and against several workers.

"Not refused" is any status but 401 and 403: the requests are mostly senseless beyond.
"""

import asyncio
import base64
import hmac

import pytest

from tests.security.expectations import CALLERS, OPERATIONS, refused
from tests.security.places import Place, basic, bearer, credentials


async def test_every_route_has_an_expectation_and_every_expectation_a_route(place: Place) -> None:
    assert {row.operation for row in place.rows} == set(OPERATIONS)


async def test_nobody_gets_in_where_somebody_is_asked_for(place: Place) -> None:
    for row in place.rows:
        demand = OPERATIONS[row.operation]
        status = await place.status(row, {})
        assert (status == 401) is (demand != "open" and row.operation != "docker.token.oauth2"), (row.operation, status)


@pytest.mark.parametrize("caller", [*CALLERS, "admin"])
async def test_each_caller_may_do_what_it_holds_by_whatever_credential(place: Place, caller: str) -> None:
    ways = [*(await credentials(place, caller)).items()]
    for number, row in enumerate(place.rows):
        for how, headers in [ways[number % len(ways)]] if place.served else ways:
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
        if demand in {
            "administrators",
            "managers",
            "project",
            "others",
            "own password",
            "delete",
            "annotate",
            "deploy",
        }:
            assert await place.status(row, headers) == 403, (row.operation, scope)
        if demand == "metrics":
            assert await place.status(row, headers) == (200 if scope == "system:metrics:r" else 403), (
                row.operation,
                scope,
            )
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
        if row.method not in {"GET", "HEAD", "OPTIONS"} and not blind:
            assert await place.status(row, headers) == 403, row.operation
