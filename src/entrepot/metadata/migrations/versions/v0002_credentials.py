"""API keys, SSH keys, sessions of browsers, projects; when a password was set, and whether its user is locked."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Connection, inspect

from entrepot.metadata.schema import metadata

revision = "0002"
down_revision = "0001"

_TABLES = ("failed_login", "api_key", "ssh_key", "session", "project")
_COLUMNS = (("account", "password_set"), ("account", "locked"))


def upgrade() -> None:
    """Add what is missing: a database that is made today has it from the first step on."""
    connection = op.get_bind()
    metadata.create_all(connection, tables=[metadata.tables[name] for name in _TABLES])
    for table, name in _COLUMNS:
        if not _has(connection, table, name):
            op.add_column(table, _copied(metadata.tables[table].c[name]))


def _has(connection: Connection, table: str, column: str) -> bool:
    return any(found["name"] == column for found in inspect(connection).get_columns(table))


def _copied(column: Column[object]) -> Column[object]:
    return Column(column.name, column.type, nullable=column.nullable, server_default=column.server_default)
