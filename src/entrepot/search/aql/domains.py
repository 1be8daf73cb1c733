"""Domains of AQL as data: their fields, how they relate, and the columns and joins that this means (reference 4, 5).

SQL identifiers come from these tables only, never from a query. `{a}` stands for the alias of the row that a walk comes
from, `{b}` for that of the row that it goes to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["text", "date", "int", "long", "type", "repo", "hex", "virtual"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `column` is an expression over `{a}`; `key` is what rows of a result call it."""

    name: str
    kind: Kind
    column: str
    key: str
    shown: bool = True  # in the result when nothing is included
    printed: bool = True  # False: for criteria only
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain: `id` identifies its rows, `array` is what a result nests them under."""

    name: str
    table: str
    id: str
    array: str
    fields: Mapping[str, Field]
    relations: Mapping[str, tuple[str, str]]  # relation to (domain, join)
    property_table: tuple[str, str] | None = None  # where its properties are, and the column that refers to it


def _fields(prefix: str, *rows: tuple[str, Kind, str, str]) -> dict[str, Field]:
    """Make fields of rows (name, kind, column, marks): h hidden by default, c criterion only, n nullable."""
    return {
        name: Field(
            name, kind, column, f"{prefix}{name}", "h" not in marks and "c" not in marks, "c" not in marks, "n" in marks
        )
        for name, kind, column, marks in rows
    }


def _plain(prefix: str, *rows: tuple[str, Kind, str]) -> dict[str, Field]:
    return _fields(prefix, *((name, kind, f"{{a}}.{name}", marks) for name, kind, marks in rows))


def _remote(*rows: tuple[str, Kind, str]) -> list[tuple[str, Kind, str, str]]:
    """Return fields of downloads elsewhere: those of all other instances together."""
    told = "(SELECT {column} FROM stat_remote sr WHERE sr.item_id = {{a}}.item_id)"
    return [(name, kind, told.format(column=column), "hn") for name, kind, column in rows]


_BY_CHECKSUM: Final = "LEFT JOIN blob {b}x ON {b}x.id = {a}.blob_id LEFT JOIN"
_TO_ITEM: Final = ("item", "LEFT JOIN blob {b}x ON {b}x.sha1 = {a}.sha1 LEFT JOIN item {b} ON {b}.blob_id = {b}x.id")
_TO_MODULE: Final = ("module", "LEFT JOIN build_module {b} ON {b}.id = {a}.module_id")
_TO_BUILD: Final = ("build", "LEFT JOIN build {b} ON {b}.id = {a}.build_id")
_OF_ITEM: Final = ("item", "LEFT JOIN item {b} ON {b}.id = {a}.item_id")

_ITEM: Final = Domain(
    "item", "item", "{a}.id", "items",
    _fields(
        "",
        ("repo", "repo", "{a}.repo_id", ""), ("path", "text", "{a}.path", ""), ("name", "text", "{a}.name", ""),
        ("type", "type", "{a}.kind", ""), ("size", "long", "{a}.size", ""), ("created", "date", "{a}.created", ""),
        ("created_by", "text", "{a}.created_by", ""), ("modified", "date", "{a}.modified", ""),
        ("modified_by", "text", "{a}.modified_by", ""), ("updated", "date", "{a}.updated", ""),
        ("depth", "int", "{a}.depth", "h"), ("actual_md5", "hex", "md5", "hn"), ("actual_sha1", "hex", "sha1", "hn"),
        ("original_md5", "hex", "md5", "hn"), ("original_sha1", "hex", "sha1", "hn"), ("sha256", "hex", "sha256", "hn"),
        ("virtual_repos", "virtual", "", "h"), ("id", "long", "{a}.id", "c"),
    ),
    {
        "property": ("property", "LEFT JOIN prop {b} ON {b}.item_id = {a}.id"),
        "stat": ("stat", "LEFT JOIN stat {b} ON {b}.item_id = {a}.id"),
        "artifact": ("artifact", f"{_BY_CHECKSUM} build_artifact {{b}} ON {{b}}.sha1 = {{b}}x.sha1"),
        "dependency": ("dependency", f"{_BY_CHECKSUM} build_dependency {{b}} ON {{b}}.sha1 = {{b}}x.sha1"),
        "archive": ("archive", "LEFT JOIN archive {b} ON {b}.blob_id = {a}.blob_id"),
        "release_artifact": ("release_artifact", "LEFT JOIN release_artifact {b} ON {b}.item_id = {a}.id"),
    },
    ("prop", "item_id"),
)  # fmt: skip


def _property(name: str, table: str, owner: tuple[str, tuple[str, str]], prefix: str, array: str) -> Domain:
    fields = _plain(prefix, ("key", "text", "n"), ("value", "text", "n"), ("id", "long", "c"))
    if name == "property":
        fields["item_id"] = Field("item_id", "long", "{a}.item_id", "item_id", shown=False, printed=False)
    return Domain(name, table, "{a}.id", array, fields, dict([owner]))


_PARTS: Final = (("sha1", "hex", "{a}.sha1", "hn"), ("md5", "hex", "{a}.md5", "hn"))
_DOMAINS: Final = (
    _ITEM,
    _property("property", "prop", ("item", _OF_ITEM), "", "properties"),
    _property("build.property", "build_prop", ("build", _TO_BUILD), "build.property.", "build.properties"),
    _property("module.property", "module_prop", ("module", _TO_MODULE), "module.property.", "module.properties"),
    Domain(
        "stat", "stat", "{a}.item_id", "stats",
        _fields(
            "",
            ("downloads", "int", "{a}.downloads", "n"), ("downloaded", "date", "{a}.last_downloaded", "n"),
            ("downloaded_by", "text", "{a}.last_downloaded_by", "n"),
            *_remote(
                ("remote_downloads", "int", "CAST(SUM(sr.downloads) AS BIGINT)"),
                ("remote_downloaded", "date", "MAX(sr.last_downloaded)"),
                ("remote_downloaded_by", "text", "MAX(sr.last_downloaded_by)"), ("remote_origin", "text", "MAX(sr.origin)"),
                ("remote_path", "text", "MAX(sr.path)"),
            ),
        ),
        {"item": _OF_ITEM},
    ),
    Domain("archive", "archive", "{a}.blob_id", "archives", {}, {
        "item": ("item", "LEFT JOIN item {b} ON {b}.blob_id = {a}.blob_id"),
        "entry": ("entry", "LEFT JOIN archive_entry {b} ON {b}.blob_id = {a}.blob_id"),
    }),
    Domain("entry", "archive_entry", "{a}.id", "entries", _plain("entry.", ("name", "text", "n"), ("path", "text", "n")), {
        "archive": ("archive", "LEFT JOIN archive {b} ON {b}.blob_id = {a}.blob_id"),
    }),
    Domain(
        "artifact", "build_artifact", "{a}.id", "artifacts",
        {**_plain("artifact.", ("name", "text", ""), ("type", "text", "")), **_fields("artifact.", *_PARTS)},
        {"item": _TO_ITEM, "module": _TO_MODULE},
    ),
    Domain(
        "dependency", "build_dependency", "{a}.id", "dependencies",
        {
            **_plain("dependency.", ("name", "text", ""), ("scope", "text", "n"), ("type", "text", "")),
            **_fields("dependency.", *_PARTS),
        },
        {"item": _TO_ITEM, "module": _TO_MODULE},
    ),
    Domain(
        "module", "build_module", "{a}.id", "modules", _plain("module.", ("name", "text", "")),
        {
            "build": _TO_BUILD,
            "artifact": ("artifact", "LEFT JOIN build_artifact {b} ON {b}.module_id = {a}.id"),
            "dependency": ("dependency", "LEFT JOIN build_dependency {b} ON {b}.module_id = {a}.id"),
            "property": ("module.property", "LEFT JOIN module_prop {b} ON {b}.module_id = {a}.id"),
        },
        ("module_prop", "module_id"),
    ),
    Domain(
        "build", "build", "{a}.id", "builds",
        {
            **_plain("build.", ("url", "text", "n"), ("name", "text", ""), ("number", "text", ""), ("started", "date", ""),
                     ("created", "date", ""), ("created_by", "text", ""), ("modified", "date", "n"), ("modified_by", "text", "n")),
            **_fields("build.", ("repo", "repo", "{a}.repo_id", "h")),
        },
        {
            "module": ("module", "LEFT JOIN build_module {b} ON {b}.build_id = {a}.id"),
            "property": ("build.property", "LEFT JOIN build_prop {b} ON {b}.build_id = {a}.id"),
            "promotion": ("promotion", "LEFT JOIN build_promotion {b} ON {b}.build_id = {a}.id"),
        },
        ("build_prop", "build_id"),
    ),
    Domain(
        "promotion", "build_promotion", "{a}.id", "build.promotions",
        {
            **_plain("build.promotion.", ("created", "date", ""), ("created_by", "text", ""), ("status", "text", ""),
                     ("repo", "text", ""), ("comment", "text", "")),
            **_fields("build.promotion.", ("user", "text", "{a}.ci_user", "")),
        },
        {"build": _TO_BUILD},
    ),
    Domain(
        "release", "release", "{a}.id", "releaseBundles",
        _plain("release.", ("name", "text", ""), ("version", "text", ""), ("status", "text", ""), ("created", "date", ""),
               ("signature", "text", "n"), ("type", "text", ""), ("storing_repo", "text", "n"), ("id", "long", "c")),
        {"release_artifact": ("release_artifact", "LEFT JOIN release_artifact {b} ON {b}.release_id = {a}.id")},
    ),
    Domain(
        "release_artifact", "release_artifact", "{a}.id", "releaseBundleFiles",
        {
            "path": Field("path", "text", "{a}.path", "release_artifact.repo_path"),
            **_fields("release_artifact.", ("item_id", "long", "{a}.item_id", "c"), ("bundle_id", "long", "{a}.release_id", "c"),
                      ("id", "long", "{a}.id", "c")),
        },
        {"release": ("release", "LEFT JOIN release {b} ON {b}.id = {a}.release_id"), "item": _OF_ITEM},
    ),
)  # fmt: skip

DOMAINS: Final[Mapping[str, Domain]] = {domain.name: domain for domain in _DOMAINS}
ENTRIES: Final[Mapping[str, str]] = {
    "items": "item", "properties": "property", "stats": "stat", "builds": "build", "modules": "module",
    "artifacts": "artifact", "dependencies": "dependency", "archives": "archive", "archive.entries": "entry",
    "build.properties": "build.property", "build.promotions": "promotion", "module.properties": "module.property",
    "releases": "release", "release_artifacts": "release_artifact",
}  # fmt: skip
"""What a query begins with, and the domain that it means."""

OWNERS: Final[Mapping[str, tuple[str, ...]]] = {
    "item": (), "property": ("item",), "stat": ("item",), "archive": ("item",), "entry": ("archive", "item"),
    "build": (), "module": ("build",), "artifact": ("module", "build"), "dependency": ("module", "build"),
    "build.property": ("build",), "module.property": ("module", "build"), "promotion": ("build",),
}  # fmt: skip
"""The walk to what decides who may see a row: an item, or a build. Domains that are not here are for administrators."""

_BUILT: Final = (
    "EXISTS (SELECT 1 FROM build_module om JOIN build ob ON ob.id = om.build_id"
    " WHERE om.id = {b}.module_id AND ob.repo_id {whole})"
)
SEEN: Final[Mapping[str, str]] = {
    "item": "{b}.repo_id {whole}", "artifact": _BUILT, "dependency": _BUILT, "release_artifact": "{everything}",
}  # fmt: skip
"""What joined rows must meet for who may not read everything: every walk to rows of others passes one of these domains.

`{whole}` are the repositories of which the caller may read everything, `{everything}` is whether these are all.
"""
