"""The first schema."""

from __future__ import annotations

from alembic import op

from entrepot.metadata.schema import metadata
from entrepot.metadata.triggers import postgres_triggers, sqlite_triggers

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables and triggers."""
    connection = op.get_bind()
    metadata.create_all(connection)
    op.execute("INSERT INTO grace (id, millis) VALUES (1, 14400000)")
    for statement in sqlite_triggers() if connection.dialect.name == "sqlite" else postgres_triggers():
        op.execute(statement)
