import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import msgspec
import pytest

from entrepot.access.caller import ANONYMOUS, Caller
from entrepot.auth import accounts, groups
from entrepot.auth import passwords as passwords_module
from entrepot.auth.accounts import Change, Profile
from entrepot.auth.audit import Actor
from entrepot.auth.authenticate import Authenticator
from entrepot.auth.by_token import GivenOut, LoginUnknown
from entrepot.auth.credentials import BadCredentials
from entrepot.auth.epochs import Epochs
from entrepot.auth.guard import Blocked
from entrepot.auth.jwt import Claims, Entry, TokenExpired, TokenUnknown, sign
from entrepot.auth.keys import SigningKey
from entrepot.auth.passwords import Passwords
from entrepot.auth.tokens import Issued, Order, Tokens
from entrepot.errors import Unauthenticated, Unavailable
from entrepot.metadata.database import DatabaseUnavailable, Tx
from tests.unit.auth.support import Clocked, asking
from tests.unit.auth.test_credentials import Headers, basic

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.9"
BY = Actor("root", HERE)
WEAK = "$argon2id$v=19$m=64,t=1,p=1$"  # how the stored hashes of these tests begin: cheap, and to be made anew


@pytest.fixture(scope="session")
def hashes() -> dict[str, str]:
    from argon2 import PasswordHasher

    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    return {password: hasher.hash(password) for password in ("right", "new")}


@pytest.fixture
async def office(database: Clocked, epochs: Epochs, key: SigningKey, hashes: dict[str, str]) -> AsyncIterator["Office"]:
    async def people(tx: Tx) -> None:
        await groups.create(tx, groups.Group("devs"))
        await groups.create(tx, groups.Group("ops", admin=True))
        await accounts.create(tx, "root", Change(admin=True, password_hash=hashes["right"]))
        await accounts.create(tx, "bob", Change(password_hash=hashes["right"], groups=("devs",)))

    await database.transact(people)
    await epochs.look(database)
    made = Office(database, epochs, key, hashes)
    yield made
    made.passwords.close()


class Office:
    """An authenticator with what stands behind it, and what an administrator would do."""

    def __init__(self, database: Clocked, epochs: Epochs, key: SigningKey, hashes: dict[str, str]) -> None:
        self.database, self.epochs, self.key, self.hashes = database, epochs, key, hashes
        self.tokens = Tokens(database, epochs, key, "01abc")
        self.passwords = Passwords(database)
        self.authenticator = Authenticator(database, epochs, GivenOut(self.tokens), self.passwords)

    async def caller(self, header: str | None, *, address: str = HERE, docker: bool = False) -> Caller:
        headers = Headers() if header is None else Headers(authorization=header)
        return await self.authenticator.caller(asking(headers, address), docker=docker)

    async def refused(self, header: str, *, docker: bool = False, address: str = HERE) -> str:
        with pytest.raises(Unauthenticated) as refused:
            await self.caller(header, docker=docker, address=address)
        return type(refused.value).__name__

    async def alter(self, name: str, change: Change) -> None:
        async def work(tx: Tx) -> None:
            await accounts.alter(tx, await accounts.get(tx, name), change)

        await self.epochs.change(self.database, "security", work)

    async def delete(self, name: str) -> None:
        async def work(tx: Tx) -> None:
            await accounts.delete(tx, await accounts.get(tx, name))

        await self.epochs.change(self.database, "security", work)

    async def token(self, name: str = "bob", **changes: object) -> Issued:
        account = await accounts.find(self.database, name)
        who = (account.name, account.id, account.security_epoch) if account else (name, None, 0)
        words: dict[str, object] = {"scope": "applied-permissions/user", "expires_in": 3600, **changes}
        return await self.tokens.issue(Order(*who, **words), BY)  # type: ignore[arg-type]

    async def docker(self, *, kind: str = "docker+jwt", **changes: object) -> str:
        bob = await accounts.get(self.database, "bob")
        now = self.database.now() // 1000
        claims = Claims(
            sub=f"{self.tokens.issuer}/users/bob", scp="applied-permissions/user", aud=self.tokens.docker_audience,
            iss=self.tokens.issuer, iat=now, jti="d", exp=now + 3600,
            access=[Entry("repository", "libs/app", ["pull"])],
            account=bob.id, epoch=bob.security_epoch,
        )  # fmt: skip
        return sign(self.key, msgspec.structs.replace(claims, **changes), kind)  # type: ignore[arg-type]


