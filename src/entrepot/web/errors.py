"""Errors become what the client at hand expects to read: the one place where an exception turns into an answer.

    oci          {"errors":[{"code","message","detail"}]}      docker, podman, helm ... print `code: message`
    artifactory  {"errors":[{"status","message"}]}             jf, plugins, scripts; pretty-printed with two spaces
    access       {"errors":[{"code","message"}]}               the Access API

A 401 carries the challenge of its face: Bearer with realm and scope for registries, Basic for the rest.
"""

from __future__ import annotations

import msgspec

from entrepot.errors import EntrepotError, TooMany, Unauthenticated, Unavailable
from entrepot.formats.docker.errors import entries
from entrepot.messages import Face, Reply
from entrepot.web.table import MethodNotAllowed

_RETRY_SECONDS = "5"


def face_of(path: str) -> Face:
    """Return which client asks, by the path, for requests that no row fits."""
    if path.startswith("/v2") or ("/v2/" in path[:256] and path.startswith("/artifactory/api/")):
        return "oci"
    return "access" if path.startswith(("/access/", "/event/", "/router/")) else "artifactory"


def error_reply(error: EntrepotError, face: Face, challenge: str) -> Reply:
    """Return the answer that says what went wrong; `challenge` is what a 401 carries."""
    reply = Reply(error.status, [("content-type", "application/json"), *error.headers], _body(error, face))
    if isinstance(error, Unauthenticated):
        reply.headers.append(("www-authenticate", challenge))
    if isinstance(error, MethodNotAllowed):
        reply.headers.append(("allow", error.allow))
    if isinstance(error, (Unavailable, TooMany)):
        reply.headers.append(("retry-after", str(error.words.get("seconds", _RETRY_SECONDS))))
    return reply


def _body(error: EntrepotError, face: Face) -> bytes:
    if face == "oci":
        return msgspec.json.encode({"errors": entries(error)})
    if face == "access":
        return msgspec.json.encode({"errors": [{"code": error.code, "message": error.message}]})
    return msgspec.json.format(
        msgspec.json.encode({"errors": [{"status": error.status, "message": error.message}]}), indent=2
    )
