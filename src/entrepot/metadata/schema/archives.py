"""What archives hold, by the blob that is one: indexed after the deploy, once however often the file is placed."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer

from entrepot.metadata.schema.base import INT64, int64, key, surrogate_id, table

archive = table(
    "archive",
    Column("blob_id", INT64, ForeignKey("blob.id", ondelete="CASCADE"), primary_key=True),
    key("state"),  # indexed, unreadable
    Column("entries", Integer, nullable=False),
    int64("indexed"),
)
archive_entry = table(
    "archive_entry",
    surrogate_id(),
    Column("blob_id", INT64, ForeignKey("archive.blob_id", ondelete="CASCADE"), nullable=False),
    key("path"),  # of the folder within the archive; "." for its root
    key("name"),
    int64("size"),
    Index("ix_archive_entry_blob_id", "blob_id", "path", "name"),
    Index("ix_archive_entry_name", "name", "path"),
)
