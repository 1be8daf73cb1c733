"""API keys, SSH keys, the public key: what is given out beside tokens."""

import asyncio
import threading

import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from entrepot.auth.keys import SigningKey
from tests.unit.rest.security.support import Site, message

KEY = "/artifactory/api/security/apiKey"
SELF = "/access/api/v1/tokens"
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+fm0zX1jT9mE5vl1jX5YcZ0rOFb9kVbV1k5d8T2Q0A bob@laptop"


async def made(site: Site, name: str = "bob") -> str:
    reply = await site.ask("POST", KEY, name=name)
    assert reply.status_code == 201
    return str(reply.json()["apiKey"])


async def with_key(site: Site, key: str, method: str = "GET", path: str = SELF) -> int:
    return (await site.ask(method, path, name="", headers={"X-JFrog-Art-Api": key})).status_code


async def test_a_key_has_the_shape_that_clients_know_and_stands_for_its_user(site: Site) -> None:
    assert (await site.ask("GET", KEY, name="bob")).json() == {}
    key = await made(site)
    assert (key[:5], len(key)) == ("AKCp8", 73)
    assert await with_key(site, key) == 200
    assert (await site.ask("GET", SELF, auth=("bob", key))).status_code == 200
    assert (await site.ask("GET", SELF, auth=("root", key))).status_code == 401
    assert (await site.ask("GET", KEY, name="bob")).json() == {"apiKey": key}


async def test_a_second_key_is_made_by_renewing_the_first(site: Site) -> None:
    key = await made(site)
    refused = await site.ask("POST", KEY, name="bob")
    assert (refused.status_code, message(refused)) == (400, "Api key already exists for user: bob")
    renewed = (await site.ask("PUT", KEY, name="bob")).json()["apiKey"]
    assert await with_key(site, key) == 401
    assert await with_key(site, renewed) == 200


async def test_a_key_ends_when_it_is_revoked_or_its_user_is_disabled_or_deleted(site: Site) -> None:
    key = await made(site)
    assert (await site.ask("DELETE", KEY, name="bob")).json() == {
        "info": "Api key for user: 'bob' has been successfully revoked"
    }
    assert await with_key(site, key) == 401
    key = await made(site)
    assert await with_key(site, key) == 200
    await site.ask("PATCH", "/access/api/v2/users/bob", {"status": "disabled"})
    assert await with_key(site, key) == 401
    await site.ask("PATCH", "/access/api/v2/users/bob", {"status": "enabled"})
    assert await with_key(site, key) == 200
    await site.ask("DELETE", "/access/api/v2/users/bob")
    assert await with_key(site, key) == 401
    again = {"username": "bob", "email": "b@example.org", "password": "Password1"}
    assert (await site.ask("POST", "/access/api/v2/users", again)).status_code == 201
    assert await with_key(site, key) == 401


async def test_administrators_revoke_keys_of_others_and_of_all(site: Site) -> None:
    key = await made(site)
    assert (await site.ask("DELETE", f"{KEY}/bob", name="bob")).status_code == 403
    assert (await site.ask("DELETE", f"{KEY}?deleteAll=1", name="bob")).status_code == 403
    assert (await site.ask("GET", "/artifactory/api/security/users/apiKey")).json() == {"bob": key}
    assert (await site.ask("DELETE", f"{KEY}/bob")).status_code == 200
    assert (await site.ask("DELETE", f"{KEY}/bob")).status_code == 404
    assert await with_key(site, key) == 401
    key = await made(site)
    assert (await site.ask("DELETE", f"{KEY}?deleteAll=1")).status_code == 200
    assert await with_key(site, key) == 401


async def test_a_key_is_not_changed_by_itself_nor_made_by_anything_narrower_or_shorter(site: Site) -> None:
    key = await made(site, "root")
    assert await with_key(site, key, "DELETE", KEY) == 403
    assert await with_key(site, key, "PUT", KEY) == 403
    for scope, expires_in in (
        ("applied-permissions/groups:readers", None), ("artifact:libs:r", None), ("applied-permissions/user", 3600),
    ):  # fmt: skip
        token = await site.token("bob", scope, expires_in=expires_in)
        assert (await site.ask("POST", KEY, token=token)).status_code == 403
    whole = await site.token("bob", "applied-permissions/user", expires_in=None)
    assert (await site.ask("POST", KEY, token=whole)).status_code == 201
    site.anonymous = True
    assert (await site.ask("POST", KEY, name="")).status_code == 401


async def test_what_a_key_bought_is_no_more_than_a_key(site: Site) -> None:
    key = await made(site, "root")
    lasting = {"expires_in": 0}
    token = (await site.ask("POST", "/access/api/v1/tokens", lasting, auth=("root", key))).json()["access_token"]
    for method, path in (
        ("PUT", KEY), ("DELETE", KEY), ("DELETE", f"{KEY}?deleteAll=1"), ("DELETE", f"{KEY}/root"),
        ("GET", "/artifactory/api/security/users/apiKey"),
    ):  # fmt: skip
        assert (await site.ask(method, path, token=token)).status_code == 403, (method, path)
    assert (await site.ask("GET", KEY, token=token)).json() == {"apiKey": key}


