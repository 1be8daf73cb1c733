"""The labels of an image, which its configuration states."""

from __future__ import annotations

from typing import Final

from entrepot.formats.docker.image_blobs import named_blob
from entrepot.formats.docker.images import Image
from entrepot.formats.docker.manifests import Manifest, labels
from entrepot.metadata.database import Database
from entrepot.repositories.content import Content

_CONFIG_LIMIT: Final = 1 << 20


async def labels_of(database: Database, content: Content, image: Image, document: Manifest) -> dict[str, list[str]]:
    """Return the labels of a manifest's configuration, if the image holds it and it is reasonably small."""
    if document.config is None:
        return {}
    named = await named_blob(database, image.repository.id, image.name, document.config.digest)
    stored = None if named is None else await content.find(named.blob_id)
    if stored is None or stored.size > _CONFIG_LIMIT:
        return {}
    return labels(await content.whole(stored, _CONFIG_LIMIT))
