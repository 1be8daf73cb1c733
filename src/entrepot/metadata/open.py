"""Open the database that the settings name."""

from __future__ import annotations

from pathlib import Path

from entrepot.metadata.database import Database


async def open_database(home: Path, url: str, connections: int = 16) -> Database:
    """Open SQLite in the home folder (an empty `url`), or PostgreSQL. Raises DatabaseUnavailable."""
    if url:
        from entrepot.metadata.postgres import open_postgres  # noqa: PLC0415 - asyncpg costs 10 MiB; most have no use for it

        return await open_postgres(url, connections)
    from entrepot.metadata.sqlite import open_sqlite  # noqa: PLC0415 - the mirror of the above

    return open_sqlite(home)
