"""Which instance a command means that works beside, or without, the server: its database and its blob store.

`serve` may have been told by flags where they are. What a command is not told it takes from the node that serves from the
same home folder, and the blob store otherwise from the database, where each start writes it down.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from entrepot.cli.serve import last_database, needs_preparing
from entrepot.cluster.home import HANDED_OVER, run_folder
from entrepot.cluster.instance import is_locked
from entrepot.cluster.store_place import last_store
from entrepot.errors import EntrepotError
from entrepot.settings import Settings, restore, store_at_home
from entrepot.settings_sources import load

if TYPE_CHECKING:
    from entrepot.metadata.database import Database

PLACES: Final = ("home", "database.url", "blob.store", "s3.access.key", "s3.secret.key")
"""The settings that such commands take."""


class NoInstance(EntrepotError):
    """There is no instance in {home}; the home folder is named by --home DIR."""


class DatabaseElsewhere(EntrepotError):
    """The database of {home} is {url}; name it, with its password, by --database-url, ENTREPOT_DATABASE_URL or --settings FILE."""


class StoreElsewhere(EntrepotError):
    """The blobs of this instance are in {recorded}, as its last start says, and not in {named}; name them by --blob-store."""


def existing(flags: Mapping[str, str], file: Path | None) -> Settings:
    """Return the settings of an instance that has been started before. Raises NoInstance, DatabaseElsewhere, SettingsInvalid."""
    loaded = load(flags, os.environ, file)
    settings = loaded.settings
    if not settings.home.is_dir():
        raise NoInstance(home=settings.home)
    now = serving(settings.home)
    if now is not None:
        told = {key.replace(".", "_") for key in PLACES if key not in loaded.origins}
        settings = replace(settings, **{name: getattr(now, name) for name in told})
    if settings.database_url:
        return settings
    elsewhere = last_database(settings.home)
    if elsewhere:
        raise DatabaseElsewhere(home=settings.home, url=elsewhere)
    if needs_preparing(settings):
        raise NoInstance(home=settings.home)
    return settings


async def with_its_store(settings: Settings, flags: Mapping[str, str], database: Database) -> Settings:
    """Return the settings with the blob store that the last start used. Raises StoreElsewhere where another one is named."""
    recorded = await last_store(database, settings.home)
    if recorded is None or recorded == settings.blob_store:
        return settings
    if settings.blob_store != store_at_home(settings.home) or "blob.store" in flags:
        raise StoreElsewhere(recorded=recorded, named=settings.blob_store)
    return replace(settings, blob_store=recorded)


def serving(home: Path) -> Settings | None:
    """Return the settings of the node that serves from a home folder, if one does."""
    with suppress(OSError, KeyError, TypeError, ValueError):  # or another version wrote it
        if is_locked(home):  # else a node that was killed left them
            return restore((run_folder(home) / HANDED_OVER).read_bytes())
    return None
