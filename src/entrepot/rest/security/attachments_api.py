"""Which repositories belong to which project, and which it may use of others (reference 10.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from entrepot.auth import projects
from entrepot.auth.projects import Shared
from entrepot.errors import Conflict, NotFound
from entrepot.messages import Parameter, Reply, Request, Row, json_reply
from entrepot.metadata.database import Tx
from entrepot.repositories.catalog import RESERVED, Repositories, RepositoryUnknown
from entrepot.repositories.located import SHARED, shared_with_all
from entrepot.rest.security.bodies import asked, word
from entrepot.rest.security.changes import Changes, actor

_BASE: Final = "/access/api/v1/projects/_"


class Attached(Conflict):
    """The repository '{key}' belongs to the project '{project}' already; say force=true to take it from there."""


class NotShared(NotFound):
    """The repository '{key}' is not shared with the project '{project}'."""


class NotSharedWithAll(NotFound):
    """The repository '{key}' is not shared with all projects."""


class AttachmentsApi:
    """The handlers."""

    def __init__(self, changes: Changes, repositories: Repositories) -> None:
        self._changes = changes
        self._repositories = repositories

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        attach, share = f"{_BASE}/attach/repositories/{{repo}}", f"{_BASE}/share/repositories/{{repo}}"
        force = (Parameter("force", "Also from another project", "boolean"),)
        only = (Parameter("readOnly", "Without deploying and deleting", "boolean"),)
        return (
            Row("PUT", f"{attach}/{{project}}", "projects.attach", "admin", self.attach, "access", parameters=force,
                status=204, summary="Put a repository into a project"),
            Row("DELETE", attach, "projects.detach", "admin", self.detach, "access", status=204,
                summary="Take a repository out of its project"),
            Row("PUT", f"{share}/{{project}}", "projects.share", "admin", self.share, "access", parameters=only,
                status=204, summary="Let a project use a repository"),
            Row("DELETE", f"{share}/{{project}}", "projects.unshare", "admin", self.unshare, "access", status=204,
                summary="No longer let a project use a repository"),
            Row("PUT", share, "projects.share.all", "admin", self.share_with_all, "access", parameters=only, status=204,
                summary="Let all projects use a repository"),
            Row("DELETE", share, "projects.unshare.all", "admin", self.unshare_with_all, "access", status=204,
                summary="No longer let all projects use a repository"),
            Row("GET", f"{_BASE}/repositories/{{repo}}", "projects.repository", "admin", self.get, "access", response=dict,
                summary="Which projects a repository belongs to"),
        )  # fmt: skip

    async def attach(self, request: Request) -> Reply:
        """PUT."""
        key, project = self._key(request), word(request, "project")
        await projects.get(self._changes.database, project)
        owner = self._project_of(key)
        if owner not in ("", project) and asked(request, "force").lower() != "true":
            raise Attached(key=key, project=owner)
        await self._assign(request, key, project)
        return Reply(204)

    async def detach(self, request: Request) -> Reply:
        """DELETE."""
        await self._assign(request, self._key(request), "")
        return Reply(204)

    async def share(self, request: Request) -> Reply:
        """PUT."""
        key, name = self._key(request), word(request, "project")
        shared = Shared(asked(request, "readOnly").lower() == "true")

        async def work(tx: Tx) -> None:
            project = await projects.get(tx, name)
            await projects.store(tx, msgspec.structs.replace(project, shared={**project.shared, key: shared}))

        await self._changes.make(request, "project.share", name, work, detail=key)
        return Reply(204)

    async def unshare(self, request: Request) -> Reply:
        """DELETE."""
        key, name = self._key(request), word(request, "project")

        async def work(tx: Tx) -> None:
            project = await projects.get(tx, name)
            if key not in project.shared:
                raise NotShared(key=key, project=name)
            rest = {one: shared for one, shared in project.shared.items() if one != key}
            await projects.store(tx, msgspec.structs.replace(project, shared=rest))

        await self._changes.make(request, "project.unshare", name, work, detail=key)
        return Reply(204)

    async def share_with_all(self, request: Request) -> Reply:
        """PUT."""
        key, read_only = self._key(request), asked(request, "readOnly").lower() == "true"
        await self._repositories.update(key, lambda config: {**config, SHARED: {"readOnly": read_only}}, actor(request))
        return Reply(204)

    async def unshare_with_all(self, request: Request) -> Reply:
        """DELETE."""
        key = self._key(request)

        def changed(config: Mapping[str, Any]) -> Mapping[str, Any]:
            if SHARED not in config:
                raise NotSharedWithAll(key=key)
            return {name: value for name, value in config.items() if name != SHARED}

        await self._repositories.update(key, changed, actor(request))
        return Reply(204)

    async def get(self, request: Request) -> Reply:
        """GET."""
        key = self._key(request)
        found = self._repositories.get(key)
        everybody = None if found is None else shared_with_all(found)
        shared = {
            one.project_key: one.shared[key].read_only
            for one in await projects.all_of_them(self._changes.database)
            if key in one.shared
        }
        return json_reply({
            "resource_name": key,
            "assigned_to": self._project_of(key),
            "shared_with_projects": sorted(shared),
            "shared_with_all_projects": everybody is not None,
            "shared_read_only": everybody.read_only if everybody else bool(shared) and all(shared.values()),
            "environments": [] if found is None else found.config.get("environments") or [],
        })  # fmt: skip

    async def _assign(self, request: Request, key: str, project: str) -> None:
        def changed(config: Mapping[str, Any]) -> Mapping[str, Any]:
            return {**config, "projectKey": project}

        await self._repositories.update(key, changed, actor(request))

    def _project_of(self, key: str) -> str:
        found = self._repositories.get(key)
        return "" if found is None else str(found.config.get("projectKey") or "")

    def _key(self, request: Request) -> str:
        key = word(request, "repo")
        if self._repositories.get(key) is None or key in RESERVED:
            raise RepositoryUnknown(key=key[:255])
        return key
