"""Paths of the tree as clients use them: deploy, download, delete (reference 7.1-7.9)."""

from __future__ import annotations

from typing import Final

from entrepot.artifacts import checksums, describe
from entrepot.artifacts.address import parse
from entrepot.artifacts.deploy import Deploy, Target, allowed, writable
from entrepot.artifacts.download import Download
from entrepot.artifacts.explode import MOST_AT_ONCE, Explode
from entrepot.artifacts.multipart import Uploads
from entrepot.artifacts.removal import Removal
from entrepot.artifacts.sidecars import Sidecar, Sidecars
from entrepot.clock import LATEST
from entrepot.errors import Conflict, Denied, Invalid
from entrepot.messages import Gate, Headers, Parameter, Reply, Request, Row, json_reply, located
from entrepot.metadata.items import Stamps
from entrepot.repositories.fields import DOCKER
from entrepot.repositories.repository import Repository

_CREATED: Final = "application/vnd.org.jfrog.artifactory.storage.ItemCreated+json"
_OLD_CLIENT: Final = "ArtifactoryBuildClient/"
_ONE: Final = "/artifactory/{repo}/{path*}"
_METADATA_SUM: Final = 1 << 16  # bytes that are read of a checksum nobody looks at
_ROOTS: Final = ("/artifactory/{repo}", "/artifactory/{repo}/")


class ImagesOnly(Conflict):
    """The repository '{key}' holds images: push them with docker, podman or another client of registries."""


class Artifacts:
    """The handlers of repository paths."""

    def __init__(
        self, deploy: Deploy, download: Download, explode: Explode, *, removal: Removal, uploads: Uploads,
        sidecars: Sidecars, taking: tuple[Gate, ...] = (),
    ) -> None:  # fmt: skip
        self._deploy = deploy
        self._download = download
        self._explode = explode
        self._removal = removal
        self._uploads = uploads
        self._sidecars = sidecars
        self._taking = taking  # the gates before what takes bytes in

    def rows(self) -> tuple[Row, ...]:
        """Return the rows; they come last, for they fit any path."""
        return (
            Row("PUT", _ONE, "artifacts.deploy", "DEPLOY", self.put,
                gates=self._taking, target="artifact", request="application/octet-stream",
                response=dict, status=201, parameters=_DEPLOY,
                summary="Deploy a file, compare its checksum (`<file>.sha1`), or make a folder (path that ends in a slash)"),
            Row("GET", _ONE, "artifacts.fetch", "READ", self.fetch, target="artifact", response="application/octet-stream",
                parameters=_FETCH, summary="Download a file, its checksum, an entry of an archive (`!/`), or list a folder"),
            Row("DELETE", _ONE, "artifacts.delete", "DELETE", self.delete, target="artifact", status=204,
                summary="Delete a file, or a folder with all that is in it"),
            *(Row("GET", path, f"artifacts.root{number}", "READ", self.fetch, target="artifact", response="text/html",
                  summary="List the root of a repository") for number, path in enumerate(_ROOTS)),
            *(Row("DELETE", path, f"artifacts.clear{number}", "DELETE", self.delete, target="artifact", status=204,
                  summary="Delete everything in a repository") for number, path in enumerate(_ROOTS)),
        )  # fmt: skip

    async def fetch(self, request: Request) -> Reply:
        """GET and HEAD."""
        return await self._download.file(request, parse(request.words.get("path", ""), entries=True))

    async def put(self, request: Request) -> Reply:
        """PUT: a file, its checksum, a folder, a file that is here already by its checksum, or an archive to be taken apart."""
        address = parse(request.words["path"])
        repository = writable(request.granted, address.path)
        if repository.package_type in DOCKER:
            raise ImagesOnly(key=repository.key)
        if address.path.is_folder:
            await request.body.read(0)
            item = await self._deploy.folder(request.granted, repository, address.path.text)
            return json_reply(
                describe.created_folder(request.base, repository.key, address.path.text, item), 201, _CREATED
            )
        sidecar = Sidecar.read(address.path.text)
        if sidecar is not None:
            return await self._compare(request, repository, sidecar)
        target = Target(repository, address.path.text, address.properties(), _stamps(request))
        atomic = _flag(request.headers, "x-explode-archive-atomic")
        if atomic or _flag(request.headers, "x-explode-archive"):
            return await self._take_apart(request, target, atomic=atomic)
        stated = checksums.stated(request.headers)
        if _flag(request.headers, "x-checksum-deploy"):
            await request.body.read(0)
            ticket = request.headers.get("x-checksum-deploy-token")
            if ticket:
                done = await self._uploads.deploy(request.granted, target, ticket, stated)
            else:
                done = await self._deploy.by_checksum(request.granted, target, stated)
        else:
            done = await self._deploy.file(request.granted, target, aiter(request.body), stated)
        old = _OLD_CLIENT in (request.headers.get("user-agent") or "")
        told = describe.created_file(request.base, repository.key, done.item, done.stored, stated=stated, old=old)
        if "properties" in (request.headers.get("x-result-detail") or ""):
            told["properties"] = allowed(request.granted, target)
        reply = json_reply(told, 201, _CREATED)
        reply.headers.append(located(told["downloadUri"]))
        return reply

    async def delete(self, request: Request) -> Reply:
        """DELETE: into the trash can where there is one. All of a repository is for administrators (reference C3)."""
        address = parse(request.words.get("path", ""))
        if not address.path.text and not request.caller.may_administer:
            raise Denied("Only administrators may delete everything in a repository.")
        await self._removal.remove(request.granted, address)
        return Reply(204)

    async def _compare(self, request: Request, repository: Repository, sidecar: Sidecar) -> Reply:
        if _flag(request.headers, "x-checksum-deploy"):  # clients then send what they have
            raise checksums.ChecksumDeployFailed(why="A checksum file is compared with its file: send it.")
        if sidecar.is_of_metadata:
            await request.body.read(_METADATA_SUM)
            return Reply(200)
        item = await self._sidecars.compare(request.granted, repository, sidecar, request.body)
        return Reply(201, [located(describe.url(request.base, repository.key, item.path))])

    async def _take_apart(self, request: Request, target: Target, *, atomic: bool) -> Reply:
        if _flag(request.headers, "x-checksum-deploy"):
            raise Invalid("An archive cannot be deployed by checksum and taken apart at once.")
        count = await self._explode.run(request.granted, target, aiter(request.body), atomic=atomic)
        return json_reply({"deployed": count}, 200)


