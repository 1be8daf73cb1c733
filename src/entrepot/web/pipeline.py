"""The walk of a request through the rooms: door, who, may, gates, handler.

What a request names is decided upon here and nowhere else. What else a handler touches (the rows of a list, the source of a
mount) it asks of what was granted, or of the granter.

    find the row -> identify the caller -> grant (decide) -> gates of the row -> handler -> envelope of errors

What a row's `target` says about where the repository and path are read from:

    image      {name*}                 the folder of an image: uploads, blobs, tags, referrers
    manifest   {name*} {reference}     the manifest file of a tag or digest
    item       {repo} {path*}          a path of the tree
    artifact   {repo} {path*}          the same as clients address files: with matrix parameters, and entries of archives
    node       {repo} {path*}          a file or folder, which of them is not known yet: the handler judges what it finds
    ""                                 no repository: the handler judges each row that it lists
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from entrepot.access.actions import Action
from entrepot.access.caller import Caller
from entrepot.artifacts.address import parse
from entrepot.auth.authenticate import Authenticator
from entrepot.errors import Denied, EntrepotError, NotFound, Unauthenticated
from entrepot.formats.docker.errors import InsufficientScope
from entrepot.formats.docker.layout import manifest_path
from entrepot.formats.docker.names import check_image, parse_reference, split_name
from entrepot.messages import Reply, Request, Row
from entrepot.paths import RepoPath
from entrepot.repositories.granted import Granted, Granter

_MAX_REFERENCE = 512


class Pipeline:
    """Carry a request that has its row to the handler."""

    def __init__(
        self,
        authenticator: Authenticator,
        granter: Granter,
        fresh: Callable[[], Awaitable[None]],
        hides: Callable[[], bool] = lambda: False,
    ) -> None:
        self._authenticator = authenticator
        self._granter = granter
        self._fresh = fresh  # configuration and permissions as of now
        self._hides = hides  # whether what may not be seen answers as if it were not there
        self._targets: dict[str, Callable[[Request, Action], Granted]] = {
            "image": self._image,
            "manifest": self._manifest,
            "item": self._item,
            "artifact": self._artifact,
            "node": self._node,
        }

    async def identify(self, request: Request, row: Row) -> Caller:
        """Return who asks. Raises Unauthenticated, TooMany."""
        await self._fresh()  # who keeps passwords for us is configuration, too
        docker = row.face == "oci"
        return await self._authenticator.caller(request, docker=docker)

    async def run(self, request: Request, row: Row) -> Reply:
        """Judge the request, pass its gates and return the handler's reply."""
        await self._fresh()
        try:
            return await self._walk(request, row)
        except InsufficientScope:
            raise  # its owner may do this, so there is nothing to hide
        except (Unauthenticated, Denied, NotFound):
            if (row.target or (row.face == "oci" and "repo" in request.words)) and self._hides():
                raise _hidden(request, row) from None
            raise

    async def _walk(self, request: Request, row: Row) -> Reply:
        if row.action == "admin":
            _administrators_only(request.caller)
            request.granted = self._granter.everywhere(request.caller)
        elif row.target:
            action = Action[row.action]
            if "name" in request.words:
                self._within_token(request, row, action)
            request.granted = self._targets[row.target](request, action)
        elif row.action != "public":
            request.granted = self._granter.everywhere(request.caller)
            if request.caller.is_anonymous and not request.granted.rules.anonymous:
                raise Unauthenticated
        for gate in row.gates:
            await gate(request)
        return await row.handler(request)

    def _within_token(self, request: Request, row: Row, action: Action) -> None:
        """Hold a Docker token to the images and verbs that the challenge names.

        Raises InsufficientScope where another token would help, and Denied where its owner may not do it at all.
        """
        key, image = _named(request)
        if request.caller.is_bound_to(f"{key}/{image}", action):
            return
        if request.caller.is_anonymous:
            raise Unauthenticated
        self._targets[row.target](request, action)
        raise InsufficientScope

    def _image(self, request: Request, action: Action) -> Granted:
        key, image = _named(request)
        return self._granter.grant(request.caller, action, key, image, folder=True)

    def _manifest(self, request: Request, action: Action) -> Granted:
        key, image = _named(request)
        reference = unquote(request.words["reference"])[:_MAX_REFERENCE]
        tag_or_digest = parse_reference(reference)
        if tag_or_digest.digest is not None and action in {Action.READ, Action.DELETE}:
            return self._granter.grant(request.caller, action, key, image, folder=True)
        path = manifest_path(image, reference)
        return self._granter.grant(request.caller, action, key, path)

    def _item(self, request: Request, action: Action) -> Granted:
        path = RepoPath.parse(request.words.get("path", ""))
        return self._granter.grant(
            request.caller, action, unquote(request.words["repo"]), path.text, folder=path.is_folder
        )

    def _artifact(self, request: Request, action: Action) -> Granted:
        address = parse(request.words.get("path", ""), entries=request.method in {"GET", "HEAD"})
        key = unquote(request.words["repo"].partition(";")[0])
        return self._granter.grant(request.caller, action, key, address.path.text, folder=address.path.is_folder)

    def _node(self, request: Request, action: Action) -> Granted:
        path = RepoPath.parse(request.words.get("path", ""))
        return self._granter.grant(request.caller, action, unquote(request.words["repo"]), path.text, folder=True)


def _hidden(request: Request, row: Row) -> EntrepotError:
    """Return the one answer for what is absent and for what is hidden, `security.hideUnauthorizedResources`.

    Clients of registries learn by a 401 how to sign in, so whoever has not gets that, for both.
    """
    return Unauthenticated() if row.face == "oci" and request.caller.is_anonymous else NotFound()


def _administrators_only(caller: Caller) -> None:
    if caller.is_anonymous:
        raise Unauthenticated
    if not caller.may_administer:
        raise Denied("Only administrators may do this.")


def _named(request: Request) -> tuple[str, str]:
    """Return repository key and image: the access method names the key, or the first segment of the name does.

    No character of a name has to be percent-encoded, so names are taken as they are sent, and `%2f` is no slash here.
    """
    name = request.words["name"]
    key = request.words.get("repo")
    if key:
        check_image(name)
        return unquote(key), name
    return split_name(name)
