"""`api/search/*` but for AQL (AQL reference 13)."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec

from entrepot.artifacts import describe
from entrepot.clock import iso
from entrepot.errors import Invalid, NotFound, Unauthenticated
from entrepot.messages import Parameter, Reply, Request, Row, json_reply
from entrepot.metadata.database import Database
from entrepot.metadata.properties import properties_of
from entrepot.metadata.sql import sql
from entrepot.repositories.content import Content
from entrepot.search.aql.conditions import Binds
from entrepot.search.aql.repositories import shown
from entrepot.search.aql.values import moment
from entrepot.search.finder import Finder, Hit, with_property

_API: Final = "/artifactory/api/search"
_REPOS: Final = Parameter("repos", "Only these repositories, with commas between")
_LENGTHS: Final = {"md5": 32, "sha1": 40, "sha256": 64}
_WILD = re.compile(r"[*?]+")
_DATES: Final = {
    "created": "i.created", "lastModified": "i.modified",
    "lastDownloaded": "(SELECT s.last_downloaded FROM stat s WHERE s.item_id = i.id)",
    "remote_last_downloaded": "(SELECT MAX(s.last_downloaded) FROM stat_remote s WHERE s.item_id = i.id)",
}  # fmt: skip

_STAT = sql("SELECT downloads, last_downloaded FROM stat WHERE item_id = :id")

Told = Callable[[Request, Hit], Any]


class NoResults(NotFound):
    """No results found."""


_RESULTS: Final = {
    "artifact": "ArtifactSearchResult", "prop": "MetadataSearchResult", "checksum": "ChecksumSearchResult",
    "gavc": "GavcSearchResult", "usage": "ArtifactUsageResult", "creation": "ArtifactCreationResult", "dates": "ArtifactResult",
    "pattern": "PatternResultFileSet", "badChecksum": "BadChecksumSearchResult", "license": "LicenseResult",
}  # fmt: skip
"""The last part of each answer's media type."""


