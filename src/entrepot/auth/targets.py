"""Permission targets as rows: bodies in the shape of the Access API, and what a transaction does to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from entrepot.access import views
from entrepot.access.permissions import PermissionTarget
from entrepot.errors import Conflict, Invalid, NotFound
from entrepot.metadata.database import Reads, Tx
from entrepot.metadata.sql import sql

PAGE: Final = 1000
Body = dict[str, Any]  # the Access shape; see access/views.py

_BY_NAME = sql("SELECT id, body FROM permission_target WHERE name = :name")
_PAGE = sql("SELECT name, body, modified FROM permission_target WHERE name > :after ORDER BY name LIMIT :limit")
_INSERT = sql("INSERT INTO permission_target (name, body, modified) VALUES (:name, :body, {now})")
_ALIKE = sql("SELECT name FROM permission_target WHERE LOWER(name) = :lowered")  # no index: only who creates asks
_UPDATE = sql("UPDATE permission_target SET body = :body, modified = {now} WHERE name = :name")
_DELETE = sql("DELETE FROM permission_target WHERE name = :name")
_USERS = sql("SELECT name FROM account WHERE name {any:names}")
_GROUPS = sql("SELECT name FROM team WHERE name {any:names}")


class TargetUnknown(NotFound):
    """Could not find permission target '{name}'."""


class TargetExists(Conflict):
    """Permission target '{name}' already exists."""


async def find(reads: Reads, name: str) -> Body | None:
    """Return the body of a target."""
    row = await reads.row(_BY_NAME, name=name)
    return None if row is None else msgspec.json.decode(row[1], type=Body)


async def get(reads: Reads, name: str) -> Body:
    """Return the body of a target. Raises TargetUnknown."""
    body = await find(reads, name)
    if body is None:
        raise TargetUnknown(name=name)
    return body


async def page(reads: Reads, *, after: str = "", limit: int = PAGE) -> Sequence[tuple[str, str]]:
    """Return (name, body as text) of the targets whose names come after one, in order."""
    return [(row[0], row[1]) for row in await reads.rows(_PAGE, after=after, limit=limit)]


async def create(tx: Tx, body: Body) -> None:
    """Add a target that `checked` has passed. Raises TargetExists, also for a name that differs in case alone."""
    found = await tx.row(_ALIKE, lowered=body["name"].lower())
    if found is not None:
        raise TargetExists(name=found[0])
    await tx.execute(_INSERT, name=body["name"], body=_packed(body))


async def replace(tx: Tx, body: Body) -> bool:
    """Store a target that `checked` has passed; return whether there was none of its name before."""
    if await tx.execute(_UPDATE, name=body["name"], body=_packed(body)):
        return False
    await create(tx, body)
    return True


async def delete(tx: Tx, name: str) -> None:
    """Remove a target. Raises TargetUnknown."""
    if not await tx.execute(_DELETE, name=name):
        raise TargetUnknown(name=name)


async def checked(reads: Reads, body: Body, knows: Callable[[str], bool]) -> Body:
    """Return the body as it is stored, names in lower case; `knows` tells whether there is a repository of a key.

    Raises Invalid when it names a user, group or repository that does not exist.
    """
    body = lowered(body)
    target = views.parse(body)
    for key in sorted(views.repositories(target)):
        if not knows(key):
            raise Invalid(f"Permission target contains a reference to a non-existing repository '{key}'.")
    users, groups = views.principals(target)
    _all_found("user", users, [row[0] for row in await reads.rows(_USERS, names=sorted(users))])
    _all_found("group", groups, [row[0] for row in await reads.rows(_GROUPS, names=sorted(groups))])
    return body


def lowered(body: Body) -> Body:
    """Return the body with names of users and groups in lower case. Raises Invalid for what is no body."""
    resources = _object(body.get("resources"))
    return {**body, "resources": {kind: _resource(_object(resource)) for kind, resource in resources.items()}}


async def forget(tx: Tx, kind: str, name: str) -> None:
    """Take what a deleted user or group was granted out of all targets, so that a new one of its name gets nothing.

    `kind` is `users` or `groups`.
    """
    await _forget(tx, lambda body: _take(body, kind, name))


async def forget_repository(tx: Tx, keys: AbstractSet[str]) -> None:
    """Take a deleted repository, by all its names, out of all targets, so that a new one of its name is in none."""
    await _forget(tx, lambda body: _take_repository(body, keys))


async def _forget(tx: Tx, take: Callable[[Body], bool]) -> None:
    after = ""
    while found := await page(tx, after=after):
        for target, text in found:
            body = msgspec.json.decode(text, type=Body)
            if take(body):
                await tx.execute(_UPDATE, name=target, body=_packed(body))
        after = found[-1][0]


def parsed(text: str) -> PermissionTarget:
    """Read a stored body."""
    return views.parse(msgspec.json.decode(text, type=Body))


def _take(body: Body, kind: str, name: str) -> bool:
    taken = [resource["actions"][kind].pop(name, None) for resource in _with_actions(body, kind)]
    for resource in _with_actions(body, kind):
        if not resource["actions"][kind]:
            del resource["actions"][kind]
    return any(words is not None for words in taken)


def _take_repository(body: Body, keys: AbstractSet[str]) -> bool:
    taken = False
    for resource in body["resources"].values():
        named = resource.get("targets") or {}
        for key in named.keys() & keys:
            del named[key]
            taken = True
    return taken


def _with_actions(body: Body, kind: str) -> list[Body]:
    return [resource for resource in body["resources"].values() if kind in (resource.get("actions") or {})]


def _resource(resource: Mapping[str, Any]) -> Body:
    actions = {
        kind: {str(name).lower(): words for name, words in _object(named).items()}
        for kind, named in _object(resource.get("actions")).items()
        if kind in ("users", "groups") and named is not None
    }
    return {**resource, "actions": actions}


def _object(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid("Resources, actions, users and groups must be objects.")
    return value


def _all_found(kind: str, wanted: Iterable[str], found: Iterable[str]) -> None:
    for name in sorted(set(wanted) - set(found)):
        raise Invalid(f"Permission target contains a reference to a non-existing {kind} '{name[:100]}'.")


def _packed(body: Body) -> str:
    return msgspec.json.encode(body).decode()
