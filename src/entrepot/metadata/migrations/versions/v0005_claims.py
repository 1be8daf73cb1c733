"""Uploads and mounts by several users who may each read a part of an image."""

from __future__ import annotations

from alembic import op

from entrepot.metadata.schema import metadata

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table, and in it what the one user of each upload could read so far."""
    metadata.create_all(op.get_bind(), tables=[metadata.tables["image_blob_claim"]])
    op.execute("""
        INSERT INTO image_blob_claim (image_blob_id, actor, expires)
        SELECT id, created_by, expires FROM image_blob WHERE expires IS NOT NULL ON CONFLICT DO NOTHING
    """)
