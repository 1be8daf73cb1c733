"""The schema: one description for both engines. Migrations bring a database here; a test proves that they do.

Conventions, each asserted by `tests/unit/metadata/test_schema.py`:

* every surrogate id is an int64 that is never reused (AUTOINCREMENT, identity);
* whoever holds a blob has an *indexed* foreign key to it, and a trigger (`triggers.py`) that keeps it through the grace time
  when the holder lets go: this alone makes the collection of garbage safe;
* key columns compare by bytes (`COLLATE "C"`), flags are small integers, times are epoch milliseconds UTC, digests are binary;
* a repository that is deleted keeps its row and retires its id: another one of that name gets another id.
"""

from __future__ import annotations

from entrepot.metadata.schema import archives, blobs, builds, docker, events, identity, instance, releases, tree
from entrepot.metadata.schema.base import metadata

__all__ = ["archives", "blobs", "builds", "docker", "events", "identity", "instance", "metadata", "releases", "tree"]
