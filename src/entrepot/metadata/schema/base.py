"""The words in which the tables are described."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
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

INT64 = BigInteger().with_variant(Integer(), "sqlite")
KEY = String().with_variant(String(collation="C"), "postgresql")


def surrogate_id() -> Column[int]:
    """Return the primary key of rows that others refer to."""
    return Column("id", INT64, Identity(), primary_key=True)


def key(name: str, **rest: object) -> Column[str]:
    """Return a text column that compares by bytes."""
    return Column(name, KEY, nullable=False, **rest)  # type: ignore[arg-type]


def int64(name: str, **rest: object) -> Column[int]:
    """Return a whole number that is always there."""
    return Column(name, INT64, nullable=False, **rest)  # type: ignore[arg-type]


def flag(name: str) -> Column[int]:
    """Return a column of 0 or 1, 0 when nothing is said."""
    return Column(name, SmallInteger, nullable=False, server_default=text("0"))


def table(name: str, *parts: SchemaItem) -> Table:
    """Enter a table into the schema; its surrogate ids are never used again."""
    surrogate = any(isinstance(part, Column) and part.identity is not None for part in parts)
    return Table(name, metadata, *parts, sqlite_autoincrement=surrogate)


def blob_id(**rest: object) -> Column[int]:
    """Return the column of who holds a blob; see `triggers.py` for what that means."""
    return Column("blob_id", INT64, ForeignKey("blob.id"), index=True, **rest)  # type: ignore[arg-type]


def item_id(**rest: object) -> Column[int]:
    """Return the column of what goes when its item does."""
    return Column("item_id", INT64, ForeignKey("item.id", ondelete="CASCADE"), nullable=False, **rest)  # type: ignore[arg-type]
