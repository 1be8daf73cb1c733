"""Documents of the configuration that have keys of their own, as a resource of the Access API: list, get, add, set, remove."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from entrepot.auth.audit import record
from entrepot.configuration.documents import Documents, Entry, read
from entrepot.errors import Conflict, Invalid, NotFound
from entrepot.messages import Reply, Request, Row, json_reply
from entrepot.metadata.database import Tx
from entrepot.rest.json_bodies import json_object
from entrepot.rest.security.bodies import word
from entrepot.rest.security.changes import actor

Body = dict[str, Any]


class DocumentUnknown(NotFound):
    """There is no {noun} '{key}'."""


class DocumentExists(Conflict):
    """The {noun} '{key}' exists already."""


@dataclass(frozen=True, slots=True)
class Collection:
    """One resource: where it is, what it is called, and how its documents are read and shown."""

    path: str
    section: str
    noun: str  # "LDAP setting"
    key: str  # the field that names a document
    operation: str
    checked: Callable[[Mapping[str, Any], Mapping[str, Any]], Body]
    """Returns what a body makes of the document that is there (empty: none). Raises Invalid."""
    shown: Callable[[Mapping[str, Any]], Body]
    forget: Callable[[Tx, str], Awaitable[None]] | None = None
    """Takes what was removed from those who held it, so that a new one of its name gives nobody anything."""


class CollectionApi:
    """The handlers of one collection."""

    def __init__(self, documents: Documents, collection: Collection) -> None:
        self._documents = documents
        self._of = collection

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        path, one, name, noun = self._of.path, f"{self._of.path}/{{key}}", self._of.operation, self._of.noun
        return (
            Row("GET", path, f"{name}.list", "admin", self.list, "access", response=list, summary=f"List each {noun}"),
            Row("POST", path, f"{name}.create", "admin", self.create, "access", request=dict, response=dict, status=201,
                summary=f"Add a {noun}"),
            Row("PUT", path, f"{name}.put.named", "admin", self.put_named, "access", request=dict, response=dict,
                summary=f"Set the {noun} that the body names"),
            Row("GET", one, f"{name}.get", "admin", self.get, "access", response=dict, summary=f"A {noun}"),
            Row("PUT", one, f"{name}.put", "admin", self.put, "access", request=dict, response=dict,
                summary=f"Set a {noun}"),
            Row("DELETE", one, f"{name}.delete", "admin", self.delete, "access", status=204,
                summary=f"Remove a {noun}"),
        )  # fmt: skip

    async def list(self, _: Request) -> Reply:
        """GET all."""
        found = self._documents.section(self._of.section)
        return json_reply([self._of.shown({self._of.key: key, **body}) for key, body in found.items()])

    async def get(self, request: Request) -> Reply:
        """GET one."""
        key = word(request, "key")
        found = self._documents.section(self._of.section).get(key)
        if found is None:
            raise DocumentUnknown(noun=self._of.noun, key=key[:255])
        return json_reply(self._of.shown({self._of.key: key, **found}))

    async def create(self, request: Request) -> Reply:
        """POST."""
        key, stated = await self._named(request)
        return json_reply(await self._stored(request, key, stated, new=True), 201)

    async def put_named(self, request: Request) -> Reply:
        """PUT without a name in the path."""
        key, stated = await self._named(request)
        return json_reply(await self._stored(request, key, stated, new=False))

    async def _named(self, request: Request) -> tuple[str, Body]:
        stated = await json_object(request)
        key = stated.get(self._of.key)
        if not isinstance(key, str) or not key:
            raise Invalid(f"The field '{self._of.key}' is missing.")
        return key, stated

    async def put(self, request: Request) -> Reply:
        """PUT: what is not stated has its default, but for secrets, which stay."""
        key = word(request, "key")
        stated = await json_object(request)
        if stated.get(self._of.key, key) != key:
            raise Invalid("The name in the body must equal the one in the path.")
        return json_reply(await self._stored(request, key, {**stated, self._of.key: key}, new=False))

    async def delete(self, request: Request) -> Reply:
        """DELETE."""
        key = word(request, "key")

        async def work(tx: Tx) -> None:
            if await read(tx, self._of.section, key) is None:
                raise DocumentUnknown(noun=self._of.noun, key=key[:255])
            await self._documents.store(tx, [Entry(self._of.section, key, None)])
            if self._of.forget is not None:
                await self._of.forget(tx, key)
            await record(tx, actor(request), "configuration.delete", f"{self._of.section}/{key}")

        await self._documents.change(work, *(() if self._of.forget is None else ("security",)))
        return Reply(204)

    async def _stored(self, request: Request, key: str, stated: Body, *, new: bool) -> Body:
        made: Body = {}

        async def work(tx: Tx) -> None:
            held = await read(tx, self._of.section, key)
            if new and held is not None:
                raise DocumentExists(noun=self._of.noun, key=key[:255])
            made.clear()
            made.update(self._of.checked(stated, held or {}))
            await self._documents.store(tx, [Entry(self._of.section, key, made)])
            await record(tx, actor(request), "configuration.update", f"{self._of.section}/{key}")

        await self._documents.change(work)
        return self._of.shown(made)
