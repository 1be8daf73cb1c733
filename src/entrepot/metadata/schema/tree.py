"""The tree: items, their properties and statistics."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, SmallInteger, Text, UniqueConstraint

from entrepot.metadata.schema.base import INT64, KEY, int64, item_id, key, surrogate_id, table

item = table(
    "item",
    surrogate_id(),
    Column("repo_id", INT64, ForeignKey("repository.id"), nullable=False),
    key("path"),  # of the folder that it is in; the root is "."
    key("name"),
    Column("kind", SmallInteger, nullable=False),  # 0 folder, 1 file
    Column("depth", SmallInteger, nullable=False),
    int64("size"),
    Column("blob_id", INT64, ForeignKey("blob.id")),
    int64("created"),
    key("created_by"),
    int64("modified"),
    key("modified_by"),
    int64("updated"),
    UniqueConstraint("repo_id", "path", "name"),
    Index("ix_item_blob_id", "blob_id", "repo_id", "path"),
    Index("ix_item_name", "name", "path"),
    Index("ix_item_repo_id_modified", "repo_id", "modified"),
    Index("ix_item_modified", "modified"),
    Index("ix_item_created", "created"),
)

prop = table(
    "prop",
    surrogate_id(),
    item_id(),
    key("key"),
    Column("value", Text, nullable=False),
    Column("value_hash", LargeBinary, nullable=False),
    Index("ix_prop_item_id_key", "item_id", "key"),
    Index("ix_prop_key_value_hash_item_id", "key", "value_hash", "item_id"),
)
stat = table(
    "stat",
    item_id(primary_key=True),
    int64("downloads"),
    int64("last_downloaded"),
    key("last_downloaded_by"),
)
stat_remote = table(  # downloads that other instances counted and told us of
    "stat_remote",
    item_id(primary_key=True),
    Column("origin", KEY, primary_key=True),
    Column("path", KEY, primary_key=True),
    int64("downloads"),
    int64("last_downloaded"),
    key("last_downloaded_by"),
)
