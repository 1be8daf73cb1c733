"""Roles: what their holders may do in a project, in the repositories of which environments (reference 10.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from entrepot.access.actions import EVERY_ACTION, NOTHING, Action
from entrepot.access.permissions import ARTIFACT, BUILD, RELEASE_BUNDLE
from entrepot.errors import Conflict

DEV, PROD = "DEV", "PROD"
GLOBAL_ROLES: Final = "globalRoles"  # a section of the configuration
ENVIRONMENTS: Final = "environments"  # likewise

Short = Annotated[str, msgspec.Meta(max_length=1024)]
_READS: Final = ("READ_REPOSITORY", "READ_BUILD", "READ_RELEASE_BUNDLE")
_WORDS: Final[Mapping[str, Action]] = {
    "READ": Action.READ, "ANNOTATE": Action.ANNOTATE, "DEPLOY": Action.DEPLOY, "DEPLOY_CACHE": Action.DEPLOY,
    "CREATE": Action.DEPLOY, "DELETE": Action.DELETE, "DELETE_OVERWRITE": Action.DELETE, "MANAGE_XRAY_MD": Action.SCAN,
    "DISTRIBUTE": Action.DISTRIBUTE, "MANAGE": Action.MANAGE, "PROMOTE": Action.DEPLOY,
}  # fmt: skip
KINDS: Final = (("_REPOSITORY", ARTIFACT), ("_BUILD", BUILD), ("_RELEASE_BUNDLE", RELEASE_BUNDLE))
MANAGE_MEMBERS: Final = "MANAGE_MEMBERS"


class RoleExists(Conflict):
    """The role '{name}' exists already."""


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """What its holders may do, where."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[^\x00/\\:|?*\"<>]{1,64}$")]
    description: Short = ""
    type: Literal["ADMIN", "PREDEFINED", "CUSTOM", "CUSTOM_GLOBAL"] = "CUSTOM"
    environments: list[Short] = []
    actions: list[Short] = []

    def mask(self, kind: str) -> Action:
        """Return what it grants on a kind of resource."""
        if self.type == "ADMIN":
            return EVERY_ACTION
        found = NOTHING
        for word in self.actions:
            for suffix, of in KINDS:
                if of == kind and word.endswith(suffix):
                    found |= _WORDS.get(word.removesuffix(suffix), NOTHING)
        return found


ADMIN_ROLE: Final = "Project Admin"
PREDEFINED: Final[Mapping[str, Role]] = {
    role.name: role
    for role in (
        Role(name=ADMIN_ROLE, type="ADMIN", environments=[DEV, PROD], actions=[MANAGE_MEMBERS]),
        Role(name="Developer", type="PREDEFINED", environments=[DEV], actions=[
            *_READS, "ANNOTATE_REPOSITORY", "DEPLOY_CACHE_REPOSITORY", "DELETE_OVERWRITE_REPOSITORY", "ANNOTATE_BUILD",
            "DEPLOY_BUILD", "DELETE_BUILD", "CREATE_RELEASE_BUNDLE", "ANNOTATE_RELEASE_BUNDLE", "DELETE_RELEASE_BUNDLE",
        ]),
        Role(name="Contributor", type="PREDEFINED", environments=[DEV], actions=[
            *_READS, "ANNOTATE_REPOSITORY", "DEPLOY_CACHE_REPOSITORY", "ANNOTATE_BUILD", "DEPLOY_BUILD",
        ]),
        Role(name="Viewer", type="PREDEFINED", environments=[DEV, PROD], actions=[*_READS]),
        Role(name="Release Manager", type="PREDEFINED", environments=[DEV, PROD], actions=[
            *_READS, "ANNOTATE_REPOSITORY", "DEPLOY_CACHE_REPOSITORY", "CREATE_RELEASE_BUNDLE",
            "ANNOTATE_RELEASE_BUNDLE", "DELETE_RELEASE_BUNDLE", "DISTRIBUTE_RELEASE_BUNDLE",
        ]),
        Role(name="Security Manager", type="PREDEFINED", environments=[DEV, PROD], actions=[
            *_READS, "MANAGE_XRAY_MD_REPOSITORY", "MANAGE_XRAY_MD_BUILD", "MANAGE_XRAY_MD_RELEASE_BUNDLE",
        ]),
        Role(name="Application Admin", type="PREDEFINED", environments=[DEV, PROD], actions=[*_READS]),
    )
}  # fmt: skip