# --- no credentials, and passwords ------------------------------------------------------------------------------------


async def test_who_sends_nothing_is_anonymous(office: Office) -> None:
    assert await office.caller(None) is ANONYMOUS
    assert (await office.authenticator.credential(asking(Headers()))).caller is ANONYMOUS


async def test_the_right_password_makes_the_user(office: Office) -> None:
    caller = await office.caller(basic("Bob:right"))
    assert (caller.name, caller.groups, caller.how, caller.is_admin) == ("bob", frozenset({"devs"}), "basic", False)
    assert (await office.caller(basic("root:right"))).may_administer


@pytest.mark.parametrize("pair", ["bob:wrong", "bob:", "nobody:right", ":right", ":", "bob:RIGHT"])
async def test_wrong_credentials_are_refused_alike(office: Office, pair: str) -> None:
    with pytest.raises(BadCredentials) as refused:
        await office.caller(basic(pair))
    assert refused.value.message == "Bad Credentials"


async def test_wrong_credentials_never_become_none(office: Office) -> None:
    for header in ("Basic !", "Bearer x", "Negotiate abc", "Bearer", basic("bob:wrong")):
        await office.refused(header)
    with pytest.raises(TokenUnknown):
        await office.authenticator.caller(asking(Headers(x_jfrog_art_api="AKCp8nonsense")))


async def test_an_account_without_a_password_of_its_own_has_none_that_matches(office: Office) -> None:
    await office.database.transact(lambda tx: accounts.create(tx, "anonymous", Change()))
    for pair in ("anonymous:", "anonymous:right"):
        await office.refused(basic(pair))
    await office.alter("bob", Change(profile=Profile(internal_password_disabled=True)))
    await office.refused(basic("bob:right"))


async def test_a_change_of_password_counts_at_once(office: Office) -> None:
    await office.caller(basic("bob:right"))
    await office.alter("bob", Change(password_hash=office.hashes["new"]))
    await office.refused(basic("bob:right"))
    await office.caller(basic("bob:new"))


@pytest.mark.parametrize("way", ["disabled", "deleted"])
async def test_who_is_disabled_or_deleted_is_out_at_once_by_every_credential(office: Office, way: str) -> None:
    issued = await office.token(reference=True)
    docker = await office.docker()
    headers = [basic("bob:right"), f"Bearer {issued.access_token}", f"Bearer {issued.reference_token}"]
    for header in [*headers, f"Bearer {docker}"]:
        await office.caller(header, docker=True)
    await (office.alter("bob", Change(disabled=True)) if way == "disabled" else office.delete("bob"))
    for header in [*headers, f"Bearer {docker}"]:
        await office.refused(header, docker=True)


async def test_old_tokens_stay_dead_when_the_name_or_the_account_comes_back(office: Office) -> None:
    issued = await office.token(reference=True)
    docker = await office.docker()
    old = [f"Bearer {issued.access_token}", f"Bearer {issued.reference_token}", f"Bearer {docker}"]
    await office.alter("bob", Change(disabled=True))
    await office.alter("bob", Change(disabled=False))
    await office.caller(basic("bob:right"))
    for header in old:
        await office.refused(header, docker=True)
    await office.delete("bob")

    async def again(tx: Tx) -> None:
        await accounts.create(tx, "bob", Change(password_hash=office.hashes["new"]))

    await office.epochs.change(office.database, "security", again)
    for header in [*old, basic("bob:right")]:
        await office.refused(header, docker=True)
    await office.caller(basic("bob:new"))


async def test_groups_and_rights_follow_the_account(office: Office) -> None:
    header = f"Bearer {(await office.token()).access_token}"
    assert not (await office.caller(header)).may_administer
    await office.alter("bob", Change(groups=("ops",)))
    caller = await office.caller(header)
    assert (caller.groups, caller.may_administer) == (frozenset({"ops"}), True)
    await office.alter("bob", Change(groups=()))
    assert not (await office.caller(header)).may_administer


