import asyncio
import base64
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from entrepot.auth import accounts
from entrepot.auth.accounts import Account, Change
from entrepot.auth.audit import Actor
from entrepot.auth.epochs import Epochs
from entrepot.auth.jwt import TokenExpired
from entrepot.auth.keys import SigningKey
from entrepot.auth.token_rows import forget_group, prune
from entrepot.auth.tokens import Order, RefreshRefused, TokenAbsent, Tokens, reference_token
from entrepot.metadata.database import Row, Tx
from entrepot.metadata.sql import Parameter, Statement, sql
from tests.unit.auth.support import Clocked

BY = Actor("root", "192.0.2.1")
SECRETS = sql("SELECT secret_hash, id FROM token WHERE secret_hash IS NOT NULL ORDER BY id")
COUNT = sql("SELECT COUNT(*) FROM token")
AUDIT = sql("SELECT action, actor, address, subject FROM audit ORDER BY id")


@pytest.fixture
def tokens(database: Clocked, epochs: Epochs, key: SigningKey) -> Tokens:
    return Tokens(database, epochs, key, "01abc")


@pytest.fixture
async def bob(database: Clocked) -> Account:
    async def work(tx: Tx) -> Account:
        await accounts.create(tx, "root", Change(admin=True))
        return await accounts.create(tx, "bob", Change(password_hash="x"))

    return await database.transact(work)


def order(of: Account | None = None, **changes: object) -> Order:
    words: dict[str, object] = {"scope": "applied-permissions/user", "expires_in": 3600, **changes}
    subject, account_id, epoch = (of.name, of.id, of.security_epoch) if of else ("ci", None, 0)
    return Order(subject, account_id, epoch, **words)  # type: ignore[arg-type]


async def count(database: Clocked) -> int:
    row = await database.row(COUNT)
    assert row is not None
    return int(row[0])


async def test_a_token_reads_as_clients_read_it(tokens: Tokens, bob: Account, database: Clocked) -> None:
    issued = await tokens.issue(order(bob, audience="jfrt@*", description="ci"), BY)
    body = issued.access_token.split(".")[1]
    claims = json.loads(base64.b64decode(body + "=" * (-len(body) % 4), validate=True))  # as jf decodes it
    assert claims["exp"] - claims["iat"] in (3600, 3601)
    assert claims | {"iat": 0, "exp": 0} == {
        "sub": "jfac@01abc/users/bob", "scp": "applied-permissions/user", "aud": "jfrt@*", "iss": "jfac@01abc",
        "iat": 0, "exp": 0, "jti": issued.token_id, "ext": '{"revocable":"true"}',
    }  # fmt: skip
    assert (issued.scope, issued.expires_in) == ("applied-permissions/user", 3600)
    assert (issued.refresh_token, issued.reference_token) == (None, None)
    assert tokens.verify(issued.access_token)[1].jti == issued.token_id
    found = await tokens.find(issued.token_id)
    assert found is not None
    assert (found.kind, found.subject, found.description, found.account_id) == ("access", "bob", "ci", bob.id)


async def test_a_token_without_end_says_none(tokens: Tokens, bob: Account, database: Clocked) -> None:
    issued = await tokens.issue(order(bob, expires_in=None), BY)
    database.wait(seconds=10**9)
    assert tokens.verify(issued.access_token)[1].exp is None
    assert await tokens.find(issued.token_id) is not None


async def test_a_token_lasts_all_of_its_time_and_not_much_longer(
    tokens: Tokens, bob: Account, database: Clocked
) -> None:
    issued = await tokens.issue(order(bob, expires_in=1, reference=True), BY)
    database.wait(seconds=0.9)
    tokens.verify(issued.access_token)
    assert await tokens.find(issued.token_id) is not None
    database.wait(seconds=1.2)
    with pytest.raises(TokenExpired):
        tokens.verify(issued.access_token)
    assert await tokens.find(issued.token_id) is None
    assert await tokens.find_secret(str(issued.reference_token)) is None


def test_a_reference_token_has_the_form_that_clients_and_scanners_know() -> None:
    made = [reference_token() for _ in range(100)]
    assert all(re.fullmatch(r"cmVmd[A-Za-z0-9]{59}", token) for token in made)
    assert len(set(made)) == 100


async def test_secrets_are_stored_as_hashes_only(tokens: Tokens, bob: Account, database: Clocked) -> None:
    issued = await tokens.issue(order(bob, refreshable=True, reference=True), BY)
    rows = await database.rows(SECRETS)
    assert len(rows) == 2
    for secret in (issued.refresh_token, issued.reference_token):
        assert secret is not None
        assert all(secret.encode() not in bytes(row[0]) and len(row[0]) == 32 for row in rows)
        assert await tokens.find_secret(secret) is not None
    assert await tokens.find_secret("no such secret") is None


