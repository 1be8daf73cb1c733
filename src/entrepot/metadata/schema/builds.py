"""Builds as CI servers publish them: what AQL joins and promotion reads.

Artifacts and dependencies name files by checksum, wherever they are: one artifact of a build is every copy of the file.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint

from entrepot.metadata.schema.base import INT64, KEY, int64, key, surrogate_id, table


def _owner(name: str, of: str) -> Column[int]:
    return Column(name, INT64, ForeignKey(f"{of}.id", ondelete="CASCADE"), nullable=False)


def _properties(name: str, owner: str, of: str) -> Table:
    return table(
        name,
        surrogate_id(),
        _owner(owner, of),
        key("key"),
        Column("value", Text, nullable=False),
        Column("value_hash", LargeBinary, nullable=False),
        Index(f"ix_{name}_{owner}_key", owner, "key"),
        Index(f"ix_{name}_key_value_hash", "key", "value_hash", owner),
    )


build = table(
    "build",
    surrogate_id(),
    Column("repo_id", INT64, ForeignKey("repository.id"), nullable=False, index=True),  # the build-info repository
    key("name"),
    key("number"),
    int64("started", index=True),
    Column("url", Text),
    int64("created"),
    key("created_by"),
    Column("modified", INT64),  # NULL until it is changed
    Column("modified_by", KEY),
    UniqueConstraint("name", "number", "started", "repo_id"),
)
build_prop = _properties("build_prop", "build_id", "build")
build_module = table(
    "build_module",
    surrogate_id(),
    _owner("build_id", "build"),
    key("name"),
    Index("ix_build_module_build_id", "build_id", "name"),
    Index("ix_build_module_name", "name"),
)
module_prop = _properties("module_prop", "module_id", "build_module")
build_artifact = table(
    "build_artifact",
    surrogate_id(),
    _owner("module_id", "build_module"),
    key("name"),
    Column("type", KEY),
    Column("sha1", LargeBinary, index=True),
    Column("md5", LargeBinary),
    Column("sha256", LargeBinary),
    Index("ix_build_artifact_module_id", "module_id"),
)
build_dependency = table(
    "build_dependency",
    surrogate_id(),
    _owner("module_id", "build_module"),
    key("name"),
    Column("scope", Text),  # several are joined by commas
    Column("type", KEY),
    Column("sha1", LargeBinary, index=True),
    Column("md5", LargeBinary),
    Column("sha256", LargeBinary),
    Index("ix_build_dependency_module_id", "module_id"),
)
build_promotion = table(
    "build_promotion",
    surrogate_id(),
    _owner("build_id", "build"),
    int64("created"),
    key("created_by"),
    Column("status", KEY),
    Column("repo", KEY),
    Column("comment", Text),
    Column("ci_user", KEY),
    Index("ix_build_promotion_build_id", "build_id", "created"),
)
