"""The instance and its configuration."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, SmallInteger, Text, text

from entrepot.metadata.schema.base import INT64, KEY, int64, key, surrogate_id, table

setting = table(  # what the instance remembers about itself: its id, the grace time that the triggers read
    "setting", Column("key", KEY, primary_key=True), Column("value", Text, nullable=False)
)
grace = table("grace", Column("id", SmallInteger, primary_key=True, autoincrement=False), int64("millis"))
cfg_version = table("cfg_version", Column("scope", KEY, primary_key=True), int64("version"))
secret = table(  # encrypted with the master key: signing keys and the like
    "secret", Column("name", KEY, primary_key=True), Column("value", LargeBinary, nullable=False), int64("created")
)
repository = table(
    "repository",
    surrogate_id(),
    key("key"),
    key("folded"),
    key("rclass"),
    key("package_type"),
    key("project_key", server_default=""),
    int64("position"),
    Column("config", Text, nullable=False),
    int64("created"),
    Column("deleted", INT64),
    Index(
        "uq_repository_folded",
        "folded",
        unique=True,
        sqlite_where=text("deleted IS NULL"),
        postgresql_where=text("deleted IS NULL"),
    ),
)
configuration = table(  # what administrators configure beyond repositories and permissions, by section and key
    "configuration",
    Column("section", KEY, primary_key=True),
    Column("key", KEY, primary_key=True),  # empty: the section is one document
    int64("position"),
    Column("body", Text, nullable=False),  # a JSON object
    int64("modified"),
)
