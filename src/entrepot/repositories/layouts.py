"""Repository layouts: what the path of a file says of its organisation, module and version (reference 6.8).

A pattern is a path with tokens. `[org]` is one segment, `[orgPath]` one or more; `(...)` may be absent; `[name<regexp>]` is a
token of the layout's own. A token that stands twice is the same text both times. What an integration revision looks like
("SNAPSHOT", a time stamp) each layout says itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

SECTION: Final = "repoLayouts"
SIMPLE: Final = "simple-default"
MAVEN: Final = "maven-2-default"
_LONGEST: Final = 512  # characters of a path that is read: the time that this takes grows faster than its length
_TOKEN: Final = re.compile(r"\[([A-Za-z_][A-Za-z0-9_]*)(?:<((?:[^<>]|<[^<>]*>)*)>)?\]")
_WHAT: Final = {
    "org": r"[^/]+?", "orgPath": r".+?", "module": r"[^/]+?", "baseRev": r"[^/]+?", "type": r"[^/]+?",
    "classifier": r"(?!\d)[^./]+", "ext": r"(?!\d)[^/-]+|7z", "refs": r"[^/]+?",
}  # fmt: skip
"""What stands for a token; a classifier or an extension begins with no digit, else versions would be cut short."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout as it is configured."""

    name: str
    artifact: str
    descriptor: str = ""
    folder_revision: str = ".*"  # a regular expression
    file_revision: str = ".*"

    @classmethod
    def of(cls, name: str, document: Mapping[str, Any]) -> Layout:
        """Read the document of a layout of an administrator's own."""
        distinct = str(document.get("distinctiveDescriptorPathPattern") or "").lower() == "true"
        return cls(
            name,
            str(document.get("artifactPathPattern") or ""),
            str(document.get("descriptorPathPattern") or "") if distinct else "",
            str(document.get("folderIntegrationRevisionRegExp") or ".*"),
            str(document.get("fileIntegrationRevisionRegExp") or ".*"),
        )

    def read(self, path: str) -> Module | None:
        """Return what a path says; None when the layout has no such paths."""
        if len(path) > _LONGEST:
            return None
        for pattern in filter(None, (self.descriptor, self.artifact)):
            compiled = _compiled(pattern, self.folder_revision, self.file_revision)
            found = None if compiled is None else compiled.fullmatch(path)
            if found is not None:
                return _module(found.groupdict())
        return None


@dataclass(frozen=True, slots=True)
class Module:
    """What the path of a file says."""

    organisation: str  # with dots
    name: str
    base: str
    integration: str = ""  # "SNAPSHOT", or what stands for it
    classifier: str = ""
    extension: str = ""

    @property
    def version(self) -> str:
        """The whole version."""
        return f"{self.base}-{self.integration}" if self.integration else self.base


_TIMED: Final = r"\d{14}"
_STAMPED: Final = r"SNAPSHOT|(?:(?:[0-9]{8}\.[0-9]{6})-(?:[0-9]+))"
_ANY: Final = ".*"
_FOLDER: Final = "[module]/[baseRev](-[folderItegRev])"
_FILE: Final = "[module]-[baseRev](-[fileItegRev])"
_CLASSIFIED: Final = f"{_FILE}(-[classifier])"
_SBT: Final = "[org]/[module]/(scala_[scalaVersion<.+>])/(sbt_[sbtVersion<.+>])/[baseRev]/[type]s"
_CONAN: Final = "[org]/[module]/[baseRev]/[channel<[^/]+>]/[folderItegRev]"

