"""The triggers that make the collection of garbage safe: whoever lets go of a blob keeps it alive for the grace time.

They fire for every way in which a reference can be lost, cascades included, so no code path has to remember. A blob whose
remaining time is more than half the grace is left alone: a hot blob is then written at most twice per grace time.

A test walks the schema: every foreign key to `blob` that does not cascade must be listed here.
"""

from __future__ import annotations

HOLDERS = ("item", "image_blob", "docker_manifest")

SQLITE_NOW = "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)"
POSTGRES_NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"

_KEEP = """
UPDATE blob SET
  keep_until = CASE WHEN keep_until < {now} + (SELECT millis FROM grace) / 2
                    THEN {now} + (SELECT millis FROM grace) ELSE keep_until END,
  review = COALESCE(review, {now} + (SELECT millis FROM grace))
WHERE id = OLD.blob_id AND (review IS NULL OR keep_until < {now} + (SELECT millis FROM grace) / 2)"""


def sqlite_triggers() -> list[str]:
    """Return the statements that create the triggers on SQLite."""
    keep = _KEEP.format(now=SQLITE_NOW)
    made = []
    for table in HOLDERS:
        made.append(
            f"CREATE TRIGGER tg_{table}_deleted AFTER DELETE ON {table} WHEN OLD.blob_id IS NOT NULL BEGIN {keep}; END"
        )
        made.append(
            f"CREATE TRIGGER tg_{table}_moved AFTER UPDATE OF blob_id ON {table} "
            f"WHEN OLD.blob_id IS NOT NULL AND OLD.blob_id IS NOT NEW.blob_id BEGIN {keep}; END"
        )
    return made


def postgres_triggers() -> list[str]:
    """Return the statements that create the triggers on PostgreSQL.

    Deletes are handled per statement and in blob-id order, so that two transactions that let go of the same blobs cannot
    deadlock; updates of `blob_id` are rare and single.
    """
    keep = _KEEP.format(now=POSTGRES_NOW)
    in_order = keep.replace("= OLD.blob_id", "IN (SELECT blob_id FROM gone)")
    made = [
        f"""
CREATE FUNCTION keep_released_blobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM blob WHERE id IN (SELECT blob_id FROM gone) ORDER BY id FOR NO KEY UPDATE;
  {in_order};
  RETURN NULL;
END $$""",
        f"""
CREATE FUNCTION keep_released_blob() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  {keep};
  RETURN NULL;
END $$""",
    ]
    for table in HOLDERS:
        made.append(
            f"CREATE TRIGGER tg_{table}_deleted AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone "
            "FOR EACH STATEMENT EXECUTE FUNCTION keep_released_blobs()"
        )
        made.append(
            f"CREATE TRIGGER tg_{table}_moved AFTER UPDATE OF blob_id ON {table} FOR EACH ROW "
            "WHEN (OLD.blob_id IS NOT NULL AND OLD.blob_id IS DISTINCT FROM NEW.blob_id) "
            "EXECUTE FUNCTION keep_released_blob()"
        )
    return made
