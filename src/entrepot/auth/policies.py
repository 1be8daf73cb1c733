"""What administrators demand of passwords: how they are made, how long they last, when an account is locked.

All of it is off until it is configured, by REST or in the descriptor (reference C9, C14):

    passwordPolicy                                  how many characters of which kind
    security.passwordSettings.expirationPolicy      after how many days a password has to be changed
    security.passwordSettings.encryptionPolicy      SUPPORTED, REQUIRED: only the encrypted form by Basic; UNSUPPORTED
    security.userLockPolicy                         after how many different wrong passwords an account is locked
    security.basicAuthenticationEnabled             whether a password counts beside the login of the web UI
    tokens                                          how long tokens last of which nothing is said
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from entrepot.auth.accounts import Account
from entrepot.configuration.documents import Documents
from entrepot.configuration.elements import ENCRYPTION_POLICIES
from entrepot.errors import Invalid, Unauthenticated

PASSWORDS: Final = "passwordPolicy"
SECURITY: Final = "security"
TOKENS: Final = "tokens"
_DAY: Final = 86_400_000  # milliseconds
_SPECIAL: Final = frozenset(string.punctuation)

Count = Annotated[int, msgspec.Meta(ge=0, le=100)]
T = TypeVar("T")


class PasswordPolicy(msgspec.Struct, frozen=True):
    """How many characters of each kind a new password has at least."""

    uppercase: Count = 0
    lowercase: Count = 0
    digit: Count = 0
    special_char: Count = 0
    length: Count = 0
    not_match_old: Annotated[int, msgspec.Meta(ge=0, le=1)] = 0

    def check(self, password: str, *, old: str | None = None) -> None:
        """Raise Invalid, naming all that is missing."""
        counted = (
            ("upper-case letters", self.uppercase, sum(c.isupper() for c in password)),
            ("lower-case letters", self.lowercase, sum(c.islower() for c in password)),
            ("digits", self.digit, sum(c.isdigit() for c in password)),
            ("special characters", self.special_char, sum(c in _SPECIAL for c in password)),
            ("characters", self.length, len(password)),
        )
        missing = [f"at least {wanted} {what}" for what, wanted, found in counted if found < wanted]
        if missing:
            raise Invalid(f"The password must have {', '.join(missing)}.")
        if self.not_match_old and password == old:
            raise Invalid("The new password must differ from the old one.")


class ExpirationPolicy(msgspec.Struct, frozen=True, rename="camel"):
    """When passwords expire."""

    enabled: bool = False
    password_max_age: Annotated[int, msgspec.Meta(ge=1, le=36_500)] = 60  # days
    notify_by_email: bool = True


class PasswordSettings(msgspec.Struct, frozen=True, rename="camel"):
    """What is demanded of passwords beside how they are made."""

    encryption_policy: Literal["SUPPORTED", "REQUIRED", "UNSUPPORTED"] = "SUPPORTED"
    expiration_policy: ExpirationPolicy = ExpirationPolicy()


class LockPolicy(msgspec.Struct, frozen=True, rename="camel"):
    """When an account is locked."""

    enabled: bool = False
    login_attempts: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5


class TokenExpiry(msgspec.Struct, frozen=True):
    """How long tokens last of which nothing is said, in seconds; 0: for ever."""

    default_token_expiration: Annotated[int, msgspec.Meta(ge=0, le=3_153_600_000)] = 31_536_000


class PasswordExpired(Unauthenticated):
    """Your password has expired: set a new one with POST /artifactory/api/security/users/authorization/changePassword"""


class Policies:
    """What is in force, read from the snapshot of the configuration at each question."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def passwords(self) -> PasswordPolicy:
        """Return what new passwords must have."""
        return _typed(self._documents.one(PASSWORDS), PasswordPolicy)

    def expiration(self) -> ExpirationPolicy:
        """Return when passwords expire."""
        return _typed(self._settings().get("expirationPolicy"), ExpirationPolicy)

    def locking(self) -> LockPolicy:
        """Return when accounts are locked."""
        return _typed(self._documents.one(SECURITY).get("userLockPolicy"), LockPolicy)

    def token_expiry(self) -> int:
        """Return for how many seconds a token lasts of which nothing is said; 0: for ever."""
        return _typed(self._documents.one(TOKENS), TokenExpiry).default_token_expiration

    def encryption(self) -> str:
        """Return SUPPORTED, REQUIRED or UNSUPPORTED."""
        stated = str(self._settings().get("encryptionPolicy") or "").upper()
        return stated if stated in ENCRYPTION_POLICIES else "SUPPORTED"

    def settings(self) -> PasswordSettings:
        """Return both in one."""
        expiration = msgspec.to_builtins(self.expiration())
        return _typed({"encryptionPolicy": self.encryption(), "expirationPolicy": expiration}, PasswordSettings)

    def basic(self) -> bool:
        """Whether a password counts as the credential of a request."""
        return self._documents.flag(SECURITY, "basicAuthenticationEnabled", default=True)

    def is_expired(self, account: Account, now: int) -> bool:
        """Whether a user must change its password before it counts again; `now` in milliseconds."""
        if account.password_set == 0:
            return True
        policy = self.expiration()
        return policy.enabled and (account.password_set or 0) + policy.password_max_age * _DAY <= now

    def _settings(self) -> Mapping[str, Any]:
        found = self._documents.one(SECURITY).get("passwordSettings")
        return found if isinstance(found, Mapping) else {}


def _typed(stated: object, kind: type[T]) -> T:
    """Return a document as a value; one that was written by other means and makes no sense demands nothing."""
    try:
        return msgspec.convert(stated or {}, kind, strict=False)
    except msgspec.ValidationError:
        return kind()