async def test_a_token_of_an_hour_revokes_the_keys_of_others_neither_at_once_nor_one_by_one(site: Site) -> None:
    key = await made(site)
    token = await site.token("root")
    for path in (f"{KEY}?deleteAll=1", f"{KEY}/bob"):
        assert (await site.ask("DELETE", path, token=token)).status_code == 403
    assert await with_key(site, key) == 200


async def test_no_database_row_holds_a_key(site: Site) -> None:
    key = await made(site)
    from entrepot.metadata.sql import sql

    rows = await site.database.rows(sql("SELECT secret_hash, sealed FROM api_key"))
    assert not any(key.encode() in bytes(value) for row in rows for value in row)
    assert not any(key in str(row) for row in await site.audit())


@pytest.mark.parametrize("owner", ["bob", "root"])
async def test_ssh_keys_are_stored_by_their_user_and_administrators(site: Site, owner: str) -> None:
    keys = "/access/api/v2/users/bob/ssh_keys"
    added = await site.ask("POST", keys, {"public_key": SSH}, name=owner)
    assert (added.status_code, added.json()["label"]) == (201, "bob@laptop")
    fingerprint = added.json()["fingerprint"]
    assert fingerprint.startswith("SHA256:")
    assert (await site.ask("POST", keys, {"public_key": SSH}, name=owner)).status_code == 409
    found = (await site.ask("GET", keys, name=owner)).json()["keys"]
    assert [one["public_key"] for one in found] == [SSH.rpartition(" ")[0]]
    assert (await site.ask("DELETE", f"{keys}/{fingerprint.replace('/', '%2F')}", name=owner)).status_code == 204
    assert (await site.ask("GET", keys, name=owner)).json() == {"keys": []}


@pytest.mark.parametrize(
    "text", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "x y z", "-----BEGIN PRIVATE KEY-----\nx", "s" * 20_000]
)
async def test_what_is_no_public_key_is_not_stored(site: Site, text: str) -> None:
    assert (await site.ask("POST", "/access/api/v2/users/bob/ssh_keys", {"public_key": text})).status_code == 400


async def test_nobody_touches_the_ssh_keys_of_others(site: Site) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", "/SHA256:x")):
        refused = await site.ask(method, f"/access/api/v2/users/root/ssh_keys{path}", {"public_key": SSH}, name="bob")
        assert refused.status_code == 403
    narrow = await site.token("bob", "applied-permissions/groups:readers")
    assert (await site.ask("GET", "/access/api/v2/users/bob/ssh_keys", token=narrow)).status_code == 403


async def test_others_verify_our_tokens_with_the_public_key(site: Site) -> None:
    token = await site.token("bob")
    keys = (await site.ask("GET", "/access/api/v1/oidc/jwks", name="")).json()
    assert all("d" not in key for key in keys["keys"])
    assert jws.deserialize_compact(
        token, KeySet.import_key_set(keys), registry=jws.JWSRegistry(strict_check_header=False)
    )


async def test_a_token_that_could_be_a_job_s_neither_shows_nor_ends_everybody_s_keys(site: Site) -> None:
    key = await made(site)
    everybody = (("GET", "/artifactory/api/security/users/apiKey"), ("DELETE", f"{KEY}?deleteAll=1"))
    job, lasting = await site.token("root", expires_in=60), await site.token("root", expires_in=2 * 86_400)
    for method, path in everybody:
        assert (await site.ask(method, path, token=job)).status_code == 403
    assert (await site.ask(*everybody[0], token=lasting)).json() == {"bob": key}
    assert (await site.ask(*everybody[1], token=lasting)).status_code == 200


async def test_the_certificate_holds_the_same_key_each_time(site: Site) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    first = await site.ask("GET", "/access/api/v1/cert/root", name="")
    assert (await site.ask("GET", "/access/api/v1/cert/root", name="")).text == first.text
    public = x509.load_pem_x509_certificate(first.content).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert pem == site.tokens.key.key.as_pem(private=False).decode()


async def test_the_certificate_is_made_once_and_not_on_the_loop(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[threading.Thread] = []

    def certificate(_: SigningKey, name: str) -> str:
        made.append(threading.current_thread())
        return f"of {name}"

    monkeypatch.setattr(SigningKey, "certificate", certificate)
    asked = await asyncio.gather(*(site.ask("GET", "/access/api/v1/cert/root", name="") for _ in range(5)))
    assert {one.text for one in asked} == {f"of {site.tokens.issuer}"}
    assert len(made) == 1
    assert made[0] is not threading.main_thread()
