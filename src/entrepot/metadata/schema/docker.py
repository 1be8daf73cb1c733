"""Docker: what the tree says, in the order in which clients ask."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Text, UniqueConstraint, text

from entrepot.metadata.schema.base import INT64, KEY, blob_id, flag, item_id, key, surrogate_id, table

docker_manifest = table(
    "docker_manifest",
    item_id(primary_key=True),
    Column("repo_id", INT64, nullable=False),
    key("image"),
    key("reference"),  # a tag, or sha256:<hex> for what is kept by digest alone
    flag("is_tag"),
    blob_id(nullable=False),
    Column("media_type", Text, nullable=False),
    Column("subject", KEY),  # the digest as the manifest wrote it
    Column("digest", KEY),  # that a tag is told by, where it was pushed by another than sha256
    Column("retired", INT64),  # when its tag moved on
    Column("retired_tag", KEY),
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
docker_document = table(  # what a manifest's bytes say, wherever they are placed
    "docker_document",
    Column("blob_id", INT64, ForeignKey("blob.id", ondelete="CASCADE"), primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("artifact_type", Text),
    Column("subject", KEY),
    Column("annotations", Text),  # JSON object
)
docker_child = table(  # what an index names
    "docker_child",
    Column("blob_id", INT64, ForeignKey("blob.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", KEY, primary_key=True, index=True),
)
image_blob = table(  # who may name a blob: an upload or mount for a while, a manifest for good
    "image_blob",
    surrogate_id(),
    Column("repo_id", INT64, ForeignKey("repository.id"), nullable=False),
    key("image"),
    Column("blob_id", INT64, ForeignKey("blob.id"), nullable=False),
    Column("expires", INT64),
    key(
        "created_by"
    ),  # the first without a claim, for it could read the whole image: so that it still has this when it no longer can
    UniqueConstraint("repo_id", "image", "blob_id"),
    Index("ix_image_blob_blob_id", "blob_id", "repo_id", "image"),
    Index(
        "ix_image_blob_expires",
        "expires",
        sqlite_where=text("expires IS NOT NULL"),
        postgresql_where=text("expires IS NOT NULL"),
    ),
)
image_blob_claim = table(  # to whom, of those who may not read the whole image, their upload or mount is readable
    "image_blob_claim",
    surrogate_id(),
    Column("image_blob_id", INT64, ForeignKey("image_blob.id", ondelete="CASCADE"), nullable=False),
    key("actor"),
    Column("expires", INT64, nullable=False, index=True),
    UniqueConstraint("image_blob_id", "actor"),
)
