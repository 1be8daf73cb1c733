"""The audit trail: refusals are counted, everything can be searched, a file has it in order; what may be done is shown."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from entrepot.auth import trail
from entrepot.auth.audit import Actor, record
from entrepot.auth.trail import AuditLog, Refusal, Refusals
from entrepot.metadata.database import DatabaseUnavailable, Row, Tx
from entrepot.metadata.sql import Parameter, Statement
from tests.unit.rest.security.support import Site

AUDIT = "/access/api/v1/audit"


async def test_changes_and_refusals_are_found_the_newest_first(site: Site) -> None:
    await site.ask("PATCH", "/access/api/v2/users/bob", {"email": "new@example.org"})
    refusals = Refusals(site.database)
    for _ in range(3):
        refusals.note(Refusal("bob", "192.0.2.1", "users.list", "/artifactory/api/security/users", "403"))
    await refusals.flush()
    found = (await site.ask("GET", AUDIT)).json()["events"]
    assert [(one["actor"], one["action"], one["outcome"], one["detail"]) for one in found[:2]] == [
        ("bob", "users.list", "denied", "403, 3 times"),
        ("root", "user.update", "done", "email"),
    ]
    assert all({"time", "address", "subject"} <= set(one) for one in found)
    assert (await site.ask("GET", f"{AUDIT}?outcome=denied")).json()["events"] == found[:1]
    assert (await site.ask("GET", f"{AUDIT}?actor=root&action=user.update&subject=bob")).json()["events"] == found[1:2]
    assert (await site.ask("GET", f"{AUDIT}?since=2100-01-01T00:00:00Z")).json() == {"events": []}
    page = (await site.ask("GET", f"{AUDIT}?limit=1")).json()
    assert (await site.ask("GET", f"{AUDIT}?limit=1&cursor={page['cursor']}")).json()["events"] == found[1:2]
    for wrong in ("since=yesterday", "cursor=x", "limit=0"):
        assert (await site.ask("GET", f"{AUDIT}?{wrong}")).status_code == 400


async def test_a_search_that_takes_too_long_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scan(_: Statement, *, seconds: float, **__: Parameter) -> Sequence[Row]:
        raise DatabaseUnavailable("The query took longer than {seconds:.0f} s.", seconds=seconds)

    monkeypatch.setattr(site.database, "scan", scan)
    with pytest.raises(DatabaseUnavailable, match="longer than 20 s"):
        await trail.search(site.database, trail.Query(subject="x"), 10)


async def test_a_flood_of_refusals_costs_few_rows(site: Site) -> None:
    refusals = Refusals(site.database)
    for number in range(1000):
        refusals.note(Refusal("", "192.0.2.1", "x", f"/{number}", "401"))
    await refusals.flush()
    found = (await site.ask("GET", f"{AUDIT}?outcome=denied")).json()["events"]
    assert len(found) == 201
    assert found[0]["detail"] == "more, 800 times"


async def test_the_file_has_each_row_once_also_after_a_restart(site: Site, tmp_path: Path) -> None:
    async def work(tx: Tx) -> None:
        for number in range(3):
            await record(tx, Actor("root", "192.0.2.1"), "user.create", f"u{number}", detail="a\nb")

    def lines() -> list[str]:
        file = tmp_path / "audit.log"
        return [json.loads(line)["subject"] for line in file.read_text().splitlines()] if file.exists() else []

    log = AuditLog(site.database, tmp_path, tmp_path / "position")
    await log.round()
    before = len(lines())
    await site.database.transact(work)
    site.database.ahead += 5_000
    await log.round()
    assert lines()[-3:] == ["u0", "u1", "u2"]
    log.close()
    again = AuditLog(site.database, tmp_path, tmp_path / "position")
    await again.round()
    await again.round()
    again.close()
    assert len(lines()) == (before + 3 if site.database.engine == "sqlite" else len(lines()))
    assert lines().count("u1") == 1


async def test_the_file_misses_no_row_of_a_transaction_that_others_overtake(site: Site, tmp_path: Path) -> None:
    if site.database.engine == "sqlite":
        pytest.skip("one transaction at a time")
    log = AuditLog(site.database, tmp_path, tmp_path / "position")
    await log.round()

    async def overtaken(tx: Tx) -> None:
        await record(tx, Actor("root", ""), "user.create", "first")
        await site.database.transact(lambda other: record(other, Actor("root", ""), "user.create", "second"))
        site.database.ahead += 5_000
        await log.round()

    await site.database.transact(overtaken)
    await log.round()
    log.close()
    told = (tmp_path / "audit.log").read_text().splitlines()
    assert [json.loads(line)["subject"] for line in told][-2:] == ["first", "second"]


async def test_the_trail_is_kept_for_ninety_days(site: Site) -> None:
    await site.ask("PATCH", "/access/api/v2/users/bob", {"email": "new@example.org"})
    assert await trail.prune(site.database) == 0
    site.database.ahead += 91 * 86_400_000
    assert await trail.prune(site.database) > 0


async def test_what_somebody_may_do_is_shown_by_repository(site: Site) -> None:
    of = "/artifactory/api/security/permissions"
    assert (await site.ask("GET", f"{of}/users/bob")).json() == {"libs": ["r"], "docker-local": ["r"]}
    assert (await site.ask("GET", f"{of}/users/bob", name="bob")).status_code == 200
    assert (await site.ask("GET", f"{of}/users/root", name="bob")).status_code == 403
    assert (await site.ask("GET", f"{of}/groups/devs")).json() == {"libs": ["r"], "docker-local": ["r"]}
    assert (await site.ask("GET", f"{of}/groups/readers")).json() == {}
    assert (await site.ask("GET", f"{of}/users/nobody")).status_code == 404
