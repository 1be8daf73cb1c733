"""Paths and keys: where a thing is, as types that cannot be built invalid. The lowest layer; every room speaks them.

A path is kept as it was sent: strict UTF-8, compared by bytes, never normalised. What another program could read as
something else (NUL, control characters, backslashes, dot segments) is refused, never repaired.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from entrepot.errors import Invalid

MAX_PATH = 2000  # bytes of UTF-8
MAX_SEGMENT = 255
MAX_DEPTH = 400  # segments: each is a row, which whoever makes or removes the path writes in one transaction
_MAX_RAW = 4 * MAX_PATH  # characters: every byte escaped, and slashes that will be dropped
MAX_KEY = 64  # characters
MAX_REMOTE_KEY = MAX_KEY - len("-cache")  # what a remote repository keeps is addressed as <key>-cache

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_KEY_FORBIDDEN = frozenset('/\\:|?*"<>')
_NAME_START = (  # XML 1.0, fifth edition, [4] NameStartChar without the colon
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_XML_NAME = re.compile(f"[{_NAME_START}][-.0-9\u00b7\u0300-\u036f\u203f\u2040{_NAME_START}]*")
_RESERVED = frozenset(
    (
        "api",
        "list",
        "simple",
        "ui",
        "webapp",
        "repo",
        "plugins",
        "home",
        "search",
        "favicon.ico",
        "robots.txt",
        "v2",
        "support-bundles",
        "release-bundles",
        "auto-trashcan",
    )
)
_BUILD_INFO_KEY = "artifactory-build-info"


class PathInvalid(Invalid):
    """The path is not valid: {reason}."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)


class RepoKeyInvalid(Invalid):
    """The repository key is not valid: {reason}."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)


@dataclass(frozen=True, slots=True, order=True)
class RepoPath:
    """A place within a repository: segments joined by `/`, no slash at either end; the root is the empty text.

    `is_folder` remembers that the address ended in a slash; it takes no part in comparisons. Raises PathInvalid.
    """

    text: str
    is_folder: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        fault = _fault(self.text) if self.text else None
        if fault:
            raise PathInvalid(fault)

    @classmethod
    def parse(cls, raw: str) -> RepoPath:
        """Read a percent-encoded path of a URL; escapes are decoded exactly once and `+` stands for itself.

        `%2F` separates like `/`; empty segments and slashes at the ends are dropped. Characters beyond ASCII that were
        sent bare count as their UTF-8. Raises PathInvalid.
        """
        if len(raw) > _MAX_RAW:
            raise PathInvalid(f"it is longer than {MAX_PATH} bytes")
        if _BAD_ESCAPE.search(raw):
            raise PathInvalid("an escape is not % and two hex digits")
        try:
            text = unquote_to_bytes(raw).decode()
        except UnicodeError:
            raise PathInvalid("it is not UTF-8") from None
        segments = [segment for segment in text.split("/") if segment]
        return cls("/".join(segments), not segments or text.endswith("/"))

    @property
    def depth(self) -> int:
        """The number of segments; 0 for the root."""
        return self.text.count("/") + 1 if self.text else 0

    @property
    def name(self) -> str:
        """The last segment; empty for the root."""
        return self.text.rpartition("/")[2]

    def split(self) -> tuple[str, str]:
        """Return the folder as rows of the tree name it (`.` is the root) and the name, which only the root lacks."""
        folder, _, name = self.text.rpartition("/")
        return folder or ".", name

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, order=True)
class RepoKey:
    """The name of a repository, new or old: an XML name of at most 64 characters. Raises RepoKeyInvalid."""

    text: str

    def __post_init__(self) -> None:
        fault = _key_fault(self.text)
        if fault:
            raise RepoKeyInvalid(fault)

    @property
    def folded(self) -> str:
        """What must be unique: keys that differ in case alone are the same key."""
        return self.text.casefold()

    def check_new(self, rclass: str, package_type: str = "") -> None:
        """Refuse the names that no new repository may take. Raises RepoKeyInvalid."""
        if rclass == "remote" and len(self.text) > MAX_REMOTE_KEY:
            raise RepoKeyInvalid(f"that of a remote repository has at most {MAX_REMOTE_KEY} characters")
        reserved = self.folded in _RESERVED or self.folded.startswith("jfrog-")
        if reserved or (self.folded == _BUILD_INFO_KEY and package_type.lower() != "buildinfo"):
            raise RepoKeyInvalid(f"'{self.text}' is a reserved name")

    def __str__(self) -> str:
        return self.text


def path_fault(path: str) -> str | None:
    """Return what is wrong with a path that was put together of valid ones, in a sentence; None: nothing."""
    fault = _fault(path) if path else None
    return f"'{path[:200]}' is not valid: {fault}." if fault else None


def _fault(text: str) -> str | None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "it is not UTF-8"
    if size > MAX_PATH:
        return f"it is longer than {MAX_PATH} bytes"
    if text.count("/") >= MAX_DEPTH:
        return f"it has more than {MAX_DEPTH} segments"
    if _FORBIDDEN.search(text):
        return "it holds a backslash or a control character"
    for segment in text.split("/"):
        if segment in {"", ".", ".."}:
            return "it holds an empty segment or one of dots"
        if size > MAX_SEGMENT and len(segment.encode()) > MAX_SEGMENT:
            return f"a segment is longer than {MAX_SEGMENT} bytes"
    return None


def _key_fault(text: str) -> str | None:
    if not text.strip():
        return "it must not be blank"
    if len(text) > MAX_KEY:
        return f"it has at most {MAX_KEY} characters"
    if text in {".", "..", "&"}:
        return f"it must not be '{text}'"
    if not _KEY_FORBIDDEN.isdisjoint(text):
        return 'it must hold none of / \\ : | ? * " < >'
    if not _XML_NAME.fullmatch(text):
        return "it must begin with a letter or _ and hold letters, digits, '.', '-' and '_' alone"
    return None
