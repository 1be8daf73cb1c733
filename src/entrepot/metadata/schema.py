"""The schema: one description for both engines. Migrations bring a database here; a test proves that they do.

Conventions, each asserted by `tests/unit/metadata/test_schema.py`:

* every surrogate id is an int64 that is never reused (AUTOINCREMENT, identity);
* whoever holds a blob has an *indexed* foreign key to it, and a trigger (`triggers.py`) that keeps it through the grace time
  when the holder lets go: this alone makes the collection of garbage safe;
* key columns compare by bytes (`COLLATE "C"`), flags are small integers, times are epoch milliseconds UTC, digests are binary;
* a repository that is deleted keeps its row and retires its id: another one of that name gets another id.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_INT64 = BigInteger().with_variant(Integer(), "sqlite")
_KEY = String().with_variant(String(collation="C"), "postgresql")


def _id() -> Column[int]:
    return Column("id", _INT64, Identity(), primary_key=True)


def _key(name: str, **rest: object) -> Column[str]:
    return Column(name, _KEY, nullable=False, **rest)  # type: ignore[arg-type]


def _int(name: str, **rest: object) -> Column[int]:
    return Column(name, _INT64, nullable=False, **rest)  # type: ignore[arg-type]


def _flag(name: str) -> Column[int]:
    return Column(name, SmallInteger, nullable=False, server_default=text("0"))


def _table(name: str, *parts: SchemaItem) -> Table:
    surrogate = any(isinstance(part, Column) and part.identity is not None for part in parts)
    return Table(name, metadata, *parts, sqlite_autoincrement=surrogate)


# --- the instance and its configuration -------------------------------------------------------------------------------

setting = _table(  # what the instance remembers about itself: its id, the grace time that the triggers read
    "setting", Column("key", _KEY, primary_key=True), Column("value", Text, nullable=False)
)
grace = _table("grace", Column("id", SmallInteger, primary_key=True, autoincrement=False), _int("millis"))
cfg_version = _table("cfg_version", Column("scope", _KEY, primary_key=True), _int("version"))
secret = _table(  # encrypted with the master key: signing keys and the like
    "secret", Column("name", _KEY, primary_key=True), Column("value", LargeBinary, nullable=False), _int("created")
)
repository = _table(
    "repository",
    _id(),
    _key("key"),
    _key("folded"),
    _key("rclass"),
    _key("package_type"),
    _key("project_key", server_default=""),
    _int("position"),
    Column("config", Text, nullable=False),
    _int("created"),
    Column("deleted", _INT64),
    Index(
        "uq_repository_folded",
        "folded",
        unique=True,
        sqlite_where=text("deleted IS NULL"),
        postgresql_where=text("deleted IS NULL"),
    ),
)

# --- bytes ------------------------------------------------------------------------------------------------------------

blob = _table(
    "blob",
    _id(),
    Column("sha256", LargeBinary, nullable=False, unique=True),
    Column("sha1", LargeBinary, nullable=False, index=True),
    Column("md5", LargeBinary, nullable=False, index=True),
    _int("size"),
    Column("storage_key", _KEY, unique=True),  # NULL: inline, or in segments
    _int("created"),
    _int("keep_until"),  # not collected before, whether or not anyone refers to it
    Column("review", _INT64),  # when the collection shall look at it; NULL: it is referred to, nobody let go
    Index(
        "ix_blob_review", "review", sqlite_where=text("review IS NOT NULL"), postgresql_where=text("review IS NOT NULL")
    ),
)


def _blob_id(**rest: object) -> Column[int]:
    return Column("blob_id", _INT64, ForeignKey("blob.id"), index=True, **rest)  # type: ignore[arg-type]


blob_digest = _table(  # digests beyond the three that every blob has: sha512
    "blob_digest",
    Column("algorithm", _KEY, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("blob_id", _INT64, ForeignKey("blob.id", ondelete="CASCADE"), nullable=False, index=True),
)
blob_inline = _table(  # bodies of up to 16 KiB: no object, no fsync of their own
    "blob_inline",
    Column("blob_id", _INT64, ForeignKey("blob.id", ondelete="CASCADE"), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
blob_segment = _table(  # a blob that arrived in several chunks, until the compaction has joined them
    "blob_segment",
    Column("blob_id", _INT64, ForeignKey("blob.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    _key("storage_key", unique=True),
    _int("size"),
)
delete_queue = _table(
    "delete_queue",
    Column("storage_key", _KEY, primary_key=True),
    _int("not_before", index=True),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
)
writer = _table(  # one row per process start that writes objects
    "writer",
    Column("id", _KEY, primary_key=True),
    _key("node"),
    _int("started"),
    _int("heartbeat"),
    Column("fenced", _INT64),  # since when nothing that it stored may be named any more
)
writer_hour = _table(  # the hours in which a writer may have left objects that no row names
    "writer_hour",
    Column("writer_id", _KEY, ForeignKey("writer.id", ondelete="CASCADE"), primary_key=True),
    Column("hour", _KEY, primary_key=True),
)
upload = _table(
    "upload",
    Column("id", _KEY, primary_key=True),
    Column("repo_id", _INT64, ForeignKey("repository.id"), nullable=False, index=True),
    _key("image"),
    _key("state"),  # open, done, cancelled
    _int("epoch"),  # a chunk is admitted only by the epoch that it began with
    _int("size"),
    Column("inline", LargeBinary),  # all bytes so far, while they are few
    Column("digest", Text),  # of a finished one
    _key("created_by"),
    _int("created"),
    _int("expires", index=True),
)
upload_segment = _table(
    "upload_segment",
    Column("upload_id", _KEY, ForeignKey("upload.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    _key("storage_key", unique=True),
    _int("size"),
)

# --- the tree ---------------------------------------------------------------------------------------------------------

item = _table(
    "item",
    _id(),
    Column("repo_id", _INT64, ForeignKey("repository.id"), nullable=False),
    _key("path"),  # of the folder that it is in; the root is "."
    _key("name"),
    Column("kind", SmallInteger, nullable=False),  # 0 folder, 1 file
    Column("depth", SmallInteger, nullable=False),
    _int("size"),
    Column("blob_id", _INT64, ForeignKey("blob.id")),
    _int("created"),
    _key("created_by"),
    _int("modified"),
    _key("modified_by"),
    _int("updated"),
    UniqueConstraint("repo_id", "path", "name"),
    Index("ix_item_blob_id", "blob_id", "repo_id", "path"),
)


def _item_id(**rest: object) -> Column[int]:
    return Column("item_id", _INT64, ForeignKey("item.id", ondelete="CASCADE"), nullable=False, **rest)  # type: ignore[arg-type]


prop = _table(
    "prop",
    _id(),
    _item_id(),
    _key("key"),
    Column("value", Text, nullable=False),
    Column("value_hash", LargeBinary, nullable=False),
    Index("ix_prop_item_id_key", "item_id", "key"),
    Index("ix_prop_key_value_hash_item_id", "key", "value_hash", "item_id"),
)
stat = _table(
    "stat",
    _item_id(primary_key=True),
    _int("downloads"),
    _int("last_downloaded"),
    _key("last_downloaded_by"),
)

# --- events and work --------------------------------------------------------------------------------------------------

event = _table(
    "event",
    _id(),
    Column("seq", _INT64),  # PostgreSQL: numbered by the sequencer; SQLite: unused, the id is in order
    _int("time"),
    _key("kind"),
    Column("repo_id", _INT64, nullable=False),
    _key("repo_key"),
    _key("path"),
    _key("actor"),
    _key("origin"),
    Column("version", SmallInteger, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Index(
        "uq_event_seq",
        "seq",
        unique=True,
        sqlite_where=text("seq IS NOT NULL"),
        postgresql_where=text("seq IS NOT NULL"),
    ),
)
follower = _table(
    "follower",
    Column("name", _KEY, primary_key=True),
    _int("cursor"),
    _key("state"),  # live, resync
    _int("updated"),
)
job = _table(
    "job",
    _id(),
    _key("kind"),
    Column("version", SmallInteger, nullable=False),
    Column("payload", Text, nullable=False),
    _key("state"),  # queued, running, failed
    _int("run_after"),
    Column("attempts", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    _int("epoch"),
    Column("lease_until", _INT64),
    Column("node", Text),
    Column("dedup", _KEY, unique=True),
    Column("error", Text),
    _int("created"),
    Index("ix_job_state_run_after", "state", "run_after"),
)
node = _table(
    "node",
    Column("id", _KEY, primary_key=True),
    _key("version"),
    Column("schema_min", Integer, nullable=False),
    Column("schema_max", Integer, nullable=False),
    _key("state"),
    _int("started"),
    _int("heartbeat"),
)

# --- who --------------------------------------------------------------------------------------------------------------

account = _table(  # a user; `user` is a word of SQL
    "account",
    _id(),
    _key("uuid", unique=True),
    _key("name", unique=True),
    Column("email", Text, nullable=False, server_default=""),
    Column("password_hash", Text),
    _key("realm", server_default="internal"),
    Column("external_id", _KEY),
    _flag("admin"),
    _flag("disabled"),
    _int("security_epoch"),
    Column("profile", Text, nullable=False),  # the fields that clients set and read back
    _int("created"),
    Column("last_login", _INT64),
)
team = _table(  # a group; `group` is a word of SQL
    "team",
    _id(),
    _key("uuid", unique=True),
    _key("name", unique=True),
    _key("realm", server_default="internal"),
    Column("external_id", _KEY),
    _flag("admin"),
    _flag("auto_join"),
    Column("profile", Text, nullable=False),
)
membership = _table(
    "membership",
    Column("account_id", _INT64, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("team_id", _INT64, ForeignKey("team.id", ondelete="CASCADE"), primary_key=True, index=True),
)
permission_target = _table(
    "permission_target",
    _id(),
    _key("name", unique=True),
    _key("project_key", server_default=""),
    Column("body", Text, nullable=False),  # the Access v3 shape, as JSON
    _int("modified"),
)
token = _table(
    "token",
    Column("id", _KEY, primary_key=True),
    _key("kind"),  # access, refresh
    Column("account_id", _INT64, ForeignKey("account.id", ondelete="CASCADE"), index=True),
    _int("security_epoch"),
    _key("subject"),
    Column("scope", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("secret_hash", LargeBinary, unique=True),  # of a refresh or reference token
    Column("parent", _KEY, index=True),
    _int("issued"),
    Column("expires", _INT64, index=True),
)
audit = _table(
    "audit",
    _id(),
    _int("time", index=True),
    _key("actor"),
    _key("address"),
    _key("action"),
    _key("outcome"),
    Column("subject", Text, nullable=False),
    Column("detail", Text),
)

# --- Docker: what the tree says, in the order in which clients ask ------------------------------------------------------

docker_manifest = _table(
    "docker_manifest",
    _item_id(primary_key=True),
    Column("repo_id", _INT64, nullable=False),
    _key("image"),
    _key("reference"),  # a tag, or sha256:<hex> for what is kept by digest alone
    _flag("is_tag"),
    _blob_id(nullable=False),
    Column("media_type", Text, nullable=False),
    Column("subject", _KEY),  # the digest as the manifest wrote it
    Column("digest", _KEY),  # that a tag is told by, where it was pushed by another than sha256
    Column("retired", _INT64),  # when its tag moved on
    Column("retired_tag", _KEY),
    UniqueConstraint("repo_id", "image", "reference"),
    Index("ix_docker_manifest_tags", "repo_id", "image", "is_tag", "reference"),
    Index("ix_docker_manifest_digest", "repo_id", "image", "blob_id"),
    Index(
        "ix_docker_manifest_subject",
        "repo_id",
        "image",
        "subject",
        "blob_id",
        sqlite_where=text("subject IS NOT NULL"),
        postgresql_where=text("subject IS NOT NULL"),
    ),
    Index(
        "ix_docker_manifest_retired",
        "retired",
        sqlite_where=text("retired IS NOT NULL"),
        postgresql_where=text("retired IS NOT NULL"),
    ),
)
docker_document = _table(  # what a manifest's bytes say, wherever they are placed
    "docker_document",
    Column("blob_id", _INT64, ForeignKey("blob.id", ondelete="CASCADE"), primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("artifact_type", Text),
    Column("subject", _KEY),
    Column("annotations", Text),  # JSON object
)
docker_child = _table(  # what an index names
    "docker_child",
    Column("blob_id", _INT64, ForeignKey("blob.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", _KEY, primary_key=True, index=True),
)
image_blob = _table(  # who may name a blob: an upload or mount for a while, a manifest for good
    "image_blob",
    _id(),
    Column("repo_id", _INT64, ForeignKey("repository.id"), nullable=False),
    _key("image"),
    Column("blob_id", _INT64, ForeignKey("blob.id"), nullable=False),
    Column("expires", _INT64),
    _key("created_by"),  # who uploaded or mounted it; until a manifest names it, it is readable to them
    UniqueConstraint("repo_id", "image", "blob_id"),
    Index("ix_image_blob_blob_id", "blob_id", "repo_id", "image"),
    Index(
        "ix_image_blob_expires",
        "expires",
        sqlite_where=text("expires IS NOT NULL"),
        postgresql_where=text("expires IS NOT NULL"),
    ),
)
