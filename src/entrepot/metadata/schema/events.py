"""Events and work."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, SmallInteger, Text, text

from entrepot.metadata.schema.base import INT64, KEY, int64, key, surrogate_id, table

event = table(
    "event",
    surrogate_id(),
    Column("seq", INT64),  # PostgreSQL: numbered by the sequencer; SQLite: unused, the id is in order
    int64("time"),
    key("kind"),
    Column("repo_id", INT64, nullable=False),
    key("repo_key"),
    key("path"),
    key("actor"),
    key("origin"),
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
    Index("ix_event_unnumbered", "id", postgresql_where=text("seq IS NULL")).ddl_if("postgresql"),
)
follower = table(
    "follower",
    Column("name", KEY, primary_key=True),
    int64("cursor"),
    key("state"),  # live, resync
    int64("updated"),
)
job = table(
    "job",
    surrogate_id(),
    key("kind"),
    Column("version", SmallInteger, nullable=False),
    Column("payload", Text, nullable=False),
    key("state"),  # queued, running, failed
    int64("run_after"),
    Column("attempts", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    int64("epoch"),
    Column("lease_until", INT64),
    Column("node", Text),
    Column("dedup", KEY, unique=True),
    Column("error", Text),
    int64("created"),
    Index("ix_job_state_run_after", "state", "run_after"),
)
node = table(
    "node",
    Column("id", KEY, primary_key=True),
    key("version"),
    Column("schema_min", Integer, nullable=False),
    Column("schema_max", Integer, nullable=False),
    key("state"),
    int64("started"),
    int64("heartbeat"),
)
