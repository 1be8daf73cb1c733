"""Lists: tags of an image, images of a registry (A9).

A page is read off an index from where the last one ended; each row is judged before it is shown, and pages are filled up
when rows fall away. So a page costs the same at a hundred tags and at a million.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from urllib.parse import unquote

from entrepot.access.actions import Action
from entrepot.formats.docker.errors import NameUnknown, shown
from entrepot.formats.docker.images import Image, image_name, readable_images
from entrepot.formats.docker.layout import manifest_path
from entrepot.formats.docker.manifest_rows import images, is_known, tags
from entrepot.formats.docker.pages import Page, link, parse_page
from entrepot.messages import Reply, Request, json_reply
from entrepot.metadata.database import Reads
from entrepot.repositories.fields import DOCKER
from entrepot.repositories.granted import Granted, Granter
from entrepot.repositories.repository import Repository

_TAGS, _CATALOG = 100_000, 100  # default page lengths; who asks for no page wants all tags
_MOST = 100_000  # tags of an unbounded list: what clients without paging get
_BATCH = 1000  # rows that are read at once where each needs a look
_JUDGED = 1_000_000  # rows looked at for one page on behalf of a caller who may read few of them


class Lists:
    """The handlers of the listing routes."""

    def __init__(self, reads: Reads, granter: Granter, repositories: Callable[[], Iterable[Repository]]) -> None:
        self._reads = reads
        self._granter = granter
        self._repositories = repositories

    async def tags(self, request: Request) -> Reply:
        """GET tags/list.

        Raises NameUnknown, PaginationNumberInvalid.
        """
        page = parse_page(request.query, default=_TAGS, most=_MOST)
        name = image_name(request)
        found: set[str] = set()
        known = False
        for image in readable_images(request):
            known = known or await self._is_known(request.granted, image)
            found.update(await self._tags_of(request.granted, image, page))
        if not known:
            told = f"there is no image {shown(name)}.{request.granted.caches}"
            raise NameUnknown(name, told.removesuffix("."))  # no full stop, as in all that it says
        listed = sorted(found)[: page.n]
        reply = json_reply({"name": request.words["name"], "tags": listed})
        if page.n and len(found) > page.n:
            target = f"{request.prefix}/v2/{request.words['name']}/tags/list"
            reply.headers.append(("link", link(target, n=page.n, last=listed[-1])))
        return reply

    async def catalog(self, request: Request) -> Reply:
        """GET _catalog: of the whole registry, or of the repository that the access method names.

        Raises NameUnknown, PaginationNumberInvalid.
        """
        page = parse_page(request.query, default=_CATALOG, most=_TAGS)
        only = unquote(request.words.get("repo", ""))
        found: set[str] = set()
        for repository in self._registries(request, only):
            base = "" if only else f"{repository.key}/"
            after = _after(page.last, base)
            if after is not None:
                found.update(base + name for name in await self._images_of(request, repository, after, page.n + 1))
            if not only and len(found) > page.n:
                break  # names begin with the keys, so those of further repositories come later
        listed = sorted(found)[: page.n]
        reply = json_reply({"repositories": listed})
        if page.n and len(found) > page.n:
            reply.headers.append(("link", link(f"{request.prefix}/v2/_catalog", n=page.n, last=listed[-1])))
        return reply

    async def _is_known(self, granted: Granted, image: Image) -> bool:
        """Whether the caller may learn that the image exists; with narrow rights, by a tag that it may read."""
        if granted.throughout(Action.READ, image.repository, image.name):
            return await is_known(self._reads, image.repository.id, image.name)
        return bool(await self._tags_of(granted, image, Page(1, "")))

    async def _tags_of(self, granted: Granted, image: Image, page: Page) -> list[str]:
        """Return readable tags beyond `last`, one more than the page holds when there are more."""
        if granted.throughout(Action.READ, image.repository, image.name):
            return await tags(self._reads, image.repository.id, image.name, after=page.last, limit=page.n + 1)
        return await self._readable_tags_of(granted, image, page.last, page.n + 1)

    async def _readable_tags_of(self, granted: Granted, image: Image, after: str, want: int) -> list[str]:
        found: list[str] = []
        judged = 0
        while len(found) < want and judged < _JUDGED:
            batch = await tags(self._reads, image.repository.id, image.name, after=after, limit=_BATCH)
            if not batch:
                break
            judged += len(batch)
            await asyncio.sleep(0)  # others have their turn
            paths = ((tag, manifest_path(image.name, tag)) for tag in batch)
            found += [tag for tag, path in paths if granted.may(Action.READ, image.repository, path)]
            after = batch[-1]
        return found[:want]

    def _registries(self, request: Request, only: str) -> list[Repository]:
        """Return the physical registries to list, in the byte order of their keys."""
        if only:
            granted = self._granter.grant(request.caller, Action.READ, only, "", folder=True)
            if granted.addressed is None or granted.addressed.package_type not in DOCKER:
                raise NameUnknown(only, f"there is no Docker repository {shown(only)}")
            return list(granted.physical)
        docker = (one for one in self._repositories() if one.package_type in DOCKER and not one.is_virtual)
        return sorted(docker, key=lambda one: f"{one.key}/")

    async def _images_of(self, request: Request, repository: Repository, after: str, want: int) -> list[str]:
        granted: Granted = request.granted
        everything = granted.throughout(Action.READ, repository, "")
        if not everything and not granted.may(Action.READ, repository, "", folder=True):
            return []
        found: list[str] = []
        judged = 0
        while len(found) < want and judged < _JUDGED:
            batch = await images(self._reads, repository.id, after=after, limit=min(max(want, 1), _BATCH))
            if not batch:
                break
            judged += len(batch)
            if not everything:
                await asyncio.sleep(0)  # others have their turn
            found += [name for name in batch if everything or await self._shows(granted, Image(repository, name))]
            after = batch[-1]
        return found[:want]

    async def _shows(self, granted: Granted, image: Image) -> bool:
        """Whether the caller may read anything of an image: its folder must be on the way, and a tag readable."""
        if granted.throughout(Action.READ, image.repository, image.name):
            return True
        if not granted.may(Action.READ, image.repository, image.name, folder=True):
            return False
        return bool(await self._tags_of(granted, image, Page(1, "")))


def _after(last: str, base: str) -> str | None:
    """Return where to go on within a repository, None when `last` lies beyond it; keys and names order by bytes."""
    if not base or not last:
        return last
    if last.startswith(base):
        return last[len(base) :]
    return "" if last < base else None
