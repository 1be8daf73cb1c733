"""The rows of the Docker registry API V2 and OCI distribution 1.1 (A1).

Written for the repository-path form; the other access methods come here rewritten (`web/base.py`).
"""

from __future__ import annotations

from typing import Any, Final

from entrepot.access.actions import Action
from entrepot.access.caller import CATALOG
from entrepot.errors import Unauthenticated
from entrepot.formats.docker.blobs import Blobs
from entrepot.formats.docker.discard import Discard
from entrepot.formats.docker.errors import InsufficientScope
from entrepot.formats.docker.lists import Lists
from entrepot.formats.docker.media_types import OCI_INDEX, OCI_MANIFEST
from entrepot.formats.docker.pull import Pull
from entrepot.formats.docker.push import Push
from entrepot.formats.docker.referrers import Referrers
from entrepot.formats.docker.uploads import Uploads
from entrepot.messages import Gate, Handler, Reply, Request, Row

_BYTES: Final = "application/octet-stream"


async def ping(request: Request) -> Reply:
    """GET /v2/: every login starts here, so it always asks for credentials, be it those of an anonymous token."""
    if request.caller.how == "anonymous":
        raise Unauthenticated
    return Reply(200, [("content-type", "application/json")], b"{}")


async def asked_for_catalog(request: Request) -> None:
    """Hold a Docker token to what it was bought for. Raises InsufficientScope; the challenge names what to ask for."""
    if not request.caller.is_bound_to(CATALOG, Action.READ):
        raise InsufficientScope


def rows(
    *,
    pull: Pull,
    push: Push,
    discard: Discard,
    blobs: Blobs,
    uploads: Uploads,
    lists: Lists,
    referrers: Referrers,
    taking: tuple[Gate, ...] = (),
) -> tuple[Row, ...]:
    """Return all rows; `taking` are the gates of those that take bytes in."""
    manifest, blob = "/v2/{name*}/manifests/{reference}", "/v2/{name*}/blobs/{digest}"
    session, start = "/v2/{name*}/blobs/uploads/{upload}", "/v2/{name*}/blobs/uploads"
    return (
        Row("GET", "/v2", "docker.ping", "user", ping, "oci", response=dict, summary="Is this a registry, and who am I?"),
        Row("GET", "/v2/", "docker.ping", "user", ping, "oci", response=dict, summary="Is this a registry, and who am I?"),
        Row("GET", "/v2/_catalog", "docker.catalog", "user", lists.catalog, "oci", (asked_for_catalog,), response=dict,
            summary="List images"),
        _image("POST", start, "docker.upload.start", "DEPLOY", uploads.start, taking, request=_BYTES, status=202),
        _image("POST", f"{start}/", "docker.upload.start", "DEPLOY", uploads.start, taking, request=_BYTES, status=202),
        _image("PATCH", session, "docker.upload.add", "DEPLOY", uploads.add, taking, request=_BYTES, status=202),
        _image("PUT", session, "docker.upload.close", "DEPLOY", uploads.close, taking, request=_BYTES, status=201),
        _image("GET", session, "docker.upload.status", "DEPLOY", uploads.status, status=204),
        _image("DELETE", session, "docker.upload.cancel", "DEPLOY", uploads.cancel, status=204),
        _image("GET", blob, "docker.blob.fetch", "READ", blobs.fetch, response=_BYTES),
        _image("DELETE", blob, "docker.blob.delete", "DELETE", blobs.delete, status=202),
        _image("GET", "/v2/{name*}/tags/list", "docker.tags", "READ", lists.tags, response=dict),
        _image("GET", "/v2/{name*}/referrers/{digest}", "docker.referrers", "READ", referrers.fetch, response=OCI_INDEX),
        Row("GET", manifest, "docker.pull", "READ", pull.fetch, "oci", target="manifest", response=OCI_MANIFEST,
            summary="Pull a manifest"),
        Row("PUT", manifest, "docker.push", "DEPLOY", push.store, "oci", taking, "manifest", request=OCI_MANIFEST, status=201,
            summary="Push a manifest"),
        Row("DELETE", manifest, "docker.delete", "DELETE", discard.delete, "oci", target="manifest", status=202,
            summary="Delete a tag, or a manifest with all its tags"),
    )  # fmt: skip


def _image(
    method: str, path: str, operation: str, action: str, handler: Handler, gates: tuple[Gate, ...] = (), *,
    request: str | None = None, response: Any = None, status: int = 200,
) -> Row:  # fmt: skip
    summary = (handler.__doc__ or "").partition("\n")[0]
    return Row(
        method, path, operation, action, handler, "oci", gates, "image", request=request, response=response,
        status=status, summary=summary,
    )  # fmt: skip
