"""Referrers of a manifest (A10): those that name it as their subject, and those that a client listed under a tag.

Their annotations may be as large as manifests, so a page ends by its bytes; the query of its link says where to go on.
What an image holds both ways is told once on a page, and may come again on a later one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import dropwhile

from entrepot.access.actions import Action
from entrepot.blobs.digest import Digest
from entrepot.formats.docker.errors import PaginationNumberInvalid
from entrepot.formats.docker.images import Image, readable_images, readable_manifest
from entrepot.formats.docker.layout import manifest_path
from entrepot.formats.docker.manifest_rows import Referrer, manifest_by_reference, referrers
from entrepot.formats.docker.manifests import Describes, Descriptor, index_of
from entrepot.formats.docker.media_types import OCI_INDEX
from entrepot.formats.docker.names import parse_digest
from entrepot.formats.docker.pages import link
from entrepot.formats.docker.references import MOST_FALLBACK, fallback_tag, of_type, parse_fallback
from entrepot.messages import Reply, Request
from entrepot.metadata.database import Reads
from entrepot.repositories.content import Content
from entrepot.repositories.granted import Granted

_BYTES = 4 << 20  # of manifests whose descriptors make a page, and are shorter; oras takes no longer answers
_LOOKED_AT = 10_000  # referrers for one page; few clients follow links here
_AT_ONCE = 1000
_HELD = 100  # referrers of one batch for a caller with narrow rights: for each of them its references are read
_PLACE = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")


@dataclass(slots=True)
class _Page:
    found: dict[str, Describes] = field(default_factory=dict)
    bytes: int = 0
    looked_at: int = 0

    @property
    def is_full(self) -> bool:
        return self.bytes >= _BYTES or self.looked_at >= _LOOKED_AT


class Referrers:
    """The handler of the referrers API."""

    def __init__(self, reads: Reads, content: Content) -> None:
        self._reads = reads
        self._content = content

    async def fetch(self, request: Request) -> Reply:
        """GET referrers: always an index, also for a digest that nobody knows (a 404 would tell: no such API).

        Raises DigestInvalid, PaginationNumberInvalid.
        """
        digest = parse_digest(request.words["digest"])
        wanted = (request.query.get("artifactType") or [""])[0]
        repo_id, after = _place(request)
        images = dropwhile(lambda one: bool(repo_id) and one.repository.id != repo_id, readable_images(request))
        page, rest = _Page(), ""
        for image in images:
            if page.is_full:
                rest = f"{image.repository.id}.0"
                break
            if not after:
                await self._add_listed(page, request.granted, image, digest, wanted)
            ended = await self._add(page, request.granted, image, digest, artifact_type=wanted, after=after)
            if ended is not None:
                rest = f"{image.repository.id}.{ended}"
                break
            after = 0
        reply = Reply(200, [("content-type", OCI_INDEX)], index_of(page.found.values()))
        if wanted:
            reply.headers.append(("oci-filters-applied", "artifactType"))
        if rest:
            target = f"{request.prefix}/v2/{request.words['name']}/referrers/{digest}"
            query = {"artifactType": wanted, "next": rest} if wanted else {"next": rest}
            reply.headers.append(("link", link(target, **query)))
        return reply

    async def _add(
        self, page: _Page, granted: Granted, image: Image, digest: Digest, *, artifact_type: str, after: int
    ) -> int | None:
        """Add what the caller may see until the page is full; return where it ended, None when there is no more."""
        everything = granted.throughout(Action.READ, image.repository, image.name)
        while batch := await referrers(
            self._reads, image.repository.id, image.name, str(digest), artifact_type=artifact_type, after=after,
            most=max(_BYTES - page.bytes, 1), limit=_AT_ONCE if everything else _HELD,
        ):  # fmt: skip
            for row in batch:
                fits = not artifact_type or row.artifact_type == artifact_type
                if fits and page.looked_at and page.bytes + row.size > _BYTES:
                    return after
                page.looked_at, after = page.looked_at + 1, row.blob_id
                if fits and (everything or await self._is_visible(granted, image, row)):
                    page.bytes += row.size
                    page.found[row.digest] = row
            if page.is_full:
                return after
            await asyncio.sleep(0)  # others have their turn
        return None

    async def _is_visible(self, granted: Granted, image: Image, row: Referrer) -> bool:
        return await readable_manifest(self._reads, granted, image, Digest.parse(row.digest)) is not None

    async def _add_listed(
        self, page: _Page, granted: Granted, image: Image, digest: Digest, artifact_type: str
    ) -> None:
        for one in of_type(await self._listed(page, granted, image, digest), artifact_type):
            page.found.setdefault(str(one.digest), one)

    async def _listed(self, page: _Page, granted: Granted, image: Image, digest: Digest) -> Sequence[Descriptor]:
        """Return the referrers that a client listed under a tag, as images do that come from a registry without the API."""
        tag = fallback_tag(digest)
        path = manifest_path(image.name, str(tag))
        kept = await manifest_by_reference(self._reads, image.repository.id, image.name, str(tag))
        if kept is None or not granted.may(Action.READ, image.repository, path):
            return ()
        stored = await self._content.find(kept.blob_id)
        if stored is None or stored.size > MOST_FALLBACK:
            return ()
        page.bytes += stored.size
        return parse_fallback(await self._content.whole(stored, MOST_FALLBACK))


def _place(request: Request) -> tuple[int, int]:
    """Return in which repository, and after which blob, a link goes on; zeros at the beginning."""
    told = (request.query.get("next") or [""])[0]
    found = _PLACE.fullmatch(told)
    if told and found is None:
        raise PaginationNumberInvalid(detail={"next": told[:64]})
    return (int(found[1]), int(found[2])) if found else (0, 0)
