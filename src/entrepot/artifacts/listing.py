"""Folders as HTML, for browsers, wget, and tools that follow links (reference 7.6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from entrepot.metadata.items import Item

POLICY = ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")


def page(key: str, path: str, lines: Sequence[str]) -> bytes:
    """Return the page of one folder, with the lines of what is in it; names are data, never markup."""
    title = escape(f"Index of {key}/{path}")
    body = "\n".join(['<a href="../">../</a>', *lines] if path else lines)
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body><h1>{title}</h1><pre>Name                                               Last modified      Size</pre><hr/>\n"
        f"<pre>{body}</pre><hr/></body></html>\n"
    ).encode()


def line(item: Item) -> str:
    """Return the line of one item."""
    name = item.name if item.is_file else f"{item.name}/"
    gap = " " * max(50 - len(name), 1)
    when = f"{datetime.fromtimestamp(item.modified / 1000, UTC):%d-%b-%Y %H:%M}"
    size = str(item.size) if item.is_file else "-"
    return f'<a href="{escape(quote(name, safe="/"))}">{escape(name)}</a>{gap} {when}  {size}'
