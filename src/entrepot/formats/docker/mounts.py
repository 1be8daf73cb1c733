"""Cross-repository mount (A8): let an image name a blob that its caller can already read elsewhere.

Any reason not to is the same answer, an ordinary session: knowing a digest, or the name of somebody's image, gives nothing.
The source is judged by the caller's identity within the ceiling of its credential, not by the token's list of scopes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from urllib.parse import unquote

from entrepot.access.actions import Action
from entrepot.blobs.digest import Digest, DigestInvalid
from entrepot.errors import EntrepotError
from entrepot.formats.docker.image_blobs import blob_id_of, holders, lock_blob, name_for_now
from entrepot.formats.docker.images import Image, claimant, readable_blob
from entrepot.formats.docker.names import check_image, split_name
from entrepot.messages import Request
from entrepot.metadata.database import Database, Tx
from entrepot.repositories.fields import DOCKER
from entrepot.repositories.granted import Granter
from entrepot.repositories.repository import Repository

_SOURCES = 500  # images looked at for a mount that names no source
_AT_ONCE = 100  # of them that are read at once
_PATHS = 20  # in each of them; a client that is told no uploads, which costs less than looking on


class Mounts:
    """Find a source that the caller may read, and name its blob in the target."""

    def __init__(self, database: Database, granter: Granter, by_id: Callable[[int], Repository | None]) -> None:
        self._database = database
        self._granter = granter
        self._by_id = by_id

    async def mount(self, request: Request, target: Image, wanted: str) -> bool:
        """Mount the blob; False when it cannot be, for whatever reason."""
        try:
            digest = Digest.parse(wanted)
        except DigestInvalid:
            return False
        stated = (request.query.get("from") or [""])[0]
        sources = self._stated(request, stated) if stated else self._holders(digest)
        judged = None if stated else _PATHS
        base = self._granter.everywhere(request.caller.by_identity())
        async for source in sources:
            if source.repository.flag("blackedOut"):
                continue
            named = await readable_blob(self._database, base, source, digest, judged=judged)
            if named is not None:
                return await self._name(request, target, named.blob_id)
            await asyncio.sleep(0)  # others have their turn
        return False

    async def _holders(self, digest: Digest) -> AsyncIterator[Image]:
        blob_id = await blob_id_of(self._database, digest)
        if blob_id is None:
            return
        after, seen = (0, ""), 0
        while seen < _SOURCES and (page := await holders(self._database, blob_id, after=after, limit=_AT_ONCE)):
            for repo_id, name in page:
                repository = self._by_id(repo_id)
                if repository is not None:
                    yield Image(repository, name)
            after, seen = page[-1], seen + len(page)

    async def _stated(self, request: Request, stated: str) -> AsyncIterator[Image]:
        """Yield the image that `from` names: with its repository's key, or within the one that the access method names."""
        try:
            if request.words.get("repo"):
                key, name = unquote(request.words["repo"]), stated
                check_image(name)
            else:
                key, name = split_name(stated)
            granted = self._granter.grant(request.caller.by_identity(), Action.READ, key, name, folder=True)
        except EntrepotError:
            return
        for one in granted.physical:
            if one.package_type in DOCKER:
                yield Image(one, name)

    async def _name(self, request: Request, target: Image, blob_id: int) -> bool:
        repo_id, whose = target.repository.id, claimant(request.granted, target)

        async def body(tx: Tx) -> bool:
            if await lock_blob(tx, blob_id) is None:
                return False
            await name_for_now(tx, repo_id, target.name, blob_id, actor=request.caller.name, claimant=whose)
            return True

        return await self._database.transact(body)
