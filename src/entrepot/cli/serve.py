"""`entrepot serve`: read the settings, then become the supervisor.

The process is replaced (exec), because reading a command line takes modules that a supervisor should not carry for
months: 12 MiB stay instead of 30. The settings, secrets among them, go over in a file that has no name.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from entrepot.blobs.drivers.places import S3Place, located, signs
from entrepot.cluster.home import prepare_home, run_folder
from entrepot.errors import Invalid
from entrepot.metadata.migrate import HEAD, refuse_newer, sqlite_revision
from entrepot.settings import Settings, SettingsInvalid, dump
from entrepot.settings_sources import load

PREPARED = "prepared"
SUPERVISE = (sys.executable, "-m", "entrepot.cli.supervise")


def serve(flags: Mapping[str, str], file: Path | None) -> None:
    """Serve with the settings in force; does not return. Raises SettingsInvalid, BlobStoreUrlInvalid, HomeUnusable, SchemaTooNew."""
    started = time.time()
    settings = load(flags, os.environ, file).settings
    if settings.tls_cert is not None:
        from entrepot.cli.certificate import check_certificate  # noqa: PLC0415 - only needed here

        check_certificate(settings)
    _check_directories(settings)
    _check_store(settings)
    prepare_home(settings.home)
    prepare = needs_preparing(settings)
    with tempfile.TemporaryFile() as handed_over:
        handed_over.write(dump(settings))
        handed_over.flush()
        os.set_inheritable(handed_over.fileno(), True)
        words = [str(handed_over.fileno()), str(started), "prepare" if prepare else ""]
        os.execv(SUPERVISE[0], [*SUPERVISE, *words])  # noqa: S606 - our own program


def needs_preparing(settings: Settings) -> bool:
    """Return whether the database may need migrating or its first contents. Raises SchemaTooNew."""
    if settings.database_url:
        return True
    found = sqlite_revision(settings.home / "entrepot.db")
    refuse_newer(found)
    return found != HEAD or last_database(settings.home) != ""


def last_database(home: Path) -> str | None:
    """Return the database that was prepared last, without its password: empty for the one in the home folder, None for none."""
    try:
        return (run_folder(home) / PREPARED).read_text().strip()
    except FileNotFoundError:
        return None


def _check_directories(settings: Settings) -> None:
    if settings.ldap_servers is None and settings.ldap_groups is None:
        return
    from entrepot.auth.directory.fixed import fixed  # noqa: PLC0415 - only needed here

    try:
        fixed(settings)
    except Invalid as error:
        raise SettingsInvalid(error.message) from None


def _check_store(settings: Settings) -> None:
    where = located(settings.blob_store)
    if where is None:
        raise SettingsInvalid("blob.store: memory: is of one process, and a node has several; use file:// or s3://")
    if isinstance(where, S3Place) and where.is_elsewhere and settings.s3_access_key is None and not signs(os.environ):
        raise SettingsInvalid(
            f"there are no keys for the blob store at {where.endpoint}: set s3.access.key and s3.secret.key, or what AWS's "
            "own tools take from the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, say); a machine whose role "
            "opens the store sets AWS_METADATA_ENDPOINT (http://169.254.169.254 as a rule)"
        )
