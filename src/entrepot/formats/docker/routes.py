"""The rows of the Docker registry API V2 and OCI distribution 1.1 (A1).

Written for the repository-path form; the other access methods come here rewritten (`web/base.py`).
"""

from __future__ import annotations

from entrepot.errors import Unauthenticated
from entrepot.formats.docker.blobs import Blobs
from entrepot.formats.docker.discard import Discard
from entrepot.formats.docker.lists import Lists
from entrepot.formats.docker.pull import Pull
from entrepot.formats.docker.push import Push
from entrepot.formats.docker.uploads import Uploads
from entrepot.messages import Handler, Reply, Request, Row


async def ping(request: Request) -> Reply:
    """GET /v2/: every login starts here, so it always asks for credentials, be it those of an anonymous token."""
    if request.caller.how == "anonymous":
        raise Unauthenticated("authentication required")
    return Reply(200, [("content-type", "application/json")], b"{}")


def rows(*, pull: Pull, push: Push, discard: Discard, blobs: Blobs, uploads: Uploads, lists: Lists) -> tuple[Row, ...]:
    """Return all rows."""
    manifest, blob = "/v2/{name*}/manifests/{reference}", "/v2/{name*}/blobs/{digest}"
    session, start = "/v2/{name*}/blobs/uploads/{upload}", "/v2/{name*}/blobs/uploads"
    return (
        Row("GET", "/v2", "docker.ping", "user", ping, "oci", summary="Is this a registry, and who am I?"),
        Row("GET", "/v2/", "docker.ping", "user", ping, "oci", summary="Is this a registry, and who am I?"),
        Row("GET", "/v2/_catalog", "docker.catalog", "user", lists.catalog, "oci", summary="List images"),
        _image("POST", start, "docker.upload.start", "DEPLOY", uploads.start),
        _image("POST", f"{start}/", "docker.upload.start", "DEPLOY", uploads.start),
        _image("PATCH", session, "docker.upload.add", "DEPLOY", uploads.add),
        _image("PUT", session, "docker.upload.close", "DEPLOY", uploads.close),
        _image("GET", session, "docker.upload.status", "DEPLOY", uploads.status),
        _image("DELETE", session, "docker.upload.cancel", "DEPLOY", uploads.cancel),
        _image("GET", blob, "docker.blob.fetch", "READ", blobs.fetch),
        _image("DELETE", blob, "docker.blob.delete", "DELETE", blobs.delete),
        _image("GET", "/v2/{name*}/tags/list", "docker.tags", "READ", lists.tags),
        _image("GET", "/v2/{name*}/referrers/{digest}", "docker.referrers", "READ", lists.referrers),
        Row("GET", manifest, "docker.pull", "READ", pull.fetch, "oci", target="manifest", summary="Pull a manifest"),
        Row("PUT", manifest, "docker.push", "DEPLOY", push.store, "oci", target="manifest", summary="Push a manifest"),
        Row(
            "DELETE",
            manifest,
            "docker.delete",
            "DELETE",
            discard.delete,
            "oci",
            target="manifest",
            summary="Delete a tag, or a manifest with all its tags",
        ),
    )


def _image(method: str, path: str, operation: str, action: str, handler: Handler) -> Row:
    summary = (handler.__doc__ or "").partition("\n")[0]
    return Row(method, path, operation, action, handler, "oci", target="image", summary=summary)
