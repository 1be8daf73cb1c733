"""Promotion of images by REST (reference A15), which `jf rt docker-promote` and releases of builds ask for."""

from __future__ import annotations

from typing import Final

import msgspec

from entrepot.access.actions import Action
from entrepot.errors import Invalid, NotFound
from entrepot.formats.docker.images import Image
from entrepot.formats.docker.names import check_image, check_tag
from entrepot.formats.docker.promotion import Promotion, Wish, is_one
from entrepot.messages import Reply, Request, Row, text_reply
from entrepot.repositories.fields import DOCKER
from entrepot.repositories.granted import Granted, Granter
from entrepot.repositories.repository import Repository
from entrepot.rest.json_bodies import json_object
from entrepot.rest.security.bodies import converted
from entrepot.slips import check_names

_FACES: Final = ("docker", "oci", "helmoci")


class ImagePromotion(msgspec.Struct, rename="camel"):
    """What clients send; what is empty is as good as absent."""

    target_repo: str
    docker_repository: str
    target_docker_repository: str | None = None
    tag: str | None = None
    target_tag: str | None = None
    copy: bool = False


class PromotionApi:
    """The handler of `api/docker/<repository>/v2/promote`."""

    def __init__(self, promotion: Promotion, granter: Granter) -> None:
        self._promotion = promotion
        self._granter = granter

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        return tuple(
            Row("POST", f"/artifactory/api/{face}/{{repo}}/v2/promote", f"{face}.promote", "READ", self.promote, target="node",
                request=ImagePromotion, response="text/plain", summary="Move or copy an image, or one of its tags, elsewhere")
            for face in _FACES
        )  # fmt: skip

    async def promote(self, request: Request) -> Reply:
        """POST."""
        stated = await json_object(request)
        check_names(stated, ImagePromotion.__struct_encode_fields__)  # without a tag, misspelt, all of them would go
        asked = converted(stated, ImagePromotion)
        key = request.granted.key
        name, to = asked.docker_repository, asked.target_docker_repository or asked.docker_repository
        tag, target_tag = asked.tag or "", asked.target_tag or ""
        _local(request.granted)
        check_image(name, key)
        check_image(to, asked.target_repo)

        def ask() -> tuple[Granted, Wish]:
            granted = self._granter.grant(request.caller, Action.READ, key, "", folder=True)
            placing = self._granter.grant(request.caller, Action.DEPLOY, asked.target_repo, to, folder=True)
            source, target = Image(_local(granted), name), Image(_local(placing), to)
            return granted, Wish(source, target, tag, target_tag, moving=not asked.copy)

        _, wish = ask()
        for one in filter(None, (tag, target_tag)):
            check_tag(one)
        if target_tag and not tag:
            raise Invalid("The field targetTag needs a tag that it is given to.")
        if is_one(wish.source, wish.target) and target_tag in {"", tag}:
            raise Invalid("The image cannot be promoted to where it is.")
        await self._promotion.run(ask)
        return text_reply("Promotion ended successfully")


def _local(granted: Granted) -> Repository:
    found = granted.addressed
    if found is None:
        raise NotFound(f"The repository '{granted.key}' does not exist.")
    if not found.is_local or found.package_type not in DOCKER:
        raise Invalid(f"The repository '{found.key}' is not a local Docker repository.")
    return found