class SearchApi:
    """The handlers."""

    def __init__(self, database: Database, content: Content, finder: Finder) -> None:
        self._database = database
        self._content = content
        self._finder = finder

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        listed: Sequence[tuple[str, Any, str, tuple[Parameter, ...]]] = (
            ("artifact", self.artifact, "Files by a part of their name", (Parameter("name", "The part", required=True), _REPOS)),
            ("prop", self.prop, "Items by their properties: each parameter is one", (_REPOS,)),
            ("checksum", self.checksum, "Files by a checksum", (*(Parameter(name, name.upper()) for name in _LENGTHS), _REPOS)),
            ("gavc", self.gavc, "Files by Maven coordinates", (*(Parameter(name, name) for name in "gavc"), _REPOS)),
            ("usage", self.usage, "Files that nobody downloaded since", (Parameter("notUsedSince", "Epoch milliseconds"), _REPOS)),
            ("creation", self.creation, "Files created or changed in some time", (Parameter("from", "Epoch milliseconds"), _REPOS)),
            ("dates", self.dates, "Files by any of their dates", (Parameter("dateFields", "created,lastModified,..."), _REPOS)),
            ("pattern", self.pattern, "Files of one repository by a pattern", (Parameter("pattern", "repo:dir/*/x?.jar"),)),
            ("badChecksum", self.bad_checksum, "Files whose checksums are not what was stated", (Parameter("type", "md5 or sha1"),)),
            ("license", self.license, "Files by licence", (_REPOS,)),
        )  # fmt: skip
        return tuple(
            Row(
                "GET",
                f"{_API}/{name}",
                f"search.{name}",
                "user",
                handler,
                response=_type(_RESULTS[name]),
                parameters=parameters,
                summary=summary,
            )
            for name, handler, summary, parameters in listed
        )

    async def artifact(self, request: Request) -> Reply:
        """By a part of the name, whatever its capitals."""
        name = _one(request, "name")
        if not name:
            raise Invalid("The search term cannot be empty")
        if not _WILD.sub("", name):
            raise Invalid("Search term containing only wildcards is not permitted")
        pattern = name if name[0] in "*?" or name[-1] in "*?" else f"*{name}*"
        binds = self._finder.binds()
        return await self._answer(
            request, ["i.kind = 1", binds.like("i.name", pattern, fold=True)], binds, _RESULTS["artifact"]
        )

    async def prop(self, request: Request) -> Reply:
        """By properties, all of which an item must have."""
        wanted = {key: values for key, values in request.query.items() if key not in {"repos", "properties"}}
        if not request.query:
            raise NoResults
        if not wanted or any(not _WILD.sub("", key) for key in wanted):
            raise Invalid("The search term cannot be empty")
        binds = self._finder.binds()
        conditions = [one for key, values in wanted.items() for one in with_property(binds, key, values)]
        return await self._answer(request, conditions, binds, _RESULTS["prop"])

    async def checksum(self, request: Request) -> Reply:
        """By exactly one checksum."""
        given = [(name, _one(request, name)) for name in _LENGTHS if _one(request, name)]
        if (
            len(given) != 1
            or len(given[0][1]) != _LENGTHS[given[0][0]]
            or not re.fullmatch("[0-9a-fA-F]+", given[0][1])
        ):
            raise Invalid("Exactly one checksum is needed: md5 of 32, sha1 of 40 or sha256 of 64 hex digits.")
        binds = self._finder.binds()
        column, value = given[0][0], binds.add(bytes.fromhex(given[0][1]))
        conditions = [f"i.blob_id IN (SELECT id FROM blob WHERE {column} = {value})"]
        return await self._answer(request, conditions, binds, _RESULTS["checksum"])

    async def gavc(self, request: Request) -> Reply:
        """By group, artifact, version and classifier, as Maven lays files out."""
        group, artifact, version, classifier = (_one(request, name) for name in "gavc")
        if not any((group, artifact, version, classifier)):
            raise Invalid("Missing groupId or artifactId or version or classifier")
        binds = self._finder.binds()
        folder = "/".join((group.replace(".", "/") or "*", artifact or "*", version or "*"))
        conditions = ["i.kind = 1", binds.like("i.path", folder)]
        if classifier:
            conditions.append(binds.like("i.name", f"*-{classifier}*"))
        conditions += [
            f"NOT ({binds.like('i.name', one)})" for one in ("maven-metadata.xml*", "*.md5", "*.sha1", "*.sha256")
        ]
        return await self._answer(request, conditions, binds, _RESULTS["gavc"])

    async def usage(self, request: Request) -> Reply:
        """Files that nobody has downloaded since."""
        self._known_users_only(request)
        since = _one(request, "notUsedSince")
        if not since:
            raise NoResults
        before = _one(request, "createdBefore") or since
        binds = self._finder.binds()
        told = binds.add(moment(since))
        conditions = [
            "i.kind = 1", f"i.created < {binds.add(moment(before))}",
            f"NOT EXISTS (SELECT 1 FROM stat s WHERE s.item_id = i.id AND s.last_downloaded >= {told})",
            f"NOT EXISTS (SELECT 1 FROM stat_remote s WHERE s.item_id = i.id AND s.last_downloaded >= {told})",
        ]  # fmt: skip

        async def used(one: Request, hit: Hit) -> dict[str, Any]:
            row = await self._database.row(_STAT, id=hit.item.id)
            count, at = (row[0], row[1]) if row is not None else (0, 0)
            return {
                "uri": _uri(one, hit), "downloadCount": count, "lastDownloaded": iso(at),
                "remoteDownloadCount": 0, "remoteLastDownloaded": iso(0),
            }  # fmt: skip

        return await self._answer(request, conditions, binds, _RESULTS["usage"], told=used, needed=True)

    async def creation(self, request: Request) -> Reply:
        """Files that were created or changed between two times."""
        self._known_users_only(request)
        start = _one(request, "from")
        if not start:
            raise Invalid("'from' parameter cannot be empty!")
        low, high = moment(start), moment(_one(request, "to") or str(self._database.now()))
        binds = self._finder.binds()
        bounds = f"> {binds.add(low)}", f"<= {binds.add(high)}"
        either = " OR ".join(
            f"({column} {bounds[0]} AND {column} {bounds[1]})" for column in ("i.created", "i.modified")
        )
        conditions = ["i.kind = 1", f"({either})", "i.name <> 'maven-metadata.xml'"]

        async def when(one: Request, hit: Hit) -> dict[str, Any]:
            at = hit.item.created if low < hit.item.created <= high else hit.item.modified
            return {"uri": _uri(one, hit), "created": iso(at)}

        return await self._answer(request, conditions, binds, _RESULTS["creation"], told=when, needed=True)

    async def dates(self, request: Request) -> Reply:
        """Files one of whose dates lies between two times."""
        self._known_users_only(request)
        names = [name.strip() for name in _one(request, "dateFields").split(",") if name.strip()]
        if not names:
            raise Invalid("'dateFields' parameter cannot be empty!")
        for name in names:
            if name not in _DATES:
                raise Invalid(f"Date field name '{name[:64]}' unknown!, possible values are: [{', '.join(_DATES)}]")
        low = moment(_one(request, "from") or "0")
        high = moment(_one(request, "to") or str(self._database.now()))
        binds = self._finder.binds()
        bounds = binds.add(low), binds.add(high)
        either = " OR ".join(f"{_DATES[name]} BETWEEN {bounds[0]} AND {bounds[1]}" for name in names)

        async def dated(one: Request, hit: Hit) -> dict[str, Any]:
            row = await self._database.row(_STAT, id=hit.item.id) if "lastDownloaded" in names else None
            held = {
                "created": hit.item.created,
                "lastModified": hit.item.modified,
                "lastDownloaded": row[1] if row else None,
            }
            return {"uri": _uri(one, hit), **{name: iso(at) for name in names if (at := held.get(name)) is not None}}

        return await self._answer(
            request, ["i.kind = 1", f"({either})"], binds, _RESULTS["dates"], told=dated, needed=True
        )

    async def pattern(self, request: Request) -> Reply:
        """Files of one repository by a pattern whose stars stay within a folder."""
        self._known_users_only(request)
        key, colon, pattern = _one(request, "pattern").partition(":")
        if not colon or not key or not pattern or "**" in pattern:
            raise Invalid("The pattern must be repo:dir/*/x?.jar, without **.")
        pattern = pattern.strip("/")
        folder, _, name = pattern.rpartition("/")
        binds = self._finder.binds()
        conditions = ["i.kind = 1", binds.like("i.path", folder or "."), binds.like("i.name", name)]
        depth = pattern.count("/") + 1
        hits = self._finder.find(request.granted, conditions, binds, repos=[key])
        # a star of SQL also crosses folders
        files = [hit.item.path async for hit in hits if hit.item.path.count("/") + 1 == depth]
        repo = f"{request.base}/artifactory/{key}"
        told = {"repoUri": repo, "repositoryUri": repo, "sourcePattern": f"{key}:{pattern}", "files": sorted(files)}
        return json_reply(told, 200, _type(_RESULTS["pattern"]))

    async def bad_checksum(self, request: Request) -> Reply:
        """None: a deploy whose checksums differ is refused."""
        if _one(request, "type") not in _LENGTHS:
            raise Invalid("The parameter 'type' must be md5, sha1 or sha256.")
        return json_reply({"results": []}, 200, _type(_RESULTS["badChecksum"]))

    async def license(self, request: Request) -> Reply:
        """None yet: licences come with scanning."""
        self._known_users_only(request)
        return json_reply({"results": []}, 200, _type(_RESULTS["license"]))

    def _known_users_only(self, request: Request) -> None:
        if request.caller.is_anonymous:
            raise Unauthenticated("This resource is available to authenticated users only.")

    async def _answer(
        self,
        request: Request,
        conditions: Sequence[str],
        binds: Binds,
        kind: str,
        *,
        told: Told | None = None,
        needed: bool = False,
    ) -> Reply:
        """Stream what is found; with `needed`, to find nothing is not found."""
        repos = [key.strip() for text in request.query.get("repos", []) for key in text.split(",") if key.strip()]
        hits = self._finder.find(request.granted, conditions, binds, repos=repos)
        first = await anext(hits, None)  # what is wrong shows before the answer begins
        if needed and first is None:
            raise NoResults
        rows = self._rows(request, first, hits, told or self._described)
        return Reply(200, [("content-type", _type(kind))], stream=_results(rows))

    async def _rows(
        self, request: Request, first: Hit | None, hits: AsyncGenerator[Hit, None], told: Told
    ) -> AsyncIterator[Mapping[str, Any]]:
        async with aclosing(hits):
            hit = first
            while hit is not None:
                yield await told(request, hit)
                hit = await anext(hits, None)

    async def _described(self, request: Request, hit: Hit) -> dict[str, Any]:
        detail = request.headers.get("x-result-detail") or ""
        found: dict[str, Any] = {"uri": _uri(request, hit)}
        if "info" in detail:
            stored = None if hit.item.blob_id is None else await self._content.find(hit.item.blob_id)
            key = shown(hit.repository)
            if stored is not None:
                found = describe.file_info(request.base, key, hit.item, stored)
            elif not hit.item.is_file:
                found = describe.folder_info(request.base, key, hit.item.path, hit.item, [])
        if "properties" in detail:
            found["properties"] = await properties_of(self._database, hit.item.id)
        return found


def _uri(request: Request, hit: Hit) -> str:
    return describe.url(request.base, shown(hit.repository), hit.item.path, api="api/storage")


def _one(request: Request, name: str) -> str:
    return (request.query.get(name) or [""])[0].strip()


def _type(kind: str) -> str:
    return f"application/vnd.org.jfrog.artifactory.search.{kind}+json"


async def _results(rows: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    yield b'{"results":['
    comma = b""
    async for row in rows:
        yield comma + msgspec.json.encode(row)
        comma = b","
    yield b"]}"
