"""From the token of a provider to one of ours: the first identity mapping that fits says whose it is and what it may do.

Mappings are an administrator's; the token that they give is bounded by them alone, as one that an administrator orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from entrepot.access.scopes import parse_scope
from entrepot.auth import accounts
from entrepot.auth.audit import Actor
from entrepot.auth.oidc.keys import ProviderKeys
from entrepot.auth.oidc.settings import PROVIDERS, IdentityMapping, Provider, filled
from entrepot.auth.standing import USER_SCOPE
from entrepot.auth.tokens import EVERYWHERE, Issued, Order, Tokens
from entrepot.configuration.documents import Documents
from entrepot.errors import Denied, Invalid
from entrepot.metadata.database import Database


class ProviderUnknown(Invalid):
    """There is no OIDC provider '{name}'."""


class NoMapping(Denied):
    """No identity mapping of the provider '{name}' fits the claims of the token."""


class MappedUserRefused(Denied):
    """The user '{name}' that the identity mapping names is not here, or is disabled."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A token of ours and whose it is."""

    issued: Issued
    username: str


class Exchange:
    """Exchange tokens. One object per process, used on its loop."""

    def __init__(self, database: Database, documents: Documents, tokens: Tokens, keys: ProviderKeys) -> None:
        self._database = database
        self._documents = documents
        self._tokens = tokens
        self._keys = keys

    async def exchange(self, name: str, token: str, *, mapping: str, reference: bool, address: str) -> Exchanged:
        """Return the token that the provider's is worth.

        Raises ProviderUnknown, IdTokenRefused, NoMapping, MappedUserRefused, ClaimRefused, PartnerFailed.
        """
        document = self._documents.section(PROVIDERS).get(name)
        if document is None:
            raise ProviderUnknown(name=name[:255])
        provider = msgspec.convert(document, Provider)
        claims = await self._keys.verified(provider, token)
        fitting = provider.mapping(mapping, claims)
        if fitting is None:
            raise NoMapping(name=name)
        order = await self._order(provider, fitting, claims, reference=reference)
        return Exchanged(await self._tokens.issue(order, Actor(order.subject, address)), order.subject)

    async def _order(
        self, provider: Provider, mapping: IdentityMapping, claims: Mapping[str, Any], *, reference: bool
    ) -> Order:
        spec = mapping.token_spec
        stated = filled(spec.username or spec.username_pattern, claims).lower()
        name = stated or f"{provider.name}-{mapping.name}".lower().replace(" ", "-")
        account = await accounts.find(self._database, name) if stated else None
        scope = parse_scope(_scope(mapping, claims))
        if (scope.user and account is None) or (account is not None and account.disabled):
            raise MappedUserRefused(name=name)
        return Order(
            name,
            None if account is None else account.id,
            0 if account is None else account.security_epoch,
            scope.text,
            audience=spec.audience or EVERYWHERE,
            expires_in=spec.expires_in,
            reference=reference,
            description=f"OIDC {provider.name}/{mapping.name}",
        )


def _scope(mapping: IdentityMapping, claims: Mapping[str, Any]) -> str:
    spec = mapping.token_spec
    if spec.groups_pattern:
        names = [name.strip('" ') for name in filled(spec.groups_pattern, claims).split(",")]
        return "applied-permissions/groups:" + ",".join(f'"{name}"' for name in names if name)
    return filled(spec.scope, claims) or USER_SCOPE
