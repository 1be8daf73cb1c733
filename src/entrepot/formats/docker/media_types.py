"""The media types of manifests, and which layers a registry need not hold (OCI image specification, Docker)."""

from __future__ import annotations

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"  # withdrawn; in old data of ORAS
ORAS_ARTIFACT = "application/vnd.cncf.oras.artifact.manifest.v1+json"  # before OCI 1.1
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

_FOREIGN = (
    "application/vnd.docker.image.rootfs.foreign.diff.",
    "application/vnd.oci.image.layer.nondistributable.v1.",
)
_GENERIC = frozenset((
    "", "application/json", "application/octet-stream", "text/plain", "application/x-www-form-urlencoded",
))  # fmt: skip


def essence(content_type: str | None) -> str:
    """Return the media type of a Content-Type header, lower-case and without parameters; empty when it says nothing.

    What tools send that know no better (JSON, bytes, the form type of curl) says nothing.
    """
    bare = (content_type or "").partition(";")[0].strip().lower()
    return "" if bare in _GENERIC else bare


def is_foreign(media_type: str) -> bool:
    """Whether layers of this type stay where they come from, so that a registry need not hold them."""
    return media_type.startswith(_FOREIGN)
