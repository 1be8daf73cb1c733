"""The keys of providers: found by discovery (OpenID Connect Discovery 1.0), remembered, asked again for a key not known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from entrepot.auth.oidc.settings import Provider
from entrepot.clock import Clock
from entrepot.errors import Unauthenticated
from entrepot.outbound import PartnerFailed, check_url

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, OKPKey, RSAKey

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
_FRESH: Final = 600_000  # milliseconds for which keys are taken as they are
_STALE: Final = 86_400_000  # milliseconds for which they still count while the provider does not answer
_AGAIN: Final = 10_000  # milliseconds between two questions for keys that are not known
_MOST: Final = 100  # keys of one provider
_LONGEST: Final = 32_768  # characters of a token
_SKEW: Final = 60  # seconds that clocks may differ by

Fetch = Callable[[str], Awaitable[Any]]


class IdTokenRefused(Unauthenticated):
    """The token of the identity provider is not valid: {reason}."""


@dataclass(slots=True)
class _Known:
    """What is known of one issuer. Times in milliseconds."""

    keys: dict[str, RSAKey | ECKey | OKPKey] = field(default_factory=dict)
    asked: int = -_STALE
    read: int = -_STALE
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class ProviderKeys:
    """Verify tokens of providers. One object per process, used on its loop."""

    def __init__(self, clock: Clock, fetch: Fetch) -> None:
        self._clock = clock
        self._fetch = fetch
        self._known: dict[str, _Known] = {}

    async def verified(self, provider: Provider, token: str) -> Mapping[str, Any]:
        """Return the claims of a token that the provider signed for us and that is valid now.

        Raises IdTokenRefused, PartnerFailed, UrlRefused.
        """
        from joserfc import jws  # noqa: PLC0415 - 20 MiB, on first use
        from joserfc.errors import JoseError  # noqa: PLC0415 - as above

        if len(token) > _LONGEST:
            raise IdTokenRefused(reason="it is too long")
        try:
            header = jws.extract_compact(token.encode("ascii")).headers()
        except (JoseError, ValueError, TypeError, KeyError):
            raise IdTokenRefused(reason="it is no signed token") from None
        if header.get("alg") not in ALGORITHMS:
            raise IdTokenRefused(reason="its algorithm is not accepted")
        key = await self._key(provider, str(header.get("kid") or ""))
        try:
            registry = jws.JWSRegistry(algorithms=[str(header["alg"])], strict_check_header=False)
            found = jws.deserialize_compact(token, key, registry=registry)
            claims = msgspec.json.decode(found.payload, type=dict[str, Any])
        except (JoseError, ValueError, TypeError, KeyError, msgspec.MsgspecError):
            raise IdTokenRefused(reason="its signature does not fit") from None
        _check(provider, claims, self._clock.now() // 1000)
        return claims

    async def _key(self, provider: Provider, kid: str) -> RSAKey | ECKey | OKPKey:
        known = self._known.setdefault(provider.issuer_url, _Known())
        found = _chosen(known, kid)
        if found is None or self._clock.now() - known.read > _FRESH:
            await self._refresh(provider, known, known.asked)
            found = _chosen(known, kid)
        if found is None:
            raise IdTokenRefused(reason="its key is not one of the provider's")
        return found

    async def _refresh(self, provider: Provider, known: _Known, seen: int) -> None:
        """Ask the provider for its keys, unless somebody has just done so. Raises PartnerFailed when none are left."""
        async with known.asking:
            now = self._clock.now()
            if known.asked != seen or now - known.asked < _AGAIN:
                return
            known.asked = now
            try:
                known.keys, known.read = await self._read(provider), now
            except PartnerFailed:
                if now - known.read > _STALE:
                    known.keys = {}
                    raise

    async def _read(self, provider: Provider) -> dict[str, RSAKey | ECKey | OKPKey]:
        base = provider.issuer_url.rstrip("/")
        told = await self._fetch(f"{base}/.well-known/openid-configuration")
        if not isinstance(told, dict) or str(told.get("issuer", "")).rstrip("/") not in (
            base,
            provider.issuer.rstrip("/"),
        ):
            raise PartnerFailed(host=base, reason="its configuration names another issuer")
        place = str(told.get("jwks_uri") or "")
        check_url(place)
        listed = await self._fetch(place)
        keys = listed.get("keys") if isinstance(listed, dict) else None
        if not isinstance(keys, list):
            raise PartnerFailed(host=base, reason="it has no keys")
        return dict(filter(None, map(_imported, keys[:_MOST])))


def _imported(stated: Any) -> tuple[str, RSAKey | ECKey | OKPKey] | None:
    """Return a public key that signs, by its id; None for any other."""
    from joserfc.errors import JoseError  # noqa: PLC0415 - as above
    from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey  # noqa: PLC0415 - as above

    if (
        not isinstance(stated, dict)
        or stated.get("use", "sig") != "sig"
        or stated.get("kty") not in ("RSA", "EC", "OKP")
    ):
        return None
    with suppress(JoseError, ValueError, TypeError, KeyError):
        key = JWKRegistry.import_key({name: value for name, value in stated.items() if name not in ("d", "alg")})
        if isinstance(key, (RSAKey, ECKey, OKPKey)):
            return str(stated.get("kid") or ""), key
    return None


def _chosen(known: _Known, kid: str) -> RSAKey | ECKey | OKPKey | None:
    if kid:
        return known.keys.get(kid)
    return next(iter(known.keys.values())) if len(known.keys) == 1 else None


def _check(provider: Provider, claims: Mapping[str, Any], now: int) -> None:
    """Raise IdTokenRefused unless the claims are the provider's, for us, and of now."""
    if claims.get("iss") != provider.issuer:
        raise IdTokenRefused(reason="somebody else issued it")
    audiences = claims.get("aud")
    if provider.audience and provider.audience not in (audiences if isinstance(audiences, list) else [audiences]):
        raise IdTokenRefused(reason=f"it is not meant for '{provider.audience}'")
    ends, begins = claims.get("exp"), claims.get("nbf", claims.get("iat", 0))
    if not isinstance(ends, (int, float)) or ends + _SKEW <= now:
        raise IdTokenRefused(reason="it has expired")
    if not isinstance(begins, (int, float)) or begins - _SKEW > now:
        raise IdTokenRefused(reason="it is not valid yet")
    if provider.provider_type.startswith("GitHub") and claims.get("repository_owner") != provider.organization:
        raise IdTokenRefused(reason=f"it is not of the organization '{provider.organization}'")
    # Azure names the application as `azp` or, in tokens of its version 1, `appid`; identity tokens only as who they are for.
    application = claims.get("azp", claims.get("appid", audiences))
    if provider.azure_app_id and application not in (provider.azure_app_id, [provider.azure_app_id]):
        raise IdTokenRefused(reason=f"it is not of the application '{provider.azure_app_id}'")
