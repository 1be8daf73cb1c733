"""Searches by what the paths of files say of modules: `gavc`, `versions`, `latestVersion` (AQL reference 13)."""

from __future__ import annotations

import fnmatch
from typing import Final

from entrepot.errors import Invalid, NotFound
from entrepot.messages import Parameter, Reply, Request, Row, json_reply, text_reply
from entrepot.repositories.layouts import Layouts, Module
from entrepot.repositories.versions import order
from entrepot.rest.search_answers import Answers, asked_repositories, known_users_only, media_type, one
from entrepot.search.aql.binds import Binds
from entrepot.search.finder import Hit

_API: Final = "/artifactory/api/search"
_SNAPSHOT: Final = "-SNAPSHOT"
_REPOS: Final = Parameter("repos", "Only these repositories, with commas between")
_COORDINATES: Final = tuple(
    Parameter(name, summary)
    for name, summary in (("g", "Group, or organisation"), ("a", "Artifact, or module"), ("v", "Version"))
)
_VERSIONS: Final = media_type("ArtifactVersionsResult")
_GAVC: Final = "GavcSearchResult"


class VersionsNotFound(NotFound):
    """Unable to find artifact versions"""


class ModuleSearchApi:
    """The handlers."""

    def __init__(self, answers: Answers, layouts: Layouts) -> None:
        self._answers = answers
        self._layouts = layouts

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        return (
            Row("GET", f"{_API}/gavc", "search.gavc", "user", self.gavc, response=media_type(_GAVC),
                parameters=(*_COORDINATES, Parameter("c", "Classifier"), _REPOS), summary="Files by their coordinates"),
            Row("GET", f"{_API}/versions", "search.versions", "user", self.versions, response=_VERSIONS,
                parameters=(*_COORDINATES, _REPOS), summary="The versions of a module, the newest first"),
            Row("GET", f"{_API}/latestVersion", "search.latestVersion", "user", self.latest, response="text/plain",
                parameters=(*_COORDINATES, _REPOS), summary="The newest version of a module"),
        )  # fmt: skip

    async def gavc(self, request: Request) -> Reply:
        """Files by group, artifact, version and classifier, as the layout of their repository reads them."""
        wanted = tuple(one(request, name) for name in "gavc")
        if not any(wanted):
            raise Invalid("Missing groupId or artifactId or version or classifier")
        binds = self._answers.finder.binds()
        conditions = _conditions(binds, *wanted[:3])

        def keep(hit: Hit) -> bool:
            module = self._module(hit)
            return module is not None and _fits(module, *wanted)

        return await self._answers.answer(request, conditions, binds, _GAVC, keep=keep)

    async def versions(self, request: Request) -> Reply:
        """All versions of a module, the newest first."""
        known_users_only(request)
        found = await self._versions(request)
        wanted = one(request, "v")
        if wanted.endswith(_SNAPSHOT):
            found, wanted = {version: module for version, module in found.items() if _is_of(module, wanted)}, ""
        if not found:
            raise VersionsNotFound
        listed = [version for version in _newest_first(found) if _matches(version, wanted)]
        told = [{"version": version, "integration": bool(found[version].integration)} for version in listed]
        return json_reply({"results": told}, 200, _VERSIONS)

    async def latest(self, request: Request) -> Reply:
        """The newest release; the newest integration of a base version; or the newest version that fits a pattern."""
        known_users_only(request)
        found = await self._versions(request)
        wanted = one(request, "v")
        if not found:
            raise VersionsNotFound
        if wanted.endswith(_SNAPSHOT):
            listed = _newest_first({version: one for version, one in found.items() if _is_of(one, wanted)})
            missing = "Latest integration version not found"
        elif set("*?") & set(wanted):
            listed = [version for version in _newest_first(found) if _matches(version, wanted)]
            missing = "Unable to find artifact versions"
        else:
            listed = _newest_first({version: one for version, one in found.items() if not one.integration})
            listed = [version for version in listed if not wanted or version == wanted]
            missing = "Latest release version not found"
        if not listed:
            raise NotFound(missing)
        return text_reply(listed[0])

    async def _versions(self, request: Request) -> dict[str, Module]:
        """Return the versions of the module that is asked for, each with one of its files. Raises Invalid."""
        group, artifact = one(request, "g"), one(request, "a")
        if not group or not artifact:
            raise Invalid("Missing groupId or artifactId")
        binds = self._answers.finder.binds()
        found: dict[str, Module] = {}
        hits = self._answers.finder.find(
            request.granted, _conditions(binds, group, artifact, ""), binds, repos=asked_repositories(request)
        )
        async for hit in hits:
            module = self._module(hit)
            if module is not None and _fits(module, group, artifact, "", ""):
                found.setdefault(module.version, module)
        return found

    def _module(self, hit: Hit) -> Module | None:
        return self._layouts.read(str(hit.repository.config.get("repoLayoutRef") or ""), hit.item.path)


def _conditions(binds: Binds, group: str, artifact: str, version: str) -> list[str]:
    """Return what narrows the search down before paths are read: where such files can lie at all."""
    conditions = ["i.kind = 1"]
    if group:
        folder = group.replace(".", "/")
        either = [binds.like("i.path", pattern) for pattern in (f"{folder}/*", folder, f"{group}/*", group)]
        conditions.append(f"({' OR '.join(either)})")
    if artifact:
        either = [binds.like("i.path", f"*{artifact}*"), binds.like("i.name", f"*{artifact}*")]
        conditions.append(f"({' OR '.join(either)})")
    if version:
        base = version.removesuffix(_SNAPSHOT)
        either = [binds.like("i.path", f"*{base}*"), binds.like("i.name", f"*{base}*")]
        conditions.append(f"({' OR '.join(either)})")
    left_out = ("maven-metadata.xml*", "*.md5", "*.sha1", "*.sha256", "*.sha512", "*.asc")
    return conditions + [f"NOT ({binds.like('i.name', name)})" for name in left_out]


def _fits(module: Module, group: str, artifact: str, version: str, classifier: str) -> bool:
    return (
        _matches(module.organisation, group)
        and _matches(module.name, artifact)
        and (_matches(module.version, version) or (version.endswith(_SNAPSHOT) and _is_of(module, version)))
        and _matches(module.classifier, f"{classifier}*" if classifier else "")
    )


def _matches(text: str, pattern: str) -> bool:
    if not pattern:
        return True
    if not set("*?") & set(pattern):
        return text == pattern
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _is_of(module: Module, snapshot: str) -> bool:
    """Whether a file is an integration of a base version, `1.0-SNAPSHOT`."""
    return bool(module.integration) and module.base == snapshot.removesuffix(_SNAPSHOT)


def _newest_first(found: dict[str, Module]) -> list[str]:
    """Return versions by their base, releases before integrations of the same, those by their time."""
    return sorted(
        found,
        key=lambda version: (
            order(found[version].base),
            not found[version].integration,
            order(found[version].integration),
        ),
        reverse=True,
    )
