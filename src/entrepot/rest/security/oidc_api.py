"""Keyless CI by REST (reference C12): providers, their identity mappings, and the exchange of tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from entrepot.access.scopes import parse_scope
from entrepot.auth.audit import record
from entrepot.auth.oidc.exchange import Exchange
from entrepot.auth.oidc.settings import PROVIDERS, IdentityMapping, Provider
from entrepot.configuration.documents import Documents, Entry, read
from entrepot.errors import Conflict, Invalid, NotFound
from entrepot.messages import NO_STORE, Reply, Request, Row, json_reply
from entrepot.metadata.database import Tx
from entrepot.outbound import check_url
from entrepot.rest.json_bodies import json_object
from entrepot.rest.security.bodies import converted, form_or_json, word
from entrepot.rest.security.changes import actor
from entrepot.rest.security.collection_api import Body, Collection, CollectionApi, DocumentUnknown

_OIDC: Final = "/access/api/v1/oidc"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ISSUED: Final = "urn:ietf:params:oauth:token-type:access_token"
_KINDS: Final = frozenset({"urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:jwt"})
_BODY: Final = 1 << 16  # bytes
_MOST: Final = 1000  # mappings of one provider
Mappings = list[IdentityMapping]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange. Of the rest that clients send about the job nothing is decided upon."""

    provider_name: str
    subject_token: str
    grant_type: str = _GRANT
    subject_token_type: str = "urn:ietf:params:oauth:token-type:id_token"
    identity_mapping_name: str = ""
    include_reference_token: bool = False


class MappingUnknown(NotFound):
    """The OIDC provider '{provider}' has no identity mapping '{name}'."""


class MappingExists(Conflict):
    """The OIDC provider '{provider}' has an identity mapping '{name}' already."""


