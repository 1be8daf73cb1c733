"""The errors of registries: codes and statuses as in the distribution specification ("Error Codes") and Docker's API.

Clients show `code: message` to people. Where Artifactory's text is known it is ours too, word for word, because scripts
look for it. `DIGEST_INVALID` lives with digests (`blobs.digest.DigestInvalid`); `DENIED`, `TOOMANYREQUESTS`,
`UNAVAILABLE` and `UNKNOWN` are those of the root tree.

The `detail` that clients know:

    MANIFEST_UNKNOWN                  {"manifest": <image, without the repository key and the tag>}
    BLOB_UNKNOWN                      {"blobSum": <digest>}
    MANIFEST_BLOB_UNKNOWN             <digest>, one entry for each; see `entries`
    NAME_INVALID, NAME_UNKNOWN        {"name": <name>}
    TAG_INVALID                       {"tag": <tag>}
    PAGINATION_NUMBER_INVALID         {"n": <as sent>}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from entrepot.errors import Denied, EntrepotError, Invalid, NotFound, TooLarge, Unauthenticated, Unsatisfiable

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 160  # characters of what was sent that an error repeats
_ENTRIES = 100  # missing blobs that are told at once
# For those of the root tree that registries do not have: Docker repeats a request whose code it does not know.
_CODES = {
    "BAD_REQUEST": "UNSUPPORTED",
    "CONFLICT": "DENIED",
    "NOT_FOUND": "NAME_UNKNOWN",
}


class BlobUnknown(NotFound):
    """blob unknown to registry"""

    code = "BLOB_UNKNOWN"


class BlobUploadUnknown(NotFound):
    """blob upload unknown to registry"""

    code = "BLOB_UPLOAD_UNKNOWN"


class ManifestBlobUnknown(Invalid):
    """manifest references a manifest or blob unknown to registry"""

    code = "MANIFEST_BLOB_UNKNOWN"

    def __init__(self, digests: Iterable[str]) -> None:
        self.digests = tuple(digests)
        super().__init__(detail=self.digests[0] if len(self.digests) == 1 else list(self.digests[:_ENTRIES]))


class ManifestInvalid(Invalid):
    """manifest invalid"""

    code = "MANIFEST_INVALID"


class ManifestTooLarge(TooLarge):
    """The manifest is larger than the limit of {limit} bytes."""

    code = "MANIFEST_INVALID"


class ManifestUnknown(NotFound):
    """The named manifest is not known to the registry."""

    code = "MANIFEST_UNKNOWN"


class NameInvalid(Invalid):
    """invalid repository name"""

    code = "NAME_INVALID"


class NameUnknown(NotFound):
    """repository name not known to registry: {why}"""

    code = "NAME_UNKNOWN"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why=why, detail={"name": shown(name)})


class RemoteRepository(Invalid):
    """Unable to {doing} a remote repository."""  # Artifactory's status and words (A4)

    code = "UNSUPPORTED"


class TooManyTags(Invalid):
    """More than {most} tags at once."""

    code, status = "TAG_INVALID", 414  # Distribution specification, "Pushing Manifests"


class PaginationNumberInvalid(Invalid):
    """invalid number of results requested"""

    code = "PAGINATION_NUMBER_INVALID"


class RangeInvalid(Unsatisfiable):
    """The chunk does not begin where the upload stands."""  # raised with the headers Location and Range


class SizeInvalid(Invalid):
    """provided length did not match content length"""

    code = "SIZE_INVALID"


class TagInvalid(Invalid):
    """manifest tag did not match URI"""

    code = "TAG_INVALID"


class RejectedByPatterns(Denied):
    """The repository '{key}' rejected the artifact '{key}:{path}' due to its include/exclude pattern settings."""


class InsufficientScope(Unauthenticated):
    """The token does not cover this: it was asked for without the scope of the challenge."""


class Entry(TypedDict):
    """One error as the envelope `{"errors": [...]}` holds it."""

    code: str
    message: str
    detail: object


def entries(error: EntrepotError) -> list[Entry]:
    """Return what the envelope lists: one entry, or one for each of the first hundred blobs that a manifest lacks."""
    if isinstance(error, ManifestBlobUnknown):
        return [_entry(error, digest) for digest in error.digests[:_ENTRIES]]
    return [_entry(error, error.detail)]


def shown(text: str) -> str:
    """Return what an error may repeat of something sent: its beginning, in printable ASCII."""
    return ascii(text[:_SHOWN])[1:-1]


def _entry(error: EntrepotError, detail: object) -> Entry:
    message = "authentication required" if type(error) is Unauthenticated else error.message
    return {"code": _CODES.get(error.code, error.code), "message": message, "detail": detail}
