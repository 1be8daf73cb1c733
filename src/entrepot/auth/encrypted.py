"""Encrypted passwords: what stands in build scripts in the place of a password (reference C8).

The text is derived from the user and its `security_epoch` with a key of the instance: it cannot be turned back into the
password, stops to count when the password is changed or the user disabled, and nothing is stored for it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import string
from typing import Final

from entrepot.auth.accounts import Account

_PREFIX: Final = "AP"
_DIGITS: Final = string.digits + string.ascii_letters
_LENGTH: Final = 43  # digits of 256 bits to the base of 62
_SHAPE: Final = re.compile(rf"{_PREFIX}[0-9A-Za-z]{{{_LENGTH}}}")


class EncryptedPasswords:
    """Make and compare them; `key` is 32 bytes that no one else has."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, account: Account) -> str:
        """Return the encrypted password of a user."""
        text = f"{account.uuid}\0{account.security_epoch}".encode()
        number, digits = int.from_bytes(hmac.digest(self._key, text, hashlib.sha256)), []
        for _ in range(_LENGTH):
            number, digit = divmod(number, len(_DIGITS))
            digits.append(_DIGITS[digit])
        return _PREFIX + "".join(digits)

    def matches(self, account: Account, text: str) -> bool:
        """Whether a text is the encrypted password of a user."""
        return _SHAPE.fullmatch(text) is not None and hmac.compare_digest(self.of(account), text)
