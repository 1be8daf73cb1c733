"""Permission targets by the old API: `api/security/permissions` (9.4) and `api/v2/security/permissions` (9.5).

Each section that a client does not send stays as it is.
"""

from __future__ import annotations

from typing import Final

from entrepot.access import views
from entrepot.auth.targets import Body
from entrepot.errors import Conflict
from entrepot.messages import Reply, Request, Row, json_reply, text_reply
from entrepot.rest.json_bodies import LONG, json_object
from entrepot.rest.security.bodies import link, word
from entrepot.rest.security.permission_changes import PermissionChanges

_V1: Final = "/artifactory/api/security/permissions"
_V2: Final = "/artifactory/api/v2/security/permissions"


class PermissionsApi:
    """The handlers."""

    def __init__(self, targets: PermissionChanges) -> None:
        self._targets = targets

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        v1, v2 = f"{_V1}/{{name}}", f"{_V2}/{{name}}"
        return (
            Row("GET", _V1, "permissions.list", "user", self.list_v1, response=list,
                summary="List permission targets"),
            Row("GET", v1, "permissions.get", "user", self.get_v1, response=dict, summary="A permission target"),
            Row("PUT", v1, "permissions.replace", "user", self.put_v1, request=dict, status=201,
                summary="Create or replace a permission target"),
            Row("DELETE", v1, "permissions.delete", "admin", self.delete_old, response="text/plain",
                summary="Delete a permission target"),
            Row("GET", _V2, "permissions.list.v2", "user", self.list_v2, response=list,
                summary="List permission targets"),
            Row("GET", v2, "permissions.get.v2", "user", self.get_v2, response=dict, summary="A permission target"),
            Row("POST", v2, "permissions.create.v2", "user", self.post_v2, request=dict, status=201,
                summary="Create a permission target"),
            Row("PUT", v2, "permissions.replace.v2", "user", self.put_v2, request=dict,
                summary="Update a permission target"),
            Row("DELETE", v2, "permissions.delete.v2", "admin", self.delete_old, response="text/plain",
                summary="Delete a permission target"),
        )  # fmt: skip

    async def list_v1(self, request: Request) -> Reply:
        """GET: all names."""
        return await self._listed(request, _V1)

    async def list_v2(self, request: Request) -> Reply:
        """GET: all names."""
        return await self._listed(request, _V2)

    async def get_v1(self, request: Request) -> Reply:
        """GET one as v1 shows it."""
        return json_reply(views.to_v1(await self._targets.get(request, word(request, "name"))))

    async def get_v2(self, request: Request) -> Reply:
        """GET one as v2 shows it."""
        return json_reply(views.to_v2(await self._targets.get(request, word(request, "name"))))

    async def put_v1(self, request: Request) -> Reply:
        """PUT: create, or replace the rights over artifacts."""
        self._targets.enter(request)
        name, body = await _named(request)
        stated = views.from_v1(name, body)
        await self._targets.change(request, "permission.replace", name, lambda before: _merged(before, stated))
        return Reply(201)

    async def put_v2(self, request: Request) -> Reply:
        """PUT: create, or replace the sections that are stated."""
        name, stated = await self._stated_v2(request)
        new = await self._targets.change(request, "permission.replace", name, lambda before: _merged(before, stated))
        return Reply(201 if new else 200)

    async def post_v2(self, request: Request) -> Reply:
        """POST: create."""
        name, stated = await self._stated_v2(request)
        await self._targets.create(request, name, stated)
        return Reply(201)

    async def delete_old(self, request: Request) -> Reply:
        """DELETE."""
        name = word(request, "name")
        await self._targets.delete(request, name)
        return text_reply(f"Permission Target '{name}' has been removed successfully.")

    async def _listed(self, request: Request, path: str) -> Reply:
        self._targets.enter(request)
        found = [{"name": name, "uri": link(request, path, name)} async for name in self._targets.names(request)]
        return json_reply(found)

    async def _stated_v2(self, request: Request) -> tuple[str, Body]:
        self._targets.enter(request)
        name, stated = await _named(request)
        return name, views.from_v2(name, {**stated, "name": name})


async def _named(request: Request) -> tuple[str, Body]:
    """Return the name in the path and the body. Raises Conflict when the body names another."""
    name, stated = word(request, "name"), await json_object(request, LONG)
    if stated.get("name") not in (None, "", name):
        raise Conflict("The name in the body must equal the one in the path.")
    return name, stated


def _merged(before: Body | None, stated: Body) -> Body:
    return stated if before is None else {**before, "resources": {**before["resources"], **stated["resources"]}}
