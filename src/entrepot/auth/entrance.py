"""All that tells who comes in, built once for a process: what the routes of security and the pipeline work with."""

from __future__ import annotations

from dataclasses import dataclass, field

from entrepot.auth.admission import Admissions
from entrepot.auth.api_keys import ApiKeys
from entrepot.auth.authenticate import Authenticator
from entrepot.auth.by_password import Demands
from entrepot.auth.by_token import GivenOut
from entrepot.auth.directory.fixed import Fixed
from entrepot.auth.directory.source import LdapSource
from entrepot.auth.encrypted import EncryptedPasswords
from entrepot.auth.epochs import Epochs
from entrepot.auth.keys import SigningKey, Vault, derived
from entrepot.auth.lockout import Lockout
from entrepot.auth.oidc.exchange import Exchange
from entrepot.auth.oidc.keys import ProviderKeys
from entrepot.auth.outside import Outside
from entrepot.auth.passwords import Passwords
from entrepot.auth.policies import Policies
from entrepot.auth.sessions import Sessions
from entrepot.auth.tokens import Tokens
from entrepot.clock import SystemClock
from entrepot.configuration.documents import Documents
from entrepot.metadata.database import Database
from entrepot.outbound import fetch_json


@dataclass(frozen=True, slots=True)
class Entrance:
    """The objects of one process."""

    database: Database
    epochs: Epochs
    documents: Documents
    passwords: Passwords
    tokens: Tokens
    api_keys: ApiKeys
    sessions: Sessions
    demands: Demands
    authenticator: Authenticator
    exchange: Exchange

    @property
    def policies(self) -> Policies:
        """What is demanded of passwords."""
        return self.demands.policies


@dataclass(frozen=True, slots=True)
class Itself:
    """What this instance is known by: its master key, the key that it signs with, its id."""

    secret: bytes = field(repr=False)
    signing: SigningKey
    installation: str


def entrance(
    database: Database, epochs: Epochs, documents: Documents, passwords: Passwords, *,
    itself: Itself, directories: Fixed | None = None,
) -> Entrance:  # fmt: skip
    """Build them; `directories` are those of the settings."""
    secret = itself.secret
    tokens = Tokens(database, epochs, itself.signing, itself.installation)
    api_keys = ApiKeys(database, epochs, Vault(secret))
    sessions = Sessions(database, epochs, derived(secret, "sessions"))
    encrypted = EncryptedPasswords(derived(secret, "encrypted passwords"))
    policies = Policies(documents)
    lockout = Lockout(database, policies, derived(secret, "wrong passwords"), epochs.announce)
    demands = Demands(policies, encrypted, lockout)
    authenticator = Authenticator(
        database,
        epochs,
        GivenOut(tokens, api_keys, sessions),
        passwords,
        outside=Outside([LdapSource(documents, directories)], Admissions(database, epochs), database),
        demands=demands,
    )
    exchange = Exchange(database, documents, tokens, ProviderKeys(SystemClock(), fetch_json))
    return Entrance(
        database, epochs, documents, passwords, tokens, api_keys, sessions, demands, authenticator, exchange
    )
