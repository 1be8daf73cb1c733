import asyncio
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from entrepot.auth import keys
from entrepot.auth.keys import (
    MasterKeyElsewhere,
    MasterKeyInvalid,
    MasterKeyWrong,
    SealBroken,
    SigningKey,
    Vault,
    master_key,
    signing_key,
    unlocked,
)
from entrepot.metadata.sql import sql
from tests.unit.auth.support import Clocked

SECRETS = sql("SELECT name, value FROM secret")


def test_the_master_key_is_made_once_and_readable_to_its_owner_alone(tmp_path: Path) -> None:
    made = master_key(tmp_path)
    assert len(made) == 32
    assert master_key(tmp_path) == made
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["master.key"]


def test_several_that_make_the_master_key_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        made = set(threads.map(lambda _: master_key(tmp_path), range(64)))
    assert len(made) == 1


def test_a_master_key_from_the_environment_wins_and_leaves_no_file(tmp_path: Path) -> None:
    assert master_key(tmp_path, "ab" * 32) == b"\xab" * 32
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["00", "zz" * 32, "ab" * 33])
def test_a_master_key_of_another_form_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(MasterKeyInvalid, match="ENTREPOT_MASTER_KEY"):
        master_key(tmp_path, text)
    (tmp_path / "master.key").write_text(text)
    with pytest.raises(MasterKeyInvalid, match=r"master\.key"):
        master_key(tmp_path)


def test_what_is_sealed_opens_again_and_shows_nothing() -> None:
    vault = Vault(b"k" * 32)
    sealed = vault.seal("name", b"a secret text")
    assert b"secret" not in sealed
    assert vault.unseal("name", sealed) == b"a secret text"
    assert vault.seal("name", b"a secret text") != sealed


def test_what_is_sealed_opens_under_no_other_name_or_key_nor_when_it_was_touched() -> None:
    vault = Vault(b"k" * 32)
    sealed = vault.seal("name", b"a secret text")
    with pytest.raises(SealBroken):
        vault.unseal("other", sealed)
    with pytest.raises(SealBroken):
        Vault(b"j" * 32).unseal("name", sealed)
    for place in range(len(sealed)):
        touched = bytearray(sealed)
        touched[place] ^= 1
        with pytest.raises(SealBroken):
            vault.unseal("name", bytes(touched))
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            vault.unseal("name", sealed[:length])


async def test_the_signing_key_is_made_once_by_whoever_comes_first_and_stored_sealed(database: Clocked) -> None:
    vault = Vault(b"k" * 32)
    made = await asyncio.gather(*[signing_key(database, vault) for _ in range(3)])
    assert len({key.kid for key in made}) == 1
    assert (await signing_key(database, vault)).kid == made[0].kid
    [(_, value)] = await database.rows(SECRETS)
    assert b"PRIVATE KEY" not in value


async def test_another_master_key_does_not_open_the_signing_key(database: Clocked) -> None:
    await signing_key(database, Vault(b"k" * 32))
    with pytest.raises(SealBroken, match=r"signing\.key"):
        await signing_key(database, Vault(b"j" * 32))


async def test_a_first_start_makes_both_keys_and_each_later_one_finds_them(database: Clocked, tmp_path: Path) -> None:
    secret, signing = await unlocked(database, tmp_path)
    assert (tmp_path / "master.key").read_text().strip() == secret.hex()
    again, found = await unlocked(database, tmp_path)
    assert (again, found.kid) == (secret, signing.kid)


async def test_a_database_that_is_sealed_with_a_key_from_elsewhere_gets_no_master_key_made_for_it(
    database: Clocked, tmp_path: Path
) -> None:
    await signing_key(database, Vault(b"k" * 32))
    with pytest.raises(MasterKeyElsewhere, match="set ENTREPOT_MASTER_KEY, or copy it to "):
        await unlocked(database, tmp_path)
    assert not (tmp_path / "master.key").exists()
    (tmp_path / "master.key").write_text("00" * 32)  # which somebody put there
    with pytest.raises(
        MasterKeyWrong, match=rf"in {tmp_path}/master\.key does not open .*; copy that one to it, or set"
    ):
        await unlocked(database, tmp_path)
    assert (tmp_path / "master.key").exists()
    with pytest.raises(MasterKeyWrong, match=r"in ENTREPOT_MASTER_KEY does not open .*; set it to that one"):
        await unlocked(database, tmp_path, "00" * 32)


async def test_of_two_first_starts_at_once_the_one_that_came_second_keeps_no_master_key(
    database: Clocked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def overtaken(asked: Clocked, vault: Vault) -> SigningKey:
        await signing_key(asked, Vault(b"k" * 32))
        return await signing_key(asked, vault)

    monkeypatch.setattr(keys, "signing_key", overtaken)
    with pytest.raises(SealBroken):
        await unlocked(database, tmp_path)
    assert not (tmp_path / "master.key").exists()


async def test_workers_that_start_for_the_first_time_at_once_share_their_keys(
    database: Clocked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, made = database.row, []

    async def overtaken(*asked: Any, **parameters: Any) -> Any:
        monkeypatch.setattr(database, "row", row)
        made.append(await unlocked(database, tmp_path))
        return await row(*asked, **parameters)

    monkeypatch.setattr(database, "row", overtaken)
    secret, signing = await unlocked(database, tmp_path)
    assert [(key, found.kid) for key, found in made] == [(secret, signing.kid)]
