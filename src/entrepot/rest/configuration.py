"""The configuration descriptor by REST (reference 9.10, 15)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from entrepot.auth.directory.settings import GROUPS, SETTINGS, read_group_setting, read_setting
from entrepot.auth.policies import Policies
from entrepot.configuration import descriptor
from entrepot.configuration.documents import Documents, Entry, Sections
from entrepot.configuration.elements import without_effect
from entrepot.messages import Reply, Request, Row, json_reply, text_reply
from entrepot.repositories.repository import Repository
from entrepot.rest.security.changes import configure

_URL: Final = "/artifactory/api/system/configuration"


class ConfigurationApi:
    """The handlers."""

    def __init__(
        self, documents: Documents, repositories: Callable[[], Iterable[Repository]], *, anonymous: Callable[[], bool]
    ) -> None:
        self._documents = documents
        self._repositories = repositories
        self._anonymous = anonymous
        self._policies = Policies(documents)

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        return (
            Row("GET", _URL, "configuration.get", "admin", self.get, response="application/xml",
                summary="The configuration as XML"),
            Row("PATCH", _URL, "configuration.patch", "admin", self.patch, request="application/yaml", response="text/plain",
                summary="Change the configuration by YAML; null removes"),
            Row("GET", "/artifactory/api/securityconfig", "configuration.security", "admin", self.security, response=dict,
                summary="The security settings"),
        )  # fmt: skip

    async def get(self, _: Request) -> Reply:
        """GET the XML."""
        listed = [(one.key, one.rclass) for one in self._repositories() if not one.facts.reserved]
        return Reply(200, [("content-type", "application/xml")], descriptor.render(self._documents, listed))

    async def patch(self, request: Request) -> Reply:
        """PATCH: all of it or nothing; in force everywhere before this is answered."""
        from entrepot.configuration.patches import parse  # noqa: PLC0415 - 10 ms and 1 MiB, on first use

        patch = await asyncio.to_thread(parse, await request.body.read(descriptor.MAX_BYTES))

        def merged(held: Sections) -> list[Entry]:
            found = descriptor.entries(patch, held)
            for entry in found:
                _check(entry)
            return found

        changed = await configure(request, self._documents, merged) if patch else ()
        idle = without_effect(patch)
        remark = f"\nKept and shown, without effect here: {', '.join(idle)}" if idle else ""
        return text_reply(f"{len(changed)} changes to config merged successfully{remark}")

    async def security(self, _: Request) -> Reply:
        """GET what Terraform reads."""
        held = self._documents.one("security")
        passwords = held.get("passwordSettings")
        told = {
            "anonAccessEnabled": self._anonymous(),
            "hideUnauthorizedResources": held.get("hideUnauthorizedResources") is True,
            "passwordSettings": {
                **(passwords if isinstance(passwords, Mapping) else {}),
                "encryptionPolicy": self._policies.encryption(),
            },
        }
        return json_reply(told)


def _check(entry: Entry) -> None:
    """Raise Invalid for settings of directories that nobody could sign in by, as the Access API does."""
    if entry.body is None:
        return
    if entry.section == SETTINGS:
        read_setting(entry.key, entry.body)
    elif entry.section == GROUPS:
        read_group_setting(entry.key, entry.body)
