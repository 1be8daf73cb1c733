"""The events that have no number yet, which PostgreSQL's sequencer asks for every second."""

from __future__ import annotations

from alembic import op

from entrepot.metadata.schema import metadata

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the index, which a database that is made today has from the first step on. SQLite numbers nothing."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        (index,) = (one for one in metadata.tables["event"].indexes if one.name == "ix_event_unnumbered")
        index.create(connection, checkfirst=True)
