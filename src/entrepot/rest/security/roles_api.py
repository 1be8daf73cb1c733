"""Roles and environments that all projects have (reference C6, 10.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from entrepot.auth.projects import forget_role
from entrepot.auth.roles import DEV, ENVIRONMENTS, GLOBAL_ROLES, PREDEFINED, PROD, Role
from entrepot.configuration.documents import Documents, Entry, Sections
from entrepot.errors import Conflict, Invalid, NotFound
from entrepot.messages import Reply, Request, Row, json_reply
from entrepot.rest.security.bodies import converted, typed, word
from entrepot.rest.security.changes import configure
from entrepot.rest.security.collection_api import Body, Collection, CollectionApi

_ENVIRONMENTS: Final = "/access/api/v1/environments"


class Environment(msgspec.Struct, frozen=True):
    """Where repositories can be."""

    name: str


class Renamed(msgspec.Struct, frozen=True):
    """A new name."""

    new_name: str


class EnvironmentUnknown(NotFound):
    """There is no environment '{name}'."""


class EnvironmentExists(Conflict):
    """The environment '{name}' exists already."""


def global_roles(documents: Documents) -> dict[str, Role]:
    """Return the roles that all projects have beside the predefined ones."""
    return {name: msgspec.convert(body, Role) for name, body in documents.section(GLOBAL_ROLES).items()}


def roles(documents: Documents) -> tuple[Row, ...]:
    """Return the rows of global roles."""
    collection = Collection(
        "/access/api/v1/roles", GLOBAL_ROLES, "global role", "name", "roles", _checked, dict, forget_role
    )
    return CollectionApi(documents, collection).rows()


def _checked(stated: Mapping[str, Any], _: Mapping[str, Any]) -> Body:
    made = converted({**stated, "type": "CUSTOM_GLOBAL"}, Role)
    if made.name in PREDEFINED:
        raise Invalid(f"The role '{made.name}' is predefined.")
    body: Body = msgspec.to_builtins(made)
    return body


class EnvironmentsApi:
    """The handlers."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        one = f"{_ENVIRONMENTS}/{{name}}"
        return (
            Row("GET", _ENVIRONMENTS, "environments.list", "user", self.list, "access", response=list,
                summary="Environments"),
            Row("POST", _ENVIRONMENTS, "environments.create", "admin", self.create, "access",
                request=Environment, response=Environment, status=201,
                summary="Add an environment"),
            Row("POST", f"{one}/rename", "environments.rename", "admin", self.rename, "access",
                request=Renamed, response=Environment,
                summary="Rename an environment"),
            Row("DELETE", one, "environments.delete", "admin", self.delete, "access", status=204,
                summary="Remove an environment"),
        )  # fmt: skip

    async def list(self, _: Request) -> Reply:
        """GET."""
        return json_reply([Environment(name) for name in (DEV, PROD, *self._documents.section(ENVIRONMENTS))])

    async def create(self, request: Request) -> Reply:
        """POST."""
        made = await typed(request, Environment)

        def added(held: Sections) -> list[Entry]:
            _free(held, made.name)
            return [Entry(ENVIRONMENTS, made.name, {})]

        await configure(request, self._documents, added)
        return json_reply(made, 201)

    async def rename(self, request: Request) -> Reply:
        """POST."""
        name, new = word(request, "name"), (await typed(request, Renamed)).new_name

        def renamed(held: Sections) -> list[Entry]:
            _known(held, name)
            _free(held, new)
            return [Entry(ENVIRONMENTS, name, None), Entry(ENVIRONMENTS, new, {})]

        await configure(request, self._documents, renamed)
        return json_reply(Environment(new))

    async def delete(self, request: Request) -> Reply:
        """DELETE."""
        name = word(request, "name")

        def removed(held: Sections) -> list[Entry]:
            _known(held, name)
            return [Entry(ENVIRONMENTS, name, None)]

        await configure(request, self._documents, removed)
        return Reply(204)


def _known(held: Sections, name: str) -> None:
    if name not in held.get(ENVIRONMENTS, {}):
        raise EnvironmentUnknown(name=name[:64])


def _free(held: Sections, name: str) -> None:
    if not name.isprintable() or not 0 < len(name) <= 64:
        raise Invalid("The name of an environment has between 1 and 64 printable characters.")
    if name in (DEV, PROD) or name in held.get(ENVIRONMENTS, {}):
        raise EnvironmentExists(name=name)