def _flag(headers: Headers, name: str) -> bool:
    return (headers.get(name) or "").strip().lower() == "true"


def _stamps(request: Request) -> Stamps | None:
    """Return times and names from the headers, which count from administrators only (replication, moves)."""
    if not request.caller.may_administer:
        return None
    headers = request.headers
    stamps = Stamps(
        _millis(headers.get("x-artifactory-created")),
        headers.get("x-artifactory-created-by"),
        _millis(headers.get("x-artifactory-last-modified")),
        headers.get("x-artifactory-modified-by"),
    )
    return None if stamps == Stamps() else stamps


def _millis(text: str | None) -> int | None:
    millis = int(text) if text and text.isascii() and text.isdigit() and len(text) <= 15 else None
    return millis if millis is None or millis <= LATEST else None


def _header(name: str, summary: str) -> Parameter:
    return Parameter(name, summary, place="header")


_DEPLOY: Final = (
    _header("X-Checksum-Sha1", "The file's SHA-1; another one is refused with 409"),
    _header("X-Checksum-Sha256", "The file's SHA-256"),
    _header("X-Checksum-Md5", "The file's MD5"),
    _header("X-Checksum", "Any of the three, told by its length"),
    _header("X-Checksum-Deploy", "`true`: there is no body, the bytes are here already"),
    _header("X-Explode-Archive", "`true`: deploy what the archive holds into its folder"),
    _header("X-Explode-Archive-Atomic", f"`true`: the same, all or nothing; at most {MOST_AT_ONCE} entries"),
)
_FETCH: Final = (_header("Range", "One or several ranges of bytes"), _header("If-None-Match", "SHA-1 or ETag"))