SHIPPED: Final[Mapping[str, Layout]] = {
    one.name: one
    for one in (
        Layout(MAVEN, f"[orgPath]/{_FOLDER}/{_CLASSIFIED}.[ext]", f"[orgPath]/{_FOLDER}/{_CLASSIFIED}.pom", "SNAPSHOT", _STAMPED),
        Layout("ivy-default", f"[org]/{_FOLDER}/[type]s/[module](-[classifier])-[baseRev](-[fileItegRev]).[ext]",
               f"[org]/{_FOLDER}/[type]s/ivy-[baseRev](-[fileItegRev]).xml", _TIMED, _TIMED),
        Layout("gradle-default", f"[org]/{_FOLDER}/{_CLASSIFIED}.[ext]", "[org]/[module]/ivy-[baseRev](-[fileItegRev]).xml",
               _TIMED, _TIMED),
        Layout("maven-1-default", f"[org]/[type]s/{_CLASSIFIED}.[ext]", f"[org]/[type]s/{_FILE}.pom", _ANY, "SNAPSHOT"),
        Layout("nuget-default", "[orgPath]/[module]/[module].[baseRev](-[fileItegRev]).nupkg"),
        Layout("npm-default", f"[orgPath]/[module]/{_FILE}.tgz"),
        Layout("bower-default", f"[orgPath]/[module]/{_FILE}.[ext]"),
        Layout("composer-default", f"[orgPath]/[module]/{_FILE}.[ext]"),
        Layout(SIMPLE, "[orgPath]/[module]/[module]-[baseRev].[ext]"),
        Layout("puppet-default", "[orgPath]/[module]/[orgPath]-[module]-[baseRev].tar.gz"),
        Layout("go-default", "[orgPath]/[module]/@v/v[refs].zip"),
        Layout("build-default", "[orgPath]/[module](-[fileItegRev]).[ext]"),
        Layout("vcs-default", f"[orgPath]/[module]/[refs<tags|branches>]/[baseRev]/{_CLASSIFIED}.[ext]", "", _ANY, "[a-zA-Z0-9]{40}"),
        Layout("sbt-default", f"{_SBT}/[module](-[classifier]).[ext]", f"{_SBT}/ivy.xml", _TIMED, _TIMED),
        Layout("conan-default", f"{_CONAN}/(package/[package_id<[^/]+>]/[fileItegRev]/)?[remainder<(?:.+)>]", "", "[^/]+", "[^/]+"),
    )
}  # fmt: skip


class Layouts:
    """The layouts of an instance: those of its own go before the shipped ones of the same name."""

    def __init__(self, own: Callable[[], Mapping[str, Mapping[str, Any]]]) -> None:
        self._own = own

    def get(self, name: str) -> Layout:
        """Return a layout; a name that there is none of stands for the simple one."""
        document = self._own().get(name)
        return SHIPPED.get(name, SHIPPED[SIMPLE]) if document is None else Layout.of(name, document)

    def read(self, name: str, path: str) -> Module | None:
        """Return what a path says by a layout or, where that has no such paths, by Maven's: many lay files out like that."""
        return self.get(name).read(path) or SHIPPED[MAVEN].read(path)


def _module(found: Mapping[str, str | None]) -> Module | None:
    name, base = found.get("module"), found.get("baseRev") or found.get("refs")
    organisation = found.get("orgPath") or found.get("org")
    if not name or not base or not organisation:
        return None
    integration = found.get("fileItegRev") or found.get("folderItegRev") or ""
    return Module(
        organisation.replace("/", "."), name, base, integration, found.get("classifier") or "", found.get("ext") or ""
    )


@lru_cache(maxsize=256)
def _compiled(pattern: str, folder_revision: str, file_revision: str) -> re.Pattern[str] | None:
    """Return a pattern as a regular expression; None for one that makes no sense."""
    what = {**_WHAT, "folderItegRev": folder_revision, "fileItegRev": file_revision}
    seen: set[str] = set()
    text, place = "", 0
    for token in _TOKEN.finditer(pattern):
        text += _literal(pattern[place : token.start()])
        place = token.end()
        name, own = token[1], token[2]
        text += f"(?P={name})" if name in seen else f"(?P<{name}>{own or what.get(name, r'[^/]+?')})"
        seen.add(name)
    try:
        return re.compile(text + _literal(pattern[place:]), re.DOTALL)
    except re.error:
        return None


def _literal(text: str) -> str:
    """Return what stands between tokens: parentheses enclose what may be absent, all else is itself."""
    return re.sub(
        r"[()]\??|[^()]+", lambda part: {"(": "(?:", ")": ")?", ")?": ")?"}.get(part[0]) or re.escape(part[0]), text
    )
