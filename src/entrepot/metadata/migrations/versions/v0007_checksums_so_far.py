"""The checksums of what has arrived of an upload, so that any process can end it."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, inspect

from entrepot.metadata.schema import metadata

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column, which a database that is made today has from the first step on."""
    if not any(found["name"] == "checksums" for found in inspect(op.get_bind()).get_columns("upload")):
        op.add_column("upload", Column("checksums", metadata.tables["upload"].c.checksums.type))