async def test_a_refresh_gives_another_pair_alike_and_ends_the_old_one(
    tokens: Tokens, bob: Account, database: Clocked
) -> None:
    old = await tokens.issue(order(bob, refreshable=True, audience="jfrt@*", description="ci"), BY)
    database.wait(seconds=1)
    new = await tokens.refresh(str(old.refresh_token), BY)
    assert (new.scope, new.expires_in) == (old.scope, old.expires_in)
    assert len({old.access_token, new.access_token, old.refresh_token, new.refresh_token, None}) == 5
    assert await tokens.find(old.token_id) is None
    stored = await tokens.find(new.token_id)
    assert stored is not None
    assert (stored.subject, stored.audience, stored.description) == ("bob", "jfrt@*", "ci")
    with pytest.raises(RefreshRefused):
        await tokens.refresh(str(old.refresh_token), BY)
    assert (await tokens.refresh(str(new.refresh_token), BY)).expires_in == 3600


@pytest.mark.parametrize("reference", [True, False])
async def test_a_refresh_gives_a_reference_token_where_there_was_one(
    tokens: Tokens, bob: Account, reference: bool
) -> None:
    issued = await tokens.issue(order(bob, refreshable=True, reference=reference), BY)
    for _ in range(2):
        issued, old = await tokens.refresh(str(issued.refresh_token), BY), issued
        assert (issued.reference_token is not None) is reference
        assert await tokens.find_secret(str(old.reference_token)) is None
        found = await tokens.find_secret(str(issued.reference_token))
        assert (found.id if found else None) == (issued.token_id if reference else None)


async def test_a_refresh_token_outlives_its_access_token_by_far_but_not_for_ever(
    tokens: Tokens, bob: Account, database: Clocked
) -> None:
    issued = await tokens.issue(order(bob, refreshable=True), BY)
    database.wait(seconds=300 * 86400)
    while await prune(tokens._database):
        pass
    issued = await tokens.refresh(str(issued.refresh_token), BY)
    database.wait(seconds=366 * 86400)
    with pytest.raises(RefreshRefused):
        await tokens.refresh(str(issued.refresh_token), BY)
    while await prune(tokens._database):
        pass
    assert await count(database) == 0


@pytest.mark.parametrize("kind", ["unknown", "access", "reference", "docker"])
async def test_only_a_refresh_token_refreshes(tokens: Tokens, bob: Account, kind: str) -> None:
    issued = await tokens.issue(order(bob, reference=True), BY)
    docker = await tokens.issue_for_docker(order(bob), None, BY)
    secret = {"access": issued.access_token, "reference": issued.reference_token, "docker": docker}.get(kind, "nothing")
    with pytest.raises(RefreshRefused):
        await tokens.refresh(str(secret), BY)


