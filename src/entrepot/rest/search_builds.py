"""`api/search/dependency` and `api/search/buildArtifacts` (AQL reference 13, builds reference A5)."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import quote

import msgspec

from entrepot.artifacts import describe
from entrepot.errors import Invalid, NotFound
from entrepot.messages import Parameter, Reply, Request, Row, json_reply
from entrepot.rest.json_bodies import json_object
from entrepot.rest.search_answers import known_users_only, media_type, one, results, resumed
from entrepot.search import mappings
from entrepot.search.aql.repositories import shown
from entrepot.search.builds import Build, Builds

_API: Final = "/artifactory/api/search"
_LENGTHS: Final = {"sha1": 40, "sha256": 64}
_DEPENDENCY: Final = media_type("DependencyBuilds")
_ARTIFACTS: Final = media_type("BuildArtifactsSearchResult")
_MOST: Final = 100  # mappings, and repositories


class Mapped(msgspec.Struct, frozen=True):
    """A pattern of paths; `output` names entries of archives, and means nothing here."""

    input: str
    output: str | None = None


class Wanted(msgspec.Struct, frozen=True, rename="camel"):
    """A build, by either its number or a status, and which of its files."""

    build_name: str
    build_number: str | int | None = None
    build_status: str | None = None
    repos: list[str] | None = None
    mappings: list[Mapped] | None = None
    build_repo: str | None = None
    project: str | None = None
    archive_type: str | None = None


class NoArtifacts(NotFound):
    """Could not find any build artifacts for build '{name}' {what} '{which}'"""


class BuildSearchApi:
    """The handlers."""

    def __init__(self, builds: Builds) -> None:
        self._builds = builds

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        return (
            Row("GET", f"{_API}/dependency", "search.dependency", "user", self.dependency, response=_DEPENDENCY,
                parameters=tuple(Parameter(name, f"{name.upper()} of the file") for name in _LENGTHS),
                summary="Builds that used a file"),
            Row("POST", f"{_API}/buildArtifacts", "search.buildArtifacts", "user", self.artifacts, request=Wanted,
                response=_ARTIFACTS, summary="The files that a build has made"),
        )  # fmt: skip

    async def dependency(self, request: Request) -> Reply:
        """GET: by exactly one checksum."""
        known_users_only(request)
        given = [(name, one(request, name)) for name in _LENGTHS if one(request, name)]
        if len(given) != 1 or not re.fullmatch(f"[0-9a-fA-F]{{{_LENGTHS[given[0][0]]}}}", given[0][1]):
            raise Invalid("Exactly one checksum is needed: sha1 of 40 or sha256 of 64 hex digits.")
        found = self._builds.using(request.granted, given[0][0], bytes.fromhex(given[0][1]))
        runs = resumed(await anext(found, None), found)
        return Reply(200, [("content-type", _DEPENDENCY)], stream=results(_told(request, runs)))

    async def artifacts(self, request: Request) -> Reply:
        """POST: of the newest run that fits."""
        known_users_only(request)
        wanted = await _wanted(request)
        number = "" if wanted.build_number is None else str(wanted.build_number)
        status = wanted.build_status or ""
        if bool(number) == bool(status):
            raise Invalid("Exactly one of buildNumber and buildStatus is needed.")
        patterns = [mappings.Mapping(mapped.input) for mapped in wanted.mappings or ()]
        build = await self._builds.run(
            request.granted, wanted.build_name, number=number, status=status, keys=_repositories(wanted)
        )
        hits = []
        if build is not None:
            hits = await self._builds.made(request.granted, build, repos=wanted.repos or (), mappings=patterns)
        if not hits:
            what, which = ("number", number) if number else ("status", status)
            raise NoArtifacts(name=wanted.build_name[:256], what=what, which=which[:256])
        told = [{"downloadUri": describe.url(request.base, shown(hit.repository), hit.item.path)} for hit in hits]
        return json_reply({"results": told}, 200, _ARTIFACTS)


async def _wanted(request: Request) -> Wanted:
    try:
        wanted = msgspec.convert(await json_object(request), Wanted)
    except msgspec.ValidationError as error:
        raise Invalid(f"The body does not say which files are wanted: {str(error)[:200]}") from None
    named = (wanted.build_name, str(wanted.build_number), wanted.build_status or "")
    if not wanted.build_name or any("\0" in text for text in named):
        raise Invalid("The field buildName must not be empty, and no name may hold NUL.")
    if max(len(wanted.mappings or ()), len(wanted.repos or ())) > _MOST:
        raise Invalid(f"At most {_MOST} mappings and {_MOST} repositories can be given.")
    return wanted


def _repositories(wanted: Wanted) -> list[str]:
    """Return in which repositories of builds to look; none: in all."""
    if wanted.build_repo:
        return [wanted.build_repo]
    return [f"{wanted.project}-build-info"] if wanted.project else []


async def _told(request: Request, runs: AsyncGenerator[Build, None]) -> AsyncIterator[Mapping[str, Any]]:
    async with aclosing(runs):
        async for build in runs:
            place = f"{quote(build.name, safe='')}/{quote(build.number, safe='')}"
            yield {"uri": f"{request.base}/artifactory/api/build/{place}"}
