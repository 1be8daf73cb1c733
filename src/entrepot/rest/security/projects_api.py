"""Projects, their members and roles (reference 10.6), for platform administrators and, of their own project, its administrators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import msgspec

from entrepot.auth import accounts, groups, projects
from entrepot.auth.projects import Project, ProjectUnknown
from entrepot.auth.roles import PREDEFINED, Role, RoleExists
from entrepot.configuration.documents import Documents
from entrepot.errors import Denied, Invalid, NotFound, Unauthenticated
from entrepot.messages import Reply, Request, Row, json_reply
from entrepot.metadata.database import Tx
from entrepot.rest.json_bodies import json_object
from entrepot.rest.security.bodies import converted, typed, word
from entrepot.rest.security.changes import Changes
from entrepot.rest.security.roles_api import global_roles

_PROJECTS: Final = "/access/api/v1/projects"
_BODY: Final = 1 << 18  # bytes
_MOST: Final = 10_000  # members of one kind
Kind = Literal["users", "groups"]


class Member(msgspec.Struct, frozen=True):
    """Somebody in a project."""

    name: str = ""
    roles: list[str] = []


class Part(NotFound):
    """The project '{key}' has no {what} '{name}'"""


class ProjectsApi:
    """The handlers."""

    def __init__(self, changes: Changes, documents: Documents) -> None:
        self._changes = changes
        self._database = changes.database
        self._documents = documents

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        one = f"{_PROJECTS}/{{key}}"
        return (
            Row("GET", _PROJECTS, "projects.list", "user", self.list, "access", response=list,
                summary="Projects that the caller administers"),
            Row("POST", _PROJECTS, "projects.create", "admin", self.create, "access",
                request=dict, response=dict, status=201, summary="Create a project"),
            Row("GET", one, "projects.get", "user", self.get, "access", response=dict, summary="A project"),
            Row("PUT", one, "projects.update", "user", self.update, "access", request=dict, response=dict,
                summary="Update a project"),
            Row("DELETE", one, "projects.delete", "admin", self.delete, "access", status=204,
                summary="Delete a project without repositories"),
            *self._members("users"),
            *self._members("groups"),
            Row("GET", f"{one}/roles", "projects.roles.list", "user", self.roles, "access", response=list,
                summary="The roles of a project"),
            Row("POST", f"{one}/roles", "projects.roles.create", "user", self.create_role, "access",
                request=Role, response=Role, status=201, summary="Add a role"),
            Row("GET", f"{one}/roles/{{name}}", "projects.roles.get", "user", self.role, "access", response=Role,
                summary="A role"),
            Row("PUT", f"{one}/roles/{{name}}", "projects.roles.put", "user", self.put_role, "access",
                request=Role, response=Role, summary="Set a role"),
            Row("DELETE", f"{one}/roles/{{name}}", "projects.roles.delete", "user", self.delete_role, "access",
                status=204, summary="Remove a role"),
        )  # fmt: skip

    async def list(self, request: Request) -> Reply:
        """GET."""
        found = await projects.all_of_them(self._database)
        caller = request.caller
        return json_reply([
            projects.shown(one) for one in found
            if caller.may_administer or (caller.is_whole and projects.administers(one, caller.granted_name or "", caller.groups))
        ])  # fmt: skip

    async def get(self, request: Request) -> Reply:
        """GET one."""
        return json_reply(projects.shown(await self._administered(request)))

    async def create(self, request: Request) -> Reply:
        """POST."""
        made = _checked(await json_object(request, _BODY), None)
        await self._changes.make(request, "project.create", made.project_key, lambda tx: projects.create(tx, made))
        return json_reply(projects.shown(made), 201)

    async def update(self, request: Request) -> Reply:
        """PUT: what is not stated stays."""
        await self._administered(request)
        stated = await json_object(request, _BODY)

        async def changed(_: Tx, project: Project) -> Project:
            made = _checked(stated, project)
            if not request.caller.may_administer and _bounds(made) != _bounds(project):
                raise Denied(
                    "Only administrators of the platform change the quota and what project administrators may do."
                )
            return made

        return json_reply(projects.shown(await self._change(request, "project.update", changed)))

    async def delete(self, request: Request) -> Reply:
        """DELETE: 400 while it has repositories, as clients expect."""
        key = word(request, "key")
        await self._changes.make(request, "project.delete", key, lambda tx: projects.delete(tx, key))
        return Reply(204)

    # --- members ------------------------------------------------------------------------------------------------------

    def _members(self, kind: Kind) -> tuple[Row, ...]:
        one, noun = f"{_PROJECTS}/{{key}}/{kind}", kind.removesuffix("s")

        async def listed(request: Request) -> Reply:
            project = await self._administered(request)
            members: dict[str, list[str]] = getattr(project, kind)
            return json_reply({"members": [Member(name, roles) for name, roles in sorted(members.items())]})

        async def got(request: Request) -> Reply:
            project, name = await self._administered(request), word(request, "name").lower()
            members: dict[str, list[str]] = getattr(project, kind)
            if name not in members:
                raise Part(key=project.project_key, what=noun, name=name[:255])
            return json_reply(Member(name, members[name]))

        async def put(request: Request) -> Reply:
            await self._administered(request)
            name, member = word(request, "name").lower(), await typed(request, Member)
            await self._change(
                request, "project.member", lambda tx, project: self._joined(tx, project, kind, name, member)
            )
            return json_reply(Member(name, member.roles))

        async def removed(request: Request) -> Reply:
            name = word(request, "name").lower()

            async def left(_: Tx, project: Project) -> Project:
                members: dict[str, list[str]] = getattr(project, kind)
                if name not in members:
                    raise Part(key=project.project_key, what=noun, name=name[:255])
                rest = {one: roles for one, roles in members.items() if one != name}
                return msgspec.structs.replace(project, **{kind: rest})

            await self._change(request, "project.member", left)
            return Reply(204)

        return (
            Row("GET", one, f"projects.{kind}.list", "user", listed, "access", response=dict,
                summary=f"The {kind} of a project"),
            Row("GET", f"{one}/{{name}}", f"projects.{kind}.get", "user", got, "access", response=Member,
                summary=f"A {noun} of a project"),
            Row("PUT", f"{one}/{{name}}", f"projects.{kind}.put", "user", put, "access",
                request=Member, response=Member, summary=f"Give a {noun} roles in a project"),
            Row("DELETE", f"{one}/{{name}}", f"projects.{kind}.delete", "user", removed, "access", status=204,
                summary=f"Take a {noun} out of a project"),
        )  # fmt: skip

    async def _joined(self, tx: Tx, project: Project, kind: Kind, name: str, member: Member) -> Project:
        known = global_roles(self._documents)
        for role in member.roles:
            if projects.role_of(project, role, known) is None:
                raise Invalid(f"The project '{project.project_key}' has no role '{role[:64]}'.")
        if kind == "users":
            await accounts.get(tx, name)
        else:
            await groups.get(tx, name)
        members: dict[str, list[str]] = {**getattr(project, kind), name: member.roles}
        if len(members) > _MOST:
            raise Invalid(f"A project has at most {_MOST} {kind}; put users into groups.")
        return msgspec.structs.replace(project, **{kind: members})

    # --- roles --------------------------------------------------------------------------------------------------------

    async def roles(self, request: Request) -> Reply:
        """GET all: predefined ones, those of all projects, and the project's own."""
        project = await self._administered(request)
        every = {**PREDEFINED, **global_roles(self._documents), **project.roles}
        return json_reply(list(every.values()))

    async def role(self, request: Request) -> Reply:
        """GET one."""
        project, name = await self._administered(request), word(request, "name")
        found = projects.role_of(project, name, global_roles(self._documents))
        if found is None:
            raise Part(key=project.project_key, what="role", name=name[:64])
        return json_reply(found)

    async def create_role(self, request: Request) -> Reply:
        """POST."""
        await self._administered(request)
        made = await typed(request, Role)
        return json_reply(await self._put_role(request, made, new=True), 201)

    async def put_role(self, request: Request) -> Reply:
        """PUT."""
        await self._administered(request)
        made = converted({**await json_object(request, _BODY), "name": word(request, "name")}, Role)
        return json_reply(await self._put_role(request, made, new=False))

    async def delete_role(self, request: Request) -> Reply:
        """DELETE: members and tokens lose it."""
        name = word(request, "name")

        async def removed(tx: Tx, project: Project) -> Project:
            if name not in project.roles:
                raise Part(key=project.project_key, what="role", name=name[:64])
            return await projects.without_role(tx, project, name)

        await self._change(request, "project.role", removed)
        return Reply(204)

    async def _put_role(self, request: Request, stated: Role, *, new: bool) -> Role:
        if stated.name in PREDEFINED:
            raise Invalid(f"The role '{stated.name}' is predefined.")
        made = msgspec.structs.replace(stated, type="CUSTOM")

        async def put(_: Tx, project: Project) -> Project:
            if new and made.name in project.roles:
                raise RoleExists(name=made.name)
            return msgspec.structs.replace(project, roles={**project.roles, made.name: made})

        await self._change(request, "project.role", put)
        return made

    # --- both ---------------------------------------------------------------------------------------------------------

    async def _change(
        self, request: Request, action: str, change: Callable[[Tx, Project], Awaitable[Project]]
    ) -> Project:
        """Change a project that the caller administers, seeing it as it is. Raises ProjectUnknown, Denied."""
        key = word(request, "key")

        async def work(tx: Tx) -> Project:
            project = await projects.find(tx, key)
            _may_administer(request, project, members=action != "project.update")
            if project is None:
                raise ProjectUnknown(key=key[:64])
            made = await change(tx, project)
            await projects.store(tx, made)
            return made

        return await self._changes.make(request, action, key, work)

    async def _administered(self, request: Request) -> Project:
        key = word(request, "key")
        found = await projects.find(self._database, key)
        _may_administer(request, found)
        if found is None:
            raise ProjectUnknown(key=key[:64])
        return found