async def test_a_guess_at_a_refresh_token_writes_nothing(
    tokens: Tokens, bob: Account, database: Clocked, epochs: Epochs, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = await tokens.issue(order(bob, reference=True), BY)
    before = epochs.security()
    monkeypatch.setattr(database, "transact", None)
    for secret in ("nothing", str(issued.reference_token)):
        with pytest.raises(RefreshRefused):
            await tokens.refresh(secret, BY)
    assert epochs.security() == before


async def test_of_two_who_refresh_by_one_token_at_once_one_gets_another_pair(tokens: Tokens, bob: Account) -> None:
    issued = await tokens.issue(order(bob, refreshable=True), BY)
    told = await asyncio.gather(
        *(tokens.refresh(str(issued.refresh_token), BY) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in told) == ["Issued", "RefreshRefused"]


@pytest.mark.parametrize("change", [Change(disabled=True), Change(password_hash="y")])
async def test_a_refresh_token_ends_with_its_owner_s_standing(
    tokens: Tokens, bob: Account, database: Clocked, change: Change
) -> None:
    issued = await tokens.issue(order(bob, refreshable=True), BY)
    await database.transact(lambda tx: accounts.alter(tx, bob, change))
    with pytest.raises(RefreshRefused):
        await tokens.refresh(str(issued.refresh_token), BY)


async def test_a_deleted_user_s_tokens_go_with_it(tokens: Tokens, bob: Account, database: Clocked) -> None:
    issued = await tokens.issue(order(bob, refreshable=True, reference=True), BY)
    await tokens.issue_for_docker(order(bob), None, BY)
    await database.transact(lambda tx: accounts.delete(tx, bob))
    assert await count(database) == 0
    with pytest.raises(RefreshRefused):
        await tokens.refresh(str(issued.refresh_token), BY)


async def test_a_subject_that_is_no_user_refreshes_too(tokens: Tokens) -> None:
    issued = await tokens.issue(order(scope="api:* member-of-groups:readers", refreshable=True), BY)
    assert (await tokens.refresh(str(issued.refresh_token), BY)).scope == "api:* member-of-groups:readers"


async def test_revoking_ends_a_token_and_what_was_bought_with_it_before_it_returns(
    tokens: Tokens, bob: Account, epochs: Epochs, database: Clocked
) -> None:
    issued = await tokens.issue(order(bob, refreshable=True, reference=True), BY)
    docker = await tokens.issue_for_docker(order(bob), issued.token_id, BY)
    before = epochs.security()
    await tokens.revoke(issued.token_id, BY)
    assert epochs.security() != before
    assert await tokens.find(issued.token_id) is None
    for secret in (issued.refresh_token, issued.reference_token, docker):
        assert await tokens.find_secret(str(secret)) is None
    with pytest.raises(TokenAbsent):
        await tokens.revoke(issued.token_id, BY)


async def test_revoking_by_the_refresh_token_ends_the_pair(tokens: Tokens, bob: Account, database: Clocked) -> None:
    issued = await tokens.issue(order(bob, refreshable=True), BY)
    found = await tokens.find_secret(str(issued.refresh_token))
    assert found is not None
    await tokens.revoke(found.id, BY)
    assert await count(database) == 0


async def test_lists_show_valid_tokens_and_whether_they_can_be_refreshed(
    tokens: Tokens, bob: Account, database: Clocked
) -> None:
    plain = await tokens.issue(order(bob), BY)
    refreshable = await tokens.issue(order(bob, refreshable=True), BY)
    await tokens.issue(order(bob, expires_in=1, refreshable=True), BY)
    other = await tokens.issue(order(), BY)
    database.wait(seconds=3)
    listed = {token.id: token.refreshable for token in await tokens.page()}
    assert listed == {plain.token_id: False, refreshable.token_id: True, other.token_id: False}
    assert {token.id for token in await tokens.page(subject="ci")} == {other.token_id}
    first = await tokens.page(limit=2)
    assert {token.id for token in [*first, *await tokens.page(after=first[-1].id)]} == set(listed)


@pytest.mark.parametrize("change", [Change(disabled=True), Change(password_hash="y")])
async def test_tokens_of_who_was_disabled_or_got_another_password_are_neither_found_nor_kept(
    tokens: Tokens, bob: Account, database: Clocked, change: Change
) -> None:
    issued = await tokens.issue(order(bob, refreshable=True, reference=True, expires_in=None), BY)
    other = await tokens.issue(order(), BY)
    bob = await database.transact(lambda tx: accounts.alter(tx, bob, change))
    bob = await database.transact(lambda tx: accounts.alter(tx, bob, Change(disabled=False)))
    anew = await tokens.issue(order(bob), BY)
    assert await tokens.find(issued.token_id) is None
    assert await tokens.find_secret(str(issued.reference_token)) is None
    assert {token.id for token in await tokens.page()} == {other.token_id, anew.token_id}
    assert await prune(tokens._database) == 2
    assert await count(database) == 2


async def test_pruning_removes_what_expired_and_nothing_else(tokens: Tokens, bob: Account, database: Clocked) -> None:
    await tokens.issue(order(bob, expires_in=1), BY)
    kept = await tokens.issue(order(bob), BY)
    await tokens.issue(order(bob, expires_in=None), BY)
    database.wait(seconds=3)
    assert await prune(tokens._database) == 1
    assert await prune(tokens._database) == 0
    assert await count(database) == 2
    assert await tokens.find(kept.token_id) is not None


def test_only_audiences_of_ours_are_accepted(tokens: Tokens) -> None:
    ours = ["*@*", "jfrt@*", "jfac@*", "jfrt@01abc", "*@01abc", "other@x,jfac@01abc", "a jfrt@*"]
    others = ["", "jfrt@other", "jfxr@*", "docker@01abc", "jfrt", "*"]
    assert [audience for audience in ours + others if tokens.accepts(audience)] == ours


async def test_every_change_leaves_a_trail_without_secrets(tokens: Tokens, bob: Account, database: Clocked) -> None:
    issued = await tokens.issue(order(bob, refreshable=True), BY)
    new = await tokens.refresh(str(issued.refresh_token), BY)
    await tokens.revoke(new.token_id, BY)
    assert [tuple(row) for row in await database.rows(AUDIT)] == [
        ("token.create", "root", "192.0.2.1", issued.token_id),
        ("token.refresh", "root", "192.0.2.1", new.token_id),
        ("token.revoke", "root", "192.0.2.1", new.token_id),
    ]


async def test_a_deleted_group_costs_no_more_than_the_tokens_that_name_it(
    tokens: Tokens, database: Clocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    scopes = ("member-of-groups:devs", "member-of-groups:devs,ops", "member-of-groups:ops", "applied-permissions/user")
    made = [(await tokens.issue(order(scope=scope), BY)).token_id for scope in scopes]
    seen: list[str] = []

    async def work(tx: Tx) -> None:
        rows = type(tx).rows

        async def noted(self: Any, statement: Statement, **parameters: Parameter) -> Sequence[Row]:
            found = await rows(self, statement, **parameters)
            seen.extend(row[0] for row in found)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(type(tx), "rows", noted)
            await forget_group(tx, "Devs")

    await database.transact(work)
    assert sorted(seen) == sorted(made[:2])
    left = await database.rows(sql("SELECT token.scope, n.name FROM token LEFT JOIN token_name n ON n.token_id = token.id"))
    assert sorted((scope, name or "") for scope, name in left) == [(scopes[3], ""), *[(scopes[2], "ops")] * 2]
