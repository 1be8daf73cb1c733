"""`entrepot admin rotate-master-key`: with all nodes stopped, as they hold the old key."""

# ruff: noqa: T201 - what a command prints is what it is for

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from entrepot.cli.existing import existing
from entrepot.errors import Invalid

if TYPE_CHECKING:
    from entrepot.settings import Settings

_NEW = "ENTREPOT_NEW_MASTER_KEY"


def rotate(flags: Mapping[str, str], file: Path | None) -> None:
    """Seal all secrets with another key. Raises Invalid, AlreadyRunning, StillServing, MasterKeyElsewhere, SealBroken."""
    settings = existing(flags, file)
    from entrepot.cluster.home import rename, write_private  # noqa: PLC0415 - heavy, and not before the arguments are right
    from entrepot.cluster.instance import lock_home  # noqa: PLC0415 - as above

    lock = lock_home(settings.home)
    try:
        draft = settings.home / "master.key.new"
        if settings.master_key is not None:
            new = os.environ.get(_NEW, "")
            if not new:
                raise Invalid(f"The master key comes by the environment: give the new one, 64 hex digits, in {_NEW}.")
        else:
            if not draft.exists():
                write_private(draft, secrets.token_hex(32).encode() + b"\n")
            new = draft.read_text()
        count = asyncio.run(_seal_anew(settings, new))
        if settings.master_key is None:
            rename(draft, settings.home / "master.key")
            print(
                f"{count} secrets are sealed with a new key, {settings.home / 'master.key'}; other nodes need that file."
            )
        else:
            print(f"{count} secrets are sealed with the new key: start all nodes with it as ENTREPOT_MASTER_KEY.")
        print("Encrypted passwords that users put into scripts are other ones from now on.")
    finally:
        os.close(lock)


async def _seal_anew(settings: Settings, new: str) -> int:
    from entrepot.auth import rotation  # noqa: PLC0415 - as above
    from entrepot.auth.keys import Vault, master_key, unlocked  # noqa: PLC0415 - as above
    from entrepot.metadata.open import open_database  # noqa: PLC0415 - as above

    given = settings.master_key.reveal() if settings.master_key else ""
    new_vault = Vault(master_key(settings.home, new))
    database = await open_database(settings.home, settings.database_url)
    try:
        await rotation.refuse_while_serving(database)
        if await rotation.is_sealed_with(database, new_vault):  # an earlier try came this far
            return 0
        old, _ = await unlocked(database, settings.home, given)
        return await rotation.seal_anew(database, Vault(old), new_vault)
    finally:
        await database.close()
