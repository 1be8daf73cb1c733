"""`api/search/*` but for AQL (AQL reference 13)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from entrepot.clock import iso
from entrepot.errors import Invalid
from entrepot.messages import Parameter, Reply, Request, Row, json_reply
from entrepot.metadata.database import Database
from entrepot.metadata.sql import sql
from entrepot.rest.search_answers import Answers, NoResults, known_users_only, media_type, one, uri
from entrepot.search.aql.values import moment
from entrepot.search.finder import Hit, with_property

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

_RESULTS: Final = {
    "artifact": "ArtifactSearchResult", "prop": "MetadataSearchResult", "checksum": "ChecksumSearchResult",
    "usage": "ArtifactUsageResult", "creation": "ArtifactCreationResult", "dates": "ArtifactResult",
    "pattern": "PatternResultFileSet", "badChecksum": "BadChecksumSearchResult",
}  # fmt: skip
"""The last part of each answer's media type."""


class SearchApi:
    """The handlers."""

    def __init__(self, database: Database, answers: Answers) -> None:
        self._database = database
        self._answers = answers

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        listed: Sequence[tuple[str, Any, str, tuple[Parameter, ...]]] = (
            ("artifact", self.artifact, "Files by a part of their name", (Parameter("name", "The part", required=True), _REPOS)),
            ("prop", self.prop, "Items by their properties: each parameter is one", (_REPOS,)),
            ("checksum", self.checksum, "Files by a checksum", (*(Parameter(name, name.upper()) for name in _LENGTHS), _REPOS)),
            ("usage", self.usage, "Files that nobody downloaded since", (Parameter("notUsedSince", "Epoch milliseconds"), _REPOS)),
            ("creation", self.creation, "Files created or changed in some time", (Parameter("from", "Epoch milliseconds"), _REPOS)),
            ("dates", self.dates, "Files by any of their dates", (Parameter("dateFields", "created,lastModified,..."), _REPOS)),
            ("pattern", self.pattern, "Files of one repository by a pattern", (Parameter("pattern", "repo:dir/*/x?.jar"),)),
            ("badChecksum", self.bad_checksum, "Files of bad checksums", (Parameter("type", "md5, sha1 or sha256", required=True),)),
        )  # fmt: skip
        return tuple(
            Row(
                "GET",
                f"{_API}/{name}",
                f"search.{name}",
                "user",
                handler,
                response=media_type(_RESULTS[name]),
                parameters=parameters,
                summary=summary,
            )
            for name, handler, summary, parameters in listed
        )

    async def artifact(self, request: Request) -> Reply:
        """By a part of the name, whatever its capitals."""
        name = one(request, "name")
        if not name:
            raise Invalid("The search term cannot be empty")
        if not _WILD.sub("", name):
            raise Invalid("Search term containing only wildcards is not permitted")
        pattern = name if name[0] in "*?" or name[-1] in "*?" else f"*{name}*"
        binds = self._answers.finder.binds()
        return await self._answers.answer(
            request, ["i.kind = 1", binds.like("i.name", pattern, fold=True)], binds, _RESULTS["artifact"]
        )

    async def prop(self, request: Request) -> Reply:
        """By properties, all of which an item must have."""
        wanted = {key: values for key, values in request.query.items() if key not in {"repos", "properties"}}
        if not request.query:
            raise NoResults
        if not wanted or any(not _WILD.sub("", key) for key in wanted):
            raise Invalid("The search term cannot be empty")
        binds = self._answers.finder.binds()
        conditions = [one for key, values in wanted.items() for one in with_property(binds, key, values)]
        return await self._answers.answer(request, conditions, binds, _RESULTS["prop"])

    async def checksum(self, request: Request) -> Reply:
        """By exactly one checksum."""
        given = [(name, one(request, name)) for name in _LENGTHS if one(request, name)]
        if (
            len(given) != 1
            or len(given[0][1]) != _LENGTHS[given[0][0]]
            or not re.fullmatch("[0-9a-fA-F]+", given[0][1])
        ):
            raise Invalid("Exactly one checksum is needed: md5 of 32, sha1 of 40 or sha256 of 64 hex digits.")
        binds = self._answers.finder.binds()
        column, value = given[0][0], binds.add(bytes.fromhex(given[0][1]))
        conditions = [f"i.blob_id IN (SELECT id FROM blob WHERE {column} = {value})"]
        return await self._answers.answer(request, conditions, binds, _RESULTS["checksum"])

    async def usage(self, request: Request) -> Reply:
        """Files that nobody has downloaded since."""
        known_users_only(request)
        since = one(request, "notUsedSince")
        if not since:
            raise NoResults
        before = one(request, "createdBefore") or since
        binds = self._answers.finder.binds()
        told = binds.add(moment(since))
        conditions = [
            "i.kind = 1", f"i.created < {binds.add(moment(before))}",
            f"NOT EXISTS (SELECT 1 FROM stat s WHERE s.item_id = i.id AND s.last_downloaded >= {told})",
            f"NOT EXISTS (SELECT 1 FROM stat_remote s WHERE s.item_id = i.id AND s.last_downloaded >= {told})",
        ]  # fmt: skip

        async def used(asked: Request, hit: Hit) -> dict[str, Any]:
            row = await self._database.row(_STAT, id=hit.item.id)
            count, at = (row[0], row[1]) if row is not None else (0, 0)
            return {
                "uri": uri(asked, hit), "downloadCount": count, "lastDownloaded": iso(at),
                "remoteDownloadCount": 0, "remoteLastDownloaded": iso(0),
            }  # fmt: skip

        return await self._answers.answer(request, conditions, binds, _RESULTS["usage"], told=used, needed=True)

    async def creation(self, request: Request) -> Reply:
        """Files that were created or changed between two times."""
        known_users_only(request)
        start = one(request, "from")
        if not start:
            raise Invalid("'from' parameter cannot be empty!")
        low, high = moment(start), moment(one(request, "to") or str(self._database.now()))
        binds = self._answers.finder.binds()
        bounds = f"> {binds.add(low)}", f"<= {binds.add(high)}"
        either = " OR ".join(
            f"({column} {bounds[0]} AND {column} {bounds[1]})" for column in ("i.created", "i.modified")
        )
        conditions = ["i.kind = 1", f"({either})", "i.name <> 'maven-metadata.xml'"]

        async def when(asked: Request, hit: Hit) -> dict[str, Any]:
            at = hit.item.created if low < hit.item.created <= high else hit.item.modified
            return {"uri": uri(asked, hit), "created": iso(at)}

        return await self._answers.answer(request, conditions, binds, _RESULTS["creation"], told=when, needed=True)

    async def dates(self, request: Request) -> Reply:
        """Files one of whose dates lies between two times."""
        known_users_only(request)
        stated = one(request, "dateFields").split(",")
        names = list(dict.fromkeys(name.strip() for name in stated if name.strip()))
        if not names:
            raise Invalid("'dateFields' parameter cannot be empty!")
        for name in names:
            if name not in _DATES:
                raise Invalid(f"Date field name '{name[:64]}' unknown!, possible values are: [{', '.join(_DATES)}]")
        low = moment(one(request, "from") or "0")
        high = moment(one(request, "to") or str(self._database.now()))
        binds = self._answers.finder.binds()
        bounds = binds.add(low), binds.add(high)
        either = " OR ".join(f"{_DATES[name]} BETWEEN {bounds[0]} AND {bounds[1]}" for name in names)

        async def dated(asked: Request, hit: Hit) -> dict[str, Any]:
            row = await self._database.row(_STAT, id=hit.item.id) if "lastDownloaded" in names else None
            held = {
                "created": hit.item.created,
                "lastModified": hit.item.modified,
                "lastDownloaded": row[1] if row else None,
            }
            return {"uri": uri(asked, hit), **{name: iso(at) for name in names if (at := held.get(name)) is not None}}

        return await self._answers.answer(
            request, ["i.kind = 1", f"({either})"], binds, _RESULTS["dates"], told=dated, needed=True
        )

    async def pattern(self, request: Request) -> Reply:
        """Files of one repository by a pattern whose stars stay within a folder."""
        known_users_only(request)
        key, colon, pattern = one(request, "pattern").partition(":")
        if not colon or not key or not pattern or "**" in pattern:
            raise Invalid("The pattern must be repo:dir/*/x?.jar, without **.")
        pattern = pattern.strip("/")
        folder, _, name = pattern.rpartition("/")
        binds = self._answers.finder.binds()
        conditions = ["i.kind = 1", binds.like("i.path", folder or "."), binds.like("i.name", name)]
        depth = pattern.count("/") + 1
        hits = self._answers.finder.find(request.granted, conditions, binds, repos=[key])
        # a star of SQL also crosses folders
        files = [hit.item.path async for hit in hits if hit.item.path.count("/") + 1 == depth]
        repo = f"{request.base}/artifactory/{key}"
        told = {"repoUri": repo, "repositoryUri": repo, "sourcePattern": f"{key}:{pattern}", "files": sorted(files)}
        return json_reply(told, 200, media_type(_RESULTS["pattern"]))

    async def bad_checksum(self, request: Request) -> Reply:
        """None: a deploy whose checksums differ is refused."""
        if one(request, "type") not in _LENGTHS:
            raise Invalid("The parameter 'type' must be md5, sha1 or sha256.")
        return json_reply({"results": []}, 200, media_type(_RESULTS["badChecksum"]))
