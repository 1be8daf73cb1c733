"""When an administrator let an account in again that wrong passwords had locked."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, inspect

from entrepot.metadata.schema import metadata

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column, which a database that is made today has from the first step on."""
    if not any(found["name"] == "unlocked" for found in inspect(op.get_bind()).get_columns("account")):
        op.add_column("account", Column("unlocked", metadata.tables["account"].c.unlocked.type))
