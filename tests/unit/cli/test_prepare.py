"""How it is told that a database could not be prepared."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from entrepot.cli.prepare import prepare, told
from entrepot.metadata.database import DatabaseFull
from tests.served import settings_of


def test_what_a_migration_stumbles_over_is_told_in_the_words_of_the_database(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with sqlite3.connect(tmp_path / "entrepot.db") as connection:
        connection.execute("CREATE TABLE blob (theirs)")
    connection.close()
    with pytest.raises(DBAPIError) as failed:
        prepare(settings)
    assert told(failed.value, settings) == 'OperationalError: foreign key mismatch - "blob_segment" referencing "blob"'


def test_a_full_disk_of_postgresql_is_none_of_the_home_folders(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "postgresql://db.example.com/entrepot")
    assert told(DatabaseFull(), settings) == "The disk of the database is full; make room or ask an administrator."
