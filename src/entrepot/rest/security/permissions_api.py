"""Permission targets: `api/security/permissions` (9.4), `api/v2/security/permissions` (9.5) and the Access API (10.5).

Three views over one store (`access/views.py`); each section or resource type that a client does not send stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from entrepot.access import views
from entrepot.auth import targets
from entrepot.auth.targets import Body
from entrepot.errors import Conflict, Invalid, NotFound
from entrepot.messages import Reply, Request, Row, json_reply, text_reply
from entrepot.metadata.database import Tx
from entrepot.rest.json_bodies import json_object
from entrepot.rest.security.bodies import asked, limit, link, word
from entrepot.rest.security.changes import Changes

_V1: Final = "/artifactory/api/security/permissions"
_V2: Final = "/artifactory/api/v2/security/permissions"
_ACCESS: Final = "/access/api/v2/permissions"
_KINDS: Final = frozenset({"artifact", "build", "release_bundle", "destination", "pipeline_source"})


class ResourceUnknown(NotFound):
    """Permission target '{name}' has no resource '{kind}'."""


class PermissionsApi:
    """The handlers; `knows` tells whether there is a repository of a key."""

    def __init__(self, changes: Changes, knows: Callable[[str], bool]) -> None:
        self._changes = changes
        self._database = changes.database
        self._knows = knows

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        v1, v2, access = f"{_V1}/{{name}}", f"{_V2}/{{name}}", f"{_ACCESS}/{{name}}"
        one = f"{access}/{{kind}}"
        return (
            Row("GET", _V1, "permissions.list", "admin", self.list_v1, response=list,
                summary="List permission targets"),
            Row("GET", v1, "permissions.get", "admin", self.get_v1, response=dict, summary="A permission target"),
            Row("PUT", v1, "permissions.replace", "admin", self.put_v1, request=dict, status=201,
                summary="Create or replace a permission target"),
            Row("DELETE", v1, "permissions.delete", "admin", self.delete_old, response="text/plain",
                summary="Delete a permission target"),
            Row("GET", _V2, "permissions.list.v2", "admin", self.list_v2, response=list,
                summary="List permission targets"),
            Row("GET", v2, "permissions.get.v2", "admin", self.get_v2, response=dict, summary="A permission target"),
            Row("POST", v2, "permissions.create.v2", "admin", self.post_v2, request=dict, status=201,
                summary="Create a permission target"),
            Row("PUT", v2, "permissions.replace.v2", "admin", self.put_v2, request=dict,
                summary="Update a permission target"),
            Row("DELETE", v2, "permissions.delete.v2", "admin", self.delete_old, response="text/plain",
                summary="Delete a permission target"),
            Row("GET", _ACCESS, "access.permissions.list", "admin", self.list, "access", response=dict,
                summary="List permissions"),
            Row("POST", _ACCESS, "access.permissions.create", "admin", self.post, "access", request=dict, response=dict, status=201,
                summary="Create a permission"),
            Row("GET", access, "access.permissions.get", "admin", self.get, "access", response=dict,
                summary="A permission"),
            Row("PUT", access, "access.permissions.replace", "admin", self.put, "access", request=dict, response=dict,
                summary="Replace a permission"),
            Row("DELETE", access, "access.permissions.delete", "admin", self.delete, "access",
                status=204, summary="Delete a permission"),
            Row("GET", one, "access.permissions.resource.get", "admin", self.get_one, "access", response=dict,
                summary="A resource"),
            Row("PUT", one, "access.permissions.resource.replace", "admin", self.put_one, "access",
                request=dict, response=dict, summary="Set a resource"),
            Row("PATCH", one, "access.permissions.resource.update", "admin", self.patch_one, "access",
                request=dict, response=dict, summary="Change a resource"),
            Row("DELETE", one, "access.permissions.resource.delete", "admin", self.delete_one, "access",
                status=204, summary="Remove a resource"),
        )  # fmt: skip

    # --- the old API --------------------------------------------------------------------------------------------------

    async def list_v1(self, request: Request) -> Reply:
        """GET: all names."""
        return await self._listed(request, _V1)

    async def list_v2(self, request: Request) -> Reply:
        """GET: all names."""
        return await self._listed(request, _V2)

    async def get_v1(self, request: Request) -> Reply:
        """GET one as v1 shows it."""
        return json_reply(views.to_v1(await targets.get(self._database, word(request, "name"))))

    async def get_v2(self, request: Request) -> Reply:
        """GET one as v2 shows it."""
        return json_reply(views.to_v2(await targets.get(self._database, word(request, "name"))))

    async def put_v1(self, request: Request) -> Reply:
        """PUT: create, or replace the rights over artifacts."""
        name = word(request, "name")
        stated = views.from_v1(name, await json_object(request))
        await self._change(request, "permission.replace", name, lambda before: _merged(before, stated))
        return Reply(201)

    async def put_v2(self, request: Request) -> Reply:
        """PUT: create, or replace the sections that are stated."""
        name, stated = await self._stated_v2(request)
        new = await self._change(request, "permission.replace", name, lambda before: _merged(before, stated))
        return Reply(201 if new else 200)

    async def post_v2(self, request: Request) -> Reply:
        """POST: create."""
        name, stated = await self._stated_v2(request)
        await self._create(request, name, stated)
        return Reply(201)

    async def delete_old(self, request: Request) -> Reply:
        """DELETE."""
        name = word(request, "name")
        await self._changes.make(request, "permission.delete", name, lambda tx: targets.delete(tx, name))
        return text_reply(f"Permission Target '{name}' has been removed successfully.")

    # --- the Access API -----------------------------------------------------------------------------------------------

    async def list(self, request: Request) -> Reply:
        """GET: a page of names."""
        size = limit(request)
        found = await targets.page(self._database, after=asked(request, "cursor"), limit=size)
        named = [{"name": name, "uri": link(request, _ACCESS, name)} for name, _ in found]
        more = {"cursor": found[-1][0]} if len(found) == size else {}
        return json_reply({"permissions": named, **more})

    async def get(self, request: Request) -> Reply:
        """GET one."""
        return json_reply(await targets.get(self._database, word(request, "name")))

    async def post(self, request: Request) -> Reply:
        """POST: create."""
        stated = await json_object(request)
        name = stated.get("name")
        body = _body(name if isinstance(name, str) else "", stated)
        await self._create(request, body["name"], body)
        return json_reply(await targets.get(self._database, body["name"]), 201)

    async def put(self, request: Request) -> Reply:
        """PUT: replace the whole."""
        name = word(request, "name")
        body = _body(name, await json_object(request))
        await self._change(request, "permission.replace", name, lambda _: body)
        return json_reply(await targets.get(self._database, name))

    async def delete(self, request: Request) -> Reply:
        """DELETE."""
        name = word(request, "name")
        await self._changes.make(request, "permission.delete", name, lambda tx: targets.delete(tx, name))
        return Reply(204)

    async def get_one(self, request: Request) -> Reply:
        """GET one resource of a target."""
        name, kind = _named(request)
        return json_reply(_resource(await targets.get(self._database, name), kind))

    async def put_one(self, request: Request) -> Reply:
        """PUT: set one resource of a target that exists."""
        name, kind = _named(request)
        resource = await json_object(request)
        return await self._with_resource(request, name, kind, lambda _: resource)

    async def patch_one(self, request: Request) -> Reply:
        """PATCH: set what is stated of one resource: its actions, its targets."""
        name, kind = _named(request)
        stated = await json_object(request)
        return await self._with_resource(request, name, kind, lambda before: {**before, **stated})

    async def delete_one(self, request: Request) -> Reply:
        """DELETE one resource of a target; the target goes with its last one."""
        name, kind = _named(request)

        async def work(tx: Tx) -> None:
            body = await targets.get(tx, name)
            _resource(body, kind)
            del body["resources"][kind]
            await (targets.replace(tx, body) if body["resources"] else targets.delete(tx, name))

        await self._changes.make(request, "permission.update", name, work, detail=f"without {kind}")
        return Reply(204)

    # --- the store ----------------------------------------------------------------------------------------------------

    async def _listed(self, request: Request, path: str) -> Reply:
        found: list[dict[str, str]] = []
        after = ""
        while page := await targets.page(self._database, after=after):
            found += [{"name": name, "uri": link(request, path, name)} for name, _ in page]
            after = page[-1][0]
        return json_reply(found)

    async def _stated_v2(self, request: Request) -> tuple[str, Body]:
        name, stated = word(request, "name"), await json_object(request)
        if stated.get("name") not in (None, "", name):
            raise Conflict("The name in the body must equal the one in the path.")
        return name, views.from_v2(name, {**stated, "name": name})

    async def _create(self, request: Request, name: str, body: Body) -> None:
        async def work(tx: Tx) -> None:
            await targets.create(tx, await targets.checked(tx, body, self._knows))

        await self._changes.make(request, "permission.create", name, work)

    async def _change(self, request: Request, action: str, name: str, change: Callable[[Body | None], Body]) -> bool:
        """Store what `change` makes of a target (None: there is none yet); return whether it is new."""

        async def work(tx: Tx) -> bool:
            body = change(await targets.find(tx, name))
            return await targets.replace(tx, await targets.checked(tx, body, self._knows))

        return await self._changes.make(request, action, name, work)

    async def _with_resource(
        self, request: Request, name: str, kind: str, change: Callable[[Body], Body]
    ) -> Reply:  # fmt: skip
        def changed(before: Body | None) -> Body:
            if before is None:
                raise targets.TargetUnknown(name=name)
            resources = before["resources"]
            return {**before, "resources": {**resources, kind: change(resources.get(kind) or {})}}

        await self._change(request, "permission.update", name, changed)
        return json_reply(_resource(await targets.get(self._database, name), kind))


def _named(request: Request) -> tuple[str, str]:
    name, kind = word(request, "name"), word(request, "kind")
    if kind not in _KINDS:
        raise Invalid(f"'{kind[:64]}' is not a resource type.")
    return name, kind


def _body(name: str, stated: dict[str, Any]) -> Body:
    resources = stated.get("resources")
    if isinstance(resources, dict) and not resources.keys() <= _KINDS:
        raise Invalid(f"Resources may be {', '.join(sorted(_KINDS))}.")
    return {"name": name, "resources": resources}


def _merged(before: Body | None, stated: Body) -> Body:
    return stated if before is None else {**before, "resources": {**before["resources"], **stated["resources"]}}


def _resource(body: Body, kind: str) -> Body:
    found: Body | None = body["resources"].get(kind)
    if found is None:
        raise ResourceUnknown(name=body["name"], kind=kind)
    return found
