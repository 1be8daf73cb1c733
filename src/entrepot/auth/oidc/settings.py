"""Providers and identity mappings as values: documents `oidcProviders`, spelled as the Access API spells them."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from entrepot.errors import Denied

PROVIDERS: Final = "oidcProviders"

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,254}$")]
Text = Annotated[str, msgspec.Meta(max_length=1024)]
Url = Annotated[str, msgspec.Meta(max_length=1024)]
_PLACE: Final = re.compile(r"\{\{\s*([^{}\s]{1,255})\s*\}\}")
_HARMLESS: Final = re.compile(r"[A-Za-z0-9._@+:/=-]{1,255}")


class ClaimRefused(Denied):
    """The claim '{claim}' of the token has a value that cannot stand in a scope or a name."""


class TokenSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What token a mapping gives."""

    username: Text = ""
    username_pattern: Text = ""
    groups_pattern: Text = ""
    scope: Annotated[str, msgspec.Meta(max_length=500)] = ""
    audience: Annotated[str, msgspec.Meta(max_length=255)] = "*@*"
    expires_in: Annotated[int, msgspec.Meta(ge=1, le=31_536_000)] = 60  # seconds


class IdentityMapping(msgspec.Struct, frozen=True, kw_only=True):
    """Whose tokens a provider's are, by their claims."""

    name: Name
    description: Text = ""
    provider_name: Text = ""
    priority: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1  # 1 goes first
    claims: dict[str, Any] = {}
    token_spec: TokenSpec = TokenSpec()

    def fits(self, claims: Mapping[str, Any]) -> bool:
        """Whether a token has every claim of the mapping; texts may hold `*`. A mapping without claims fits nothing."""
        return bool(self.claims) and all(_fits(wanted, claims.get(name)) for name, wanted in self.claims.items())


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whose tokens are exchanged."""

    name: Name
    issuer_url: Url
    description: Text = ""
    provider_type: Literal["generic", "Generic OpenID Connect", "GitHub", "GitHubEnterprise", "Azure"] = "generic"
    audience: Annotated[str, msgspec.Meta(max_length=255)] = ""
    organization: Text = ""
    project_key: Text = ""
    token_issuer: Url = ""
    azure_app_id: Text = ""
    use_default_proxy: bool = False
    enable_permissive_configuration: bool = False
    identity_mappings: list[IdentityMapping] = []

    @property
    def issuer(self) -> str:
        """What tokens name as who issued them."""
        return self.token_issuer or self.issuer_url

    def mapping(self, name: str, claims: Mapping[str, Any]) -> IdentityMapping | None:
        """Return the first mapping that fits by priority, or the one of a name if it does."""
        for one in sorted(self.identity_mappings, key=lambda one: (one.priority, one.name)):
            if name in ("", one.name) and one.fits(claims):
                return one
        return None


def filled(pattern: str, claims: Mapping[str, Any]) -> str:
    """Return a pattern with `{{claim}}` (or `{{nested.claim}}`) replaced. Raises ClaimRefused.

    A value that could end a quoted name or begin another entry of a scope is not let in.
    """

    def value(place: re.Match[str]) -> str:
        found: Any = claims.get(place[1])
        if found is None:
            found = claims
            for part in place[1].split("."):
                found = found.get(part) if isinstance(found, Mapping) else None
        text = found if isinstance(found, str) else ""
        if not _HARMLESS.fullmatch(text):
            raise ClaimRefused(claim=place[1])
        return text

    return _PLACE.sub(value, pattern)


def _fits(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, str) and isinstance(found, str):
        return fnmatch.fnmatchcase(found, _literal(wanted))
    if isinstance(wanted, str) and isinstance(found, list):
        return any(_fits(wanted, one) for one in found)
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(_fits(inner, found.get(name)) for name, inner in wanted.items())
    return type(wanted) is type(found) and wanted == found


def _literal(pattern: str) -> str:
    """Return a pattern of `*` alone as `fnmatch` reads it, whose other signs stand for themselves here."""
    return pattern.replace("[", "[[]").replace("?", "[?]")
