"""Bytes: which there are, where they lie, until when they are kept."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, Text, text

from entrepot.metadata.schema.base import INT64, KEY, int64, key, surrogate_id, table

blob = table(
    "blob",
    surrogate_id(),
    Column("sha256", LargeBinary, nullable=False, unique=True),
    Column("sha1", LargeBinary, nullable=False, index=True),
    Column("md5", LargeBinary, nullable=False, index=True),
    int64("size"),
    Column("storage_key", KEY, unique=True),  # NULL: inline, or in segments
    int64("created"),
    int64("keep_until"),  # not collected before, whether or not anyone refers to it
    Column("review", INT64),  # when the collection shall look at it; NULL: it is referred to, nobody let go
    Index(
        "ix_blob_review", "review", sqlite_where=text("review IS NOT NULL"), postgresql_where=text("review IS NOT NULL")
    ),
)

blob_digest = table(  # digests beyond the three that every blob has: sha512
    "blob_digest",
    Column("algorithm", KEY, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("blob_id", INT64, ForeignKey("blob.id", ondelete="CASCADE"), nullable=False, index=True),
)
blob_inline = table(  # bodies of up to 16 KiB: no object, no fsync of their own
    "blob_inline",
    Column("blob_id", INT64, ForeignKey("blob.id", ondelete="CASCADE"), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
blob_segment = table(  # a blob that arrived in several chunks, until the compaction has joined them
    "blob_segment",
    Column("blob_id", INT64, ForeignKey("blob.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    key("storage_key", unique=True),
    int64("size"),
)
delete_queue = table(
    "delete_queue",
    Column("storage_key", KEY, primary_key=True),
    int64("not_before", index=True),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
)
writer = table(  # one row per process start that writes objects
    "writer",
    Column("id", KEY, primary_key=True),
    key("node"),  # its id, a space, and where it runs
    int64("started"),
    int64("heartbeat"),
    Column("fenced", INT64),  # since when nothing that it stored may be named any more
)
writer_hour = table(  # the hours in which a writer may have left objects that no row names
    "writer_hour",
    Column("writer_id", KEY, ForeignKey("writer.id", ondelete="CASCADE"), primary_key=True),
    Column("hour", KEY, primary_key=True),
)
upload = table(
    "upload",
    Column("id", KEY, primary_key=True),
    Column("repo_id", INT64, ForeignKey("repository.id"), nullable=False, index=True),
    key("image"),
    key("state"),  # open, done, cancelled
    int64("epoch"),  # a chunk is admitted only by the epoch that it began with
    int64("size"),
    Column("inline", LargeBinary),  # all bytes so far, while they are few
    Column("digest", Text),  # of a finished one
    Column("checksums", LargeBinary),  # of all bytes so far (`Checksums.packed`), where they are known
    key("created_by"),
    int64("created"),
    int64("expires", index=True),
)
upload_segment = table(
    "upload_segment",
    Column("upload_id", KEY, ForeignKey("upload.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    key("storage_key", unique=True),
    int64("size"),
)
