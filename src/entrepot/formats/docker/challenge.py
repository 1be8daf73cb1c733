"""Bearer challenges and the scopes in them (distribution, "Token Authentication"; RFC 7235): written, and scopes read.

A scope is `type:name:actions`. Its name may hold colons (`host:5000/app`); a class after its type, as in
`repository(plugin)`, is out of use and dropped. What is no scope is left out, never an error: a token may always grant
less than was asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from entrepot.access.actions import Action
from entrepot.formats.docker.errors import NameInvalid
from entrepot.formats.docker.names import check_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from entrepot.messages import Request

_MOST_SCOPES = 100  # of one request; clients send a handful
_TYPE = re.compile(r"([a-z0-9]{1,64})(?:\([a-z0-9]{1,64}\))?")
_NAME = re.compile(r"[!#-\[\]-~]{1,512}")  # printable, without quotes and backslashes
_ACTIONS = re.compile(r"(?:[a-z]{1,32}|\*)?(?:,(?:[a-z]{1,32}|\*)){0,31}")

_VERBS = {Action.READ: ("pull",), Action.DEPLOY: ("pull", "push"), Action.DELETE: ("delete",)}


@dataclass(frozen=True, slots=True)
class ScopeEntry:
    """What is asked of one resource; no actions are legal, and ask for nothing."""

    type: str
    name: str
    actions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.type}:{self.name}:{','.join(self.actions)}"


CATALOG = ScopeEntry("registry", "catalog", ("*",))


@dataclass(frozen=True, slots=True)
class Challenge:
    """Where a token is had, for what service and scopes. `str()` gives the value of WWW-Authenticate."""

    realm: str
    service: str = ""
    scopes: tuple[ScopeEntry, ...] = ()
    error: str = ""  # insufficient_scope, invalid_token

    def __str__(self) -> str:
        words = {"service": self.service, "scope": " ".join(map(str, self.scopes)), "error": self.error}
        rest = "".join(f",{name}={_quoted(value)}" for name, value in words.items() if value)
        return f"Bearer realm={_quoted(self.realm)}{rest}"


@dataclass(frozen=True, slots=True)
class TokenQuery:
    """What a GET of the token endpoint asks for, beside the credentials in its header."""

    offline: bool  # a refresh token is wanted
    scopes: tuple[ScopeEntry, ...]


def parse_scopes(values: Iterable[str]) -> tuple[ScopeEntry, ...]:
    """Read `scope` parameters, each a list with spaces between; what names the same resource becomes one entry."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for text in [text for value in values for text in value.split(maxsplit=_MOST_SCOPES)][:_MOST_SCOPES]:
        entry = _scope(text)
        if entry is not None:
            found.setdefault((entry.type, entry.name), {}).update(dict.fromkeys(entry.actions))
    return tuple(ScopeEntry(*resource, tuple(actions)) for resource, actions in found.items())


def parse_token_query(query: Mapping[str, Sequence[str]]) -> TokenQuery:
    """Read the query of the token endpoint, decoded."""
    offline = (query.get("offline_token") or [""])[0].lower() in {"true", "1"}
    return TokenQuery(offline, parse_scopes(query.get("scope", ())))


def scope_for(action: Action, name: str, source: str = "") -> tuple[ScopeEntry, ...]:
    """Return what an action on an image needs, by the names that its client uses; `source` is what it mounts from.

    Names that are none ask for nothing.
    """
    asked = [("repository", name, _VERBS.get(action, ()))]
    if source and source != name:
        asked.append(("repository", source, ("pull",)))
    return tuple(ScopeEntry(*one) for one in asked if _is_name(one[1]))


def challenge_for(request: Request, action: Action, error: str = "") -> str:
    """Return the challenge that answers a request without the right credentials; `action` is what its row needs."""
    scopes: tuple[ScopeEntry, ...] = ()
    if request.path == "/v2/_catalog":
        scopes = (CATALOG,)
    elif "name" in request.words:
        sources = request.query.get("from") if request.query.get("mount") else None
        scopes = scope_for(action, request.words["name"], sources[0] if sources else "")
    service = request.base.partition("://")[2].partition("/")[0]
    return str(Challenge(f"{request.base}{_prefix(request, service)}/v2/token", service, scopes, error))


def _prefix(request: Request, host: str) -> str:
    """Return what precedes `/v2/token` at the base URL, where names mean what they mean to this client.

    On a port or a sub-domain the key of the repository is no part of the name, and a base URL leads away from there.
    """
    key = request.words.get("repo")
    if request.prefix or not key or host == request.headers.get("host"):
        return request.prefix
    return f"/artifactory/api/docker/{key}"


def _scope(text: str) -> ScopeEntry | None:
    head, _, rest = text.partition(":")
    name, _, actions = rest.rpartition(":")
    kind = _TYPE.fullmatch(head)
    if kind is None or not _NAME.fullmatch(name) or not _ACTIONS.fullmatch(actions):
        return None
    return ScopeEntry(kind[1], name, tuple(filter(None, actions.split(","))))


def _is_name(name: str) -> bool:
    try:
        check_image(name)
    except NameInvalid:
        return False
    return True


def _quoted(text: str) -> str:
    printable = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