def _may_administer(request: Request, project: Project | None, *, members: bool = False) -> None:
    """Raise unless the caller administers the project; whoever does not learns nothing of whether it is there."""
    caller = request.caller
    if caller.is_anonymous:
        raise Unauthenticated
    if caller.may_administer:
        return
    own = (
        project is not None and caller.user_id is not None and projects.administers(project, caller.name, caller.groups)
    )
    if not own or not caller.is_whole:
        raise Denied("Only administrators of the platform or of the project may do this.")
    if members and project is not None and not project.admin_privileges.manage_members:
        raise Denied("In this project only administrators of the platform manage members and roles.")


def _bounds(project: Project) -> tuple[projects.Privileges, float, bool]:
    """Return what binds the project's own administrators."""
    return project.admin_privileges, project.storage_quota_bytes, project.soft_limit


def _checked(stated: dict[str, Any], before: Project | None) -> Project:
    fields = {field: stated[field] for field in Project.__struct_fields__[:7] if stated.get(field) is not None}
    held = {} if before is None else msgspec.to_builtins(before)
    made = converted({**held, **fields}, Project)
    if before is not None and made.project_key != before.project_key:
        raise Invalid("The key of a project cannot be changed.")
    if not projects.quota_is_valid(made):
        raise Invalid("storage_quota_bytes must be -1, or at least 1073741824.")
    return made