class OidcApi:
    """The handlers."""

    def __init__(self, documents: Documents, exchange: Exchange) -> None:
        self._documents = documents
        self._exchange = exchange

    def rows(self) -> tuple[Row, ...]:
        """Return the rows. The exchange is open to all: the provider's token is the credential."""
        many, one = f"{_OIDC}/{{provider}}/identity_mappings", f"{_OIDC}/{{provider}}/identity_mappings/{{name}}"
        providers = Collection(_OIDC, PROVIDERS, "OIDC provider", "name", "oidc.providers", _checked, _shown)
        return (
            Row("POST", f"{_OIDC}/token", "oidc.exchange", "public", self.exchange, "access", request=Asked, response=dict,
                summary="Exchange the token of a provider for one of ours"),
            *CollectionApi(self._documents, providers).rows(),
            Row("GET", many, "oidc.mappings.list", "admin", self.list, "access", response=list,
                summary="The identity mappings of a provider"),
            Row("POST", many, "oidc.mappings.create", "admin", self.create, "access", request=IdentityMapping,
                response=IdentityMapping, status=201, summary="Add an identity mapping"),
            Row("GET", one, "oidc.mappings.get", "admin", self.get, "access", response=IdentityMapping,
                summary="An identity mapping"),
            Row("PUT", one, "oidc.mappings.put", "admin", self.put, "access", request=IdentityMapping,
                response=IdentityMapping, summary="Set an identity mapping"),
            Row("DELETE", one, "oidc.mappings.delete", "admin", self.delete, "access", status=204,
                summary="Remove an identity mapping"),
        )  # fmt: skip

    async def exchange(self, request: Request) -> Reply:
        """POST a form or JSON."""
        stated = {name: value for name, value in (await form_or_json(request)).items() if value is not None}
        try:
            asked = msgspec.convert(stated, Asked, strict=False)
        except msgspec.ValidationError as error:
            raise Invalid(str(error)) from None
        if asked.grant_type != _GRANT or asked.subject_token_type not in _KINDS:
            raise Invalid(f"The grant_type must be {_GRANT}, and the subject_token_type that of an id_token.")
        done = await self._exchange.exchange(
            asked.provider_name, asked.subject_token, mapping=asked.identity_mapping_name,
            reference=asked.include_reference_token, address=request.address,
        )  # fmt: skip
        issued = done.issued
        told: dict[str, Any] = {
            "access_token": issued.access_token, "scope": issued.scope, "token_type": "Bearer",
            "expires_in": issued.expires_in, "issued_token_type": _ISSUED, "username": done.username,
        }  # fmt: skip
        if issued.reference_token is not None:
            told["reference_token"] = issued.reference_token
        reply = json_reply(told)
        reply.headers.append(NO_STORE)
        return reply

    async def list(self, request: Request) -> Reply:
        """GET all of a provider."""
        return json_reply(self._provider(request).identity_mappings)

    async def get(self, request: Request) -> Reply:
        """GET one."""
        provider, name = self._provider(request), word(request, "name")
        for one in provider.identity_mappings:
            if one.name == name:
                return json_reply(one)
        raise MappingUnknown(provider=provider.name, name=name[:255])

    async def create(self, request: Request) -> Reply:
        """POST."""
        made = await self._stated(request, "")

        def added(mappings: Mappings) -> Mappings:
            if any(one.name == made.name for one in mappings):
                raise MappingExists(provider=made.provider_name, name=made.name)
            if len(mappings) >= _MOST:
                raise Invalid(f"A provider has at most {_MOST} identity mappings.")
            return [*mappings, made]

        await self._change(request, made.name, added)
        return json_reply(made, 201)

    async def put(self, request: Request) -> Reply:
        """PUT."""
        made = await self._stated(request, word(request, "name"))
        await self._change(request, made.name, lambda all_: [*(one for one in all_ if one.name != made.name), made])
        return json_reply(made)

    async def delete(self, request: Request) -> Reply:
        """DELETE."""
        name = word(request, "name")

        def removed(mappings: Mappings) -> Mappings:
            left = [one for one in mappings if one.name != name]
            if len(left) == len(mappings):
                raise MappingUnknown(provider=word(request, "provider")[:255], name=name[:255])
            return left

        await self._change(request, name, removed)
        return Reply(204)

    async def _stated(self, request: Request, name: str) -> IdentityMapping:
        """Return the mapping of the body. Raises Invalid, also for a scope that no token could have."""
        body = await json_object(request, _BODY)
        made = converted({**body, **({"name": name} if name else {})}, IdentityMapping)
        if made.token_spec.scope and "{{" not in made.token_spec.scope:
            parse_scope(made.token_spec.scope)
        return msgspec.structs.replace(made, provider_name=word(request, "provider"))

    def _provider(self, request: Request) -> Provider:
        key = word(request, "provider")
        found = self._documents.section(PROVIDERS).get(key)
        if found is None:
            raise DocumentUnknown(noun="OIDC provider", key=key[:255])
        return msgspec.convert(found, Provider)

    async def _change(self, request: Request, name: str, change: Callable[[Mappings], Mappings]) -> None:
        key = word(request, "provider")

        async def work(tx: Tx) -> None:
            held = await read(tx, PROVIDERS, key)
            if held is None:
                raise DocumentUnknown(noun="OIDC provider", key=key[:255])
            provider = msgspec.convert(held, Provider)
            new = msgspec.structs.replace(provider, identity_mappings=change(provider.identity_mappings))
            await self._documents.store(tx, [Entry(PROVIDERS, key, msgspec.to_builtins(new))])
            await record(tx, actor(request), "configuration.update", f"{PROVIDERS}/{key}", detail=f"mapping {name}")

        await self._documents.change(work)


def _checked(stated: Mapping[str, Any], held: Mapping[str, Any]) -> Body:
    mappings = held.get("identity_mappings", [])
    made = converted({**stated, "identity_mappings": mappings}, Provider)
    check_url(made.issuer_url)
    if made.provider_type.startswith("GitHub") and not made.organization:
        raise Invalid("A provider of type GitHub needs the organization whose tokens are accepted.")
    if made.project_key:
        raise Invalid(
            "Providers are those of all projects: leave project_key out, and name roles of the project in scopes."
        )
    body: Body = msgspec.to_builtins(made)
    return body


def _shown(document: Mapping[str, Any]) -> Body:
    return {name: value for name, value in document.items() if name != "identity_mappings"}
