"""What is demanded of passwords, by REST (reference C9): each a part of the configuration, as the descriptor has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from entrepot.auth.audit import record
from entrepot.auth.policies import (
    PASSWORDS,
    SECURITY,
    TOKENS,
    ExpirationPolicy,
    LockPolicy,
    PasswordPolicy,
    PasswordSettings,
    Policies,
    TokenExpiry,
)
from entrepot.configuration.documents import Documents, Entry, read
from entrepot.errors import Conflict, Invalid
from entrepot.messages import Reply, Request, Row, json_reply, text_reply
from entrepot.metadata.database import Tx
from entrepot.rest.json_bodies import json_object
from entrepot.rest.security.bodies import converted
from entrepot.rest.security.changes import actor
from entrepot.slips import check_names

T = TypeVar("T", bound=msgspec.Struct)

_OLD: Final = "/artifactory/api/security"
_ACCESS: Final = "/access/api/v1/config"
_BODY: Final = 1 << 16  # bytes


class Enabled(msgspec.Struct, frozen=True):
    """A switch."""

    enabled: bool


class PoliciesApi:
    """The handlers."""

    def __init__(self, documents: Documents, policies: Policies) -> None:
        self._documents = documents
        self._policies = policies

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        lock, expiry = f"{_OLD}/userLockPolicy", f"{_OLD}/configuration/passwordExpirationPolicy"
        settings, policy = f"{_OLD}/passwordSettings", f"{_ACCESS}/security/password_policy"
        basic = f"{_ACCESS}/security/authentication/basic_authentication_enabled"
        tokens = f"{_ACCESS}/token/default_expiry"
        return (
            Row("GET", lock, "policies.lock.get", "admin", self.get_lock, response=LockPolicy,
                summary="When users are locked"),
            Row("PUT", lock, "policies.lock.put", "admin", self.put_lock, request=LockPolicy, response="text/plain",
                summary="Lock users after different wrong passwords"),
            Row("GET", expiry, "policies.expiration.get", "admin", self.get_expiration, response=ExpirationPolicy,
                summary="When passwords expire"),
            Row("PUT", expiry, "policies.expiration.put", "admin", self.put_expiration, request=ExpirationPolicy,
                response=ExpirationPolicy, summary="Let passwords expire"),
            Row("GET", settings, "policies.settings.get", "admin", self.get_settings, response=PasswordSettings,
                summary="Whether passwords may be encrypted, and when they expire"),
            Row("PUT", settings, "policies.settings.put", "admin", self.put_settings, request=PasswordSettings,
                response=PasswordSettings, summary="Set whether passwords may be encrypted, and when they expire"),
            Row("GET", policy, "policies.password.get", "admin", self.get_password, "access", response=PasswordPolicy,
                summary="What new passwords must have"),
            Row("PUT", policy, "policies.password.put", "admin", self.put_password, "access", request=PasswordPolicy,
                response=PasswordPolicy, summary="Demand characters of new passwords"),
            Row("PATCH", policy, "policies.password.patch", "admin", self.patch_password, "access",
                request=PasswordPolicy, response=PasswordPolicy, summary="Change what new passwords must have"),
            Row("GET", basic, "policies.basic.get", "admin", self.get_basic, "access", response=Enabled,
                summary="Whether passwords count for requests"),
            Row("PUT", basic, "policies.basic.put", "admin", self.put_basic, "access", request=Enabled, response=Enabled,
                summary="Let passwords count for requests, or tokens and keys only"),
            Row("GET", tokens, "policies.tokens.get", "admin", self.get_tokens, "access", response=TokenExpiry,
                summary="How long tokens last of which nothing is said"),
            Row("PUT", tokens, "policies.tokens.put", "admin", self.put_tokens, "access", request=TokenExpiry,
                response=TokenExpiry, summary="Set how long tokens last of which nothing is said"),
        )  # fmt: skip

    async def get_lock(self, _: Request) -> Reply:
        """GET."""
        return json_reply(self._policies.locking())

    async def put_lock(self, request: Request) -> Reply:
        """PUT."""
        stated = await json_object(request, _BODY)
        attempts = stated.get("loginAttempts", 5)
        if isinstance(attempts, int) and not 1 <= attempts <= 100:
            raise Invalid("LoginAttempts must be between 1 - 100")
        policy = _typed(stated, LockPolicy)
        await self._merge(request, SECURITY, {"userLockPolicy": msgspec.to_builtins(policy)})
        return text_reply("UserLockPolicy was successfully updated")

    async def get_expiration(self, _: Request) -> Reply:
        """GET."""
        return json_reply(self._policies.expiration())

    async def put_expiration(self, request: Request) -> Reply:
        """PUT."""
        stated = await _policy(request, ExpirationPolicy)
        await self._merge(request, SECURITY, {"passwordSettings": {"expirationPolicy": msgspec.to_builtins(stated)}})
        return json_reply(stated)

    async def get_settings(self, _: Request) -> Reply:
        """GET."""
        return json_reply(self._policies.settings())

    async def put_settings(self, request: Request) -> Reply:
        """PUT."""
        stated = await _policy(request, PasswordSettings)
        await self._merge(request, SECURITY, {"passwordSettings": msgspec.to_builtins(stated)})
        return json_reply(stated)

    async def get_password(self, _: Request) -> Reply:
        """GET."""
        return json_reply(self._policies.passwords())

    async def put_password(self, request: Request) -> Reply:
        """PUT: what is not stated is not demanded."""
        stated = await _policy(request, PasswordPolicy)
        await self._merge(request, PASSWORDS, msgspec.to_builtins(stated))
        return json_reply(stated)

    async def patch_password(self, request: Request) -> Reply:
        """PATCH: what is not stated stays."""
        stated = await json_object(request, _BODY)
        check_names(stated, PasswordPolicy.__struct_encode_fields__)
        converted(stated, PasswordPolicy)
        await self._merge(request, PASSWORDS, stated)
        return json_reply(self._policies.passwords())

    async def get_basic(self, _: Request) -> Reply:
        """GET."""
        return json_reply(Enabled(self._policies.basic()))

    async def put_basic(self, request: Request) -> Reply:
        """PUT."""
        stated = await _policy(request, Enabled)
        if not stated.enabled and request.caller.how in {"basic", "encrypted"}:
            raise Conflict("No password would be accepted any more, yours neither: do this with a token or an API key.")
        await self._merge(request, SECURITY, {"basicAuthenticationEnabled": stated.enabled})
        return json_reply(stated)

    async def get_tokens(self, _: Request) -> Reply:
        """GET."""
        return json_reply(TokenExpiry(self._policies.token_expiry()))

    async def put_tokens(self, request: Request) -> Reply:
        """PUT."""
        stated = await _policy(request, TokenExpiry)
        await self._merge(request, TOKENS, msgspec.to_builtins(stated))
        return json_reply(stated)

    async def _merge(self, request: Request, section: str, change: Mapping[str, Any]) -> None:
        async def work(tx: Tx) -> None:
            body = _merged(await read(tx, section) or {}, change)
            await self._documents.store(tx, [Entry(section, "", body)])
            await record(tx, actor(request), "configuration.update", section, detail=" ".join(change))

        await self._documents.change(work)


async def _policy(request: Request, kind: type[T]) -> T:
    """Return the body. A policy that a slip would switch off is refused. Raises Invalid."""
    return _typed(await json_object(request, _BODY), kind)


def _typed(stated: Mapping[str, Any], kind: type[T]) -> T:
    check_names(stated, kind.__struct_encode_fields__)
    return converted(stated, kind)


def _merged(old: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(old)
    for name, value in change.items():
        before = found.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        found[name] = _merged(before, value) if both else value  # type: ignore[arg-type]
    return found