async def test_a_login_is_noted_and_an_old_hash_made_anew(office: Office) -> None:
    assert office.hashes["right"].startswith(WEAK)
    before = await accounts.get(office.database, "bob")
    await office.caller(basic("bob:right"))
    after = await accounts.get(office.database, "bob")
    assert before.last_login is None
    assert after.last_login is not None
    assert str(after.password_hash).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert after.security_epoch == before.security_epoch
    await office.alter("root", Change(email="x"))
    await office.caller(basic("bob:right"))


async def test_a_login_that_cannot_be_noted_is_a_login(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_body: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(office.database, "transact", full)
    assert (await office.caller(basic("bob:right"))).name == "bob"


# --- what is remembered -----------------------------------------------------------------------------------------------


@contextmanager
def no_argon2(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fail(*_: object) -> bool:
        raise AssertionError("verified again")

    with monkeypatch.context() as patch:
        patch.setattr(passwords_module, "_matches", fail)
        yield


async def test_a_repeated_header_costs_neither_argon2_nor_a_look_at_the_database(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await office.caller(basic("bob:right"))

    async def fail(*_: object, **__: object) -> None:
        raise AssertionError("asked the database")

    with no_argon2(monkeypatch):
        monkeypatch.setattr(office.database, "row", fail)
        asked = office.caller(basic("bob:right"), address=ELSEWHERE)
        with pytest.raises(StopIteration) as done:
            asked.send(None)  # ends without ever waiting
        assert done.value.value is first


async def test_a_change_elsewhere_costs_the_look_but_not_argon2(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.caller(basic("bob:right"))
    await office.alter("root", Change(email="x"))
    with no_argon2(monkeypatch):
        assert (await office.caller(basic("bob:right"))).name == "bob"


async def test_what_was_found_out_is_looked_up_again_after_five_minutes(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.caller(basic("bob:right"))
    office.database.wait(seconds=301)
    with no_argon2(monkeypatch), pytest.raises(AssertionError, match="verified again"):
        await office.caller(basic("bob:right"))


async def test_nothing_is_answered_from_memory_nor_looked_up_while_revocations_cannot_be_known(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.caller(basic("bob:right"))
    monkeypatch.setattr(office.epochs, "trusted", lambda: False)
    for pair in ("bob:right", "root:right"):
        with pytest.raises(Unavailable):
            await office.caller(basic(pair))


async def test_many_at_once_with_one_password_are_verified_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    real = passwords_module._matches

    def count(stored: str, password: bytes) -> bool:
        counted.append(stored)
        return real(stored, password)

    monkeypatch.setattr(passwords_module, "_matches", count)
    callers = await asyncio.gather(*[office.caller(basic("bob:right")) for _ in range(100)])
    assert {caller.name for caller in callers} == {"bob"}
    assert len(counted) == 1


# --- guessing ---------------------------------------------------------------------------------------------------------


async def guess(office: Office, *, times: int, name: str = "bob") -> list[str]:
    outcomes = []
    for number in range(times):
        try:
            await office.caller(basic(f"{name}:guess {number}"))
        except BadCredentials:
            outcomes.append("refused")
        except Blocked:
            outcomes.append("blocked")
    return outcomes


async def test_twenty_guesses_from_one_address_are_stopped_while_the_owner_comes_in_from_elsewhere(
    office: Office,
) -> None:
    outcomes = await guess(office, times=20)
    assert outcomes.count("refused") <= 5
    office.database.wait(seconds=5)
    assert (await office.caller(basic("bob:right"), address=ELSEWHERE)).name == "bob"


async def test_guesses_sent_all_at_once_find_out_no_more_than_one_by_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[bytes] = []

    def matches(_: str, password: bytes) -> bool:
        verified.append(password)
        return False

    monkeypatch.setattr(passwords_module, "_matches", matches)
    sent = [office.caller(basic(f"bob:guess {number}"), address=f"192.0.2.{number}") for number in range(40)]
    outcomes = [type(one) for one in await asyncio.gather(*sent, return_exceptions=True)]
    assert len(verified) == outcomes.count(BadCredentials) == 3
    assert outcomes.count(Blocked) == 37


async def test_guesses_at_unknown_names_are_stopped_in_the_same_way(office: Office) -> None:
    outcomes = await guess(office, times=20, name="nobody")
    assert outcomes[:4] == ["refused"] * 3 + ["blocked"]
    assert outcomes.count("refused") < 6  # a slow machine may let a wait run out in between


async def test_who_is_known_already_is_not_held_up_by_a_guesser_next_door(office: Office) -> None:
    await office.caller(basic("root:right"))
    await guess(office, times=20)
    await office.alter("bob", Change(email="x"))
    assert (await office.caller(basic("root:right"))).name == "root"
    issued = await office.token()
    assert (await office.caller(f"Bearer {issued.access_token}")).name == "bob"


async def test_a_robot_with_a_stale_password_locks_nobody_out(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.refused(basic("bob:stale"))
    with no_argon2(monkeypatch):
        for _ in range(200):
            await office.refused(basic("bob:stale"))
    assert (await office.caller(basic("bob:right"))).name == "bob"
    assert (await office.caller(basic("bob:right"), address=ELSEWHERE)).name == "bob"


# --- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["jwt", "reference"])
async def test_a_token_is_taken_in_every_place_where_clients_put_it(office: Office, how: str) -> None:
    issued = await office.token(reference=True)
    text = issued.access_token if how == "jwt" else str(issued.reference_token)
    for headers in (
        Headers(authorization=f"Bearer {text}"),
        Headers(x_jfrog_art_api=text),
        *(Headers(authorization=basic(f"{name}:{text}")) for name in ("bob", "BOB", "", "_token", "token")),
    ):
        caller = await office.authenticator.caller(asking(headers))
        assert (caller.name, caller.how, caller.token_id) == ("bob", how, issued.token_id)
    assert await office.refused(basic(f"root:{text}")) == "BadCredentials"
    assert (await office.authenticator.password("bob", text, HERE)).parent == issued.token_id


async def test_a_revoked_token_is_refused_at_once(office: Office) -> None:
    issued = await office.token(reference=True)
    headers = [f"Bearer {issued.access_token}", basic(f"bob:{issued.reference_token}")]
    for header in headers:
        await office.caller(header)
    await office.tokens.revoke(issued.token_id, BY)
    assert [await office.refused(header) for header in headers] == ["TokenRevoked", "TokenUnknown"]


async def test_an_expired_token_is_refused_also_when_it_was_remembered(office: Office) -> None:
    issued = await office.token(expires_in=10, reference=True)
    headers = [f"Bearer {issued.access_token}", f"Bearer {issued.reference_token}"]
    for header in headers:
        await office.caller(header)
    office.database.wait(seconds=12)
    assert [await office.refused(header) for header in headers] == ["TokenExpired", "TokenUnknown"]
    await office.alter("bob", Change(email="x"))
    assert [await office.refused(header) for header in headers] == ["TokenExpired", "TokenUnknown"]


async def test_a_token_for_somebody_else_s_ears_is_refused(office: Office) -> None:
    issued = await office.token(audience="jfxr@*", reference=True)
    for text in (issued.access_token, issued.reference_token):
        assert await office.refused(f"Bearer {text}") == "TokenUnknown"


async def test_a_refresh_token_is_no_credential(office: Office) -> None:
    issued = await office.token(refreshable=True)
    await office.refused(f"Bearer {issued.refresh_token}")
    await office.refused(basic(f"bob:{issued.refresh_token}"))


async def test_a_signed_token_that_was_never_stored_is_refused(office: Office) -> None:
    claims = Claims(
        sub=f"{office.tokens.issuer}/users/root", scp="applied-permissions/admin", aud="*@*", iss=office.tokens.issuer,
        iat=1, jti="made-up",
    )  # fmt: skip
    assert await office.refused(f"Bearer {sign(office.key, claims)}") == "TokenRevoked"


async def test_a_refresh_row_s_id_is_no_access_token(office: Office) -> None:
    issued = await office.token(refreshable=True)
    row = await office.tokens.find_secret(str(issued.refresh_token))
    assert row is not None
    claims = Claims(
        sub=f"{office.tokens.issuer}/users/bob", scp="", aud="*@*", iss=office.tokens.issuer, iat=1, jti=row.id
    )
    assert await office.refused(f"Bearer {sign(office.key, claims)}") == "TokenRevoked"


async def test_a_token_carries_its_scope(office: Office) -> None:
    issued = await office.token("ci", scope="api:* member-of-groups:devs")
    caller = await office.caller(f"Bearer {issued.access_token}")
    assert (caller.name, caller.user_id, caller.groups) == ("ci", None, frozenset({"devs"}))
    assert not caller.own_rights
    credential = await office.authenticator.credential(asking(Headers(authorization=f"Bearer {issued.access_token}")))
    assert (credential.scope, credential.parent, credential.account) == (issued.scope, issued.token_id, None)
    assert credential.expires is not None


# --- Docker tokens ----------------------------------------------------------------------------------------------------


async def test_a_docker_token_counts_where_docker_asks_and_nowhere_else(office: Office) -> None:
    header = f"Bearer {await office.docker()}"
    caller = await office.caller(header, docker=True)
    assert (caller.name, caller.how, [entry.name for entry in caller.access]) == ("bob", "docker", ["libs/app"])
    assert await office.refused(header) == "TokenUnknown"
    with pytest.raises(TokenUnknown):
        await office.authenticator.credential(asking(Headers(authorization=header)))
    assert await office.refused(basic(f"bob:{await office.docker()}"), docker=True) == "TokenUnknown"


async def test_a_docker_token_lasts_an_hour(office: Office) -> None:
    header = f"Bearer {await office.docker()}"
    await office.caller(header, docker=True)
    office.database.wait(seconds=3601)
    assert await office.refused(header, docker=True) == "TokenExpired"


async def test_a_docker_token_ends_with_the_token_that_bought_it(office: Office) -> None:
    issued = await office.token()
    header = f"Bearer {await office.docker(parent=issued.token_id)}"
    await office.caller(header, docker=True)
    await office.tokens.revoke(issued.token_id, BY)
    assert await office.refused(header, docker=True) == "TokenRevoked"


async def test_a_docker_token_carries_the_scope_of_what_bought_it(office: Office) -> None:
    header = f"Bearer {await office.docker(scp='applied-permissions/groups:devs')}"
    caller = await office.caller(header, docker=True)
    assert (caller.groups, caller.own_rights) == (frozenset({"devs"}), False)


async def test_an_access_token_is_no_docker_token_whatever_it_says(office: Office) -> None:
    assert await office.refused(f"Bearer {await office.docker(aud='*@*')}", docker=True) == "TokenUnknown"
    assert await office.refused(f"Bearer {await office.docker(kind='JWT')}", docker=True) == "TokenRevoked"
    issued = await office.token(audience=office.tokens.docker_audience)
    assert await office.refused(f"Bearer {issued.access_token}", docker=True) == "TokenUnknown"


async def test_an_anonymous_docker_token_is_anonymous(office: Office) -> None:
    header = (
        f"Bearer {await office.docker(scp='', account=None, epoch=0, sub=f'{office.tokens.issuer}/users/anonymous')}"
    )
    assert (await office.caller(header, docker=True)).is_anonymous


async def test_what_docker_login_stored_buys_tokens_until_it_is_revoked(office: Office) -> None:
    bob = await accounts.get(office.database, "bob")
    order = Order("bob", bob.id, bob.security_epoch, "applied-permissions/groups:devs", expires_in=3600)
    secret = await office.tokens.issue_for_docker(order, None, BY)
    credential = await office.authenticator.docker_login(secret)
    assert (credential.caller.name, credential.scope, credential.caller.own_rights) == ("bob", order.scope, False)
    assert credential.parent is not None
    await office.refused(f"Bearer {secret}", docker=True)
    await office.tokens.revoke(credential.parent, BY)
    for wrong in (secret, "nothing", str((await office.token(refreshable=True)).refresh_token)):
        with pytest.raises(LoginUnknown, match="refresh token is unknown, expired or revoked"):
            await office.authenticator.docker_login(wrong)


async def test_a_form_s_name_and_password_are_checked_like_a_header_s(office: Office) -> None:
    assert (await office.authenticator.password("Bob", "right", HERE)).caller.name == "bob"
    for pair in (("bob", "wrong"), ("bo\nb", "right"), ("bob", "ri\0ght"), ("", "")):
        with pytest.raises(BadCredentials):
            await office.authenticator.password(*pair, HERE)


async def test_a_forged_token_costs_a_refusal(office: Office) -> None:
    token = (await office.token()).access_token
    head, body, signature = token.split(".")
    claims = base64.urlsafe_b64decode(body + "==").replace(b"bob", b"root")
    forged = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
    assert await office.refused(f"Bearer {head}.{forged}.{signature}") == "TokenUnknown"
    assert issubclass(TokenExpired, Unauthenticated)
