"""Release bundles: named, signed sets of files."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Text, UniqueConstraint

from entrepot.metadata.schema.base import INT64, KEY, int64, item_id, key, surrogate_id, table

release = table(
    "release",
    surrogate_id(),
    key("name"),
    key("version"),
    key("status"),
    int64("created"),
    Column("signature", Text),
    key("type"),  # SOURCE, TARGET
    Column("storing_repo", KEY),
    UniqueConstraint("name", "version", "type"),
)
release_artifact = table(
    "release_artifact",
    surrogate_id(),
    Column("release_id", INT64, ForeignKey("release.id", ondelete="CASCADE"), nullable=False),
    item_id(index=True),
    key("path"),  # repo:dir/name
    Index("ix_release_artifact_release_id", "release_id", "path"),
)
