import asyncio
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from entrepot.auth.keys import MasterKeyInvalid, SealBroken, Vault, master_key, signing_key
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
