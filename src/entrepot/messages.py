"""Requests, replies, and the rows of the route table: plain values that the rooms pass to each other.

No room but `web` knows the server's own types. A handler takes a `Request` whose caller is known and whose target has been
decided upon, and gives a `Reply`; what the reply says about bodies (bytes, a span of a stored blob, a stream) is carried
out by `web/sending.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from entrepot.access.caller import Caller

NO_STORE: Final = ("cache-control", "no-store")
"""A header field: what the reply holds opens something, or is out of date at once; nobody keeps it."""

Face = Literal["artifactory", "oci", "access", "plain"]
"""Which client stands before us: decides the shape of errors and the challenge of a 401."""


class Headers(Protocol):
    """Request headers; names without regard to case, values decoded as latin-1."""

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value."""
        ...

    def get_all(self, name: str) -> list[str]:
        """Return all values, in order."""
        ...


class Body(Protocol):
    """A request's body, read once, in pieces as they arrive."""

    length: int | None
    """What Content-Length declared; None when it is chunked."""
    received: int
    """Bytes that were read so far."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces. Raises BodyBroken when the client goes away before the end."""
        ...

    async def read(self, limit: int) -> bytes:
        """Return the whole body. Raises TooLarge as soon as it is longer than `limit` bytes."""
        ...


@dataclass(slots=True)
class Request:
    """One HTTP request, after the pipeline has found its row."""

    method: str
    path: str  # still percent-encoded, without the query
    query: Mapping[str, list[str]]  # decoded; keys in the order sent
    headers: Headers
    body: Body
    id: str  # 16 hex digits, in every log line and error of this request
    address: str  # of the client
    base_of: Callable[[], str]
    caller: Caller
    claimed: str | None = None  # see `EntrepotError.claimed`
    query_string: str = ""  # as it was sent
    words: Mapping[str, str] = field(default_factory=dict)  # what the row's path captured, still percent-encoded
    prefix: str = ""  # of a Docker access method: what comes before /v2 in the URLs that this client uses
    granted: Any = None  # repositories.granted.Granted, for rows that address a repository

    @property
    def base(self) -> str:
        """The public base URL without trailing slash, as this client sees it: `https://host:port`."""
        return self.base_of()


@dataclass(frozen=True, slots=True)
class FileSpan:
    """Bytes [start, stop) of a local file that will not change."""

    path: Path
    start: int
    stop: int
    digest: str  # of the blob that it holds: what a client is told is missing


@dataclass(slots=True)
class Reply:
    """What goes back. Exactly one of `body`, `file`, `stream` holds the payload; HEAD sends none of it."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    fixed: tuple[tuple[bytes, bytes], ...] = ()  # more headers, encoded once because they never change
    file: FileSpan | None = None
    stream: AsyncIterator[bytes] | None = None
    length: int | None = None  # of file and stream; always stated in Content-Length when known
    after: Callable[[], None] | None = None  # called once the payload has left, for statistics
    sent: int = 0  # bytes of the payload that have left


Handler = Callable[[Request], Awaitable[Reply]]
Gate = Callable[[Request], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or header that a route understands, for the OpenAPI document."""

    name: str
    summary: str
    kind: Literal["string", "integer", "boolean"] = "string"
    place: Literal["query", "header"] = "query"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the route table: a route and its whole policy.

    `path` is a template: `{word}` captures one segment, `{word*}` one or more segments (greedy), still percent-encoded.
    `action` is a name of `access.actions.Action` ("READ", "DEPLOY", ...) that the caller needs on what `target` names;
    or "public" (no credentials asked), "user" (anyone authenticated, or anonymous where that is allowed),
    "admin" (platform administrators only).
    """

    method: str
    path: str
    operation: str
    action: str
    handler: Handler
    face: Face = "artifactory"
    gates: tuple[Gate, ...] = ()
    target: str = ""  # how the repository and path are read from the words; see web/pipeline.py
    request: Any = None  # the type of the JSON body, or a media type as text ("text/plain") for any other body
    response: Any = None  # likewise of the successful answer
    parameters: tuple[Parameter, ...] = ()
    status: int = 200  # of the successful answer
    summary: str = ""


def located(url: str) -> tuple[str, str]:
    """Return the Location of one of our own URLs: a path, for its host may be what anybody wrote into Host."""
    return "location", "/" + url.split("/", 3)[3]


def encoded(headers: Iterable[tuple[str, str]]) -> tuple[tuple[bytes, bytes], ...]:
    """Return headers as the server takes them; what HTTP cannot carry becomes a question mark."""
    return tuple((name.encode(), value.encode("latin-1", "replace")) for name, value in headers)


def json_reply(value: object, status: int = 200, content_type: str = "application/json") -> Reply:
    """Encode a value as JSON with a length and no charset."""
    import msgspec  # noqa: PLC0415 - not needed by those who only name the types

    return Reply(status, [("content-type", content_type)], msgspec.json.encode(value))


def text_reply(text: str, status: int = 200) -> Reply:
    """Answer plain text, exactly as given: some clients compare it."""
    return Reply(status, [("content-type", "text/plain")], text.encode())
