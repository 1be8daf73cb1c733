"""Public SSH keys of users, by their fingerprint."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from entrepot.errors import Conflict, Invalid, NotFound
from entrepot.metadata.database import Duplicate, Reads, Tx
from entrepot.metadata.sql import sql

_LONGEST: Final = 16_384  # characters
_MOST: Final = 100  # of one user

_OF = sql("SELECT fingerprint, label, public, created FROM ssh_key WHERE account_id = :account_id ORDER BY created")
_INSERT = sql("""
INSERT INTO ssh_key (fingerprint, account_id, label, public, created)
VALUES (:fingerprint, :account_id, :label, :public, {now})
""")
_DELETE = sql("DELETE FROM ssh_key WHERE account_id = :account_id AND fingerprint = :fingerprint")


class SshKeyInvalid(Invalid):
    """Not a public key as OpenSSH writes it, like `ssh-ed25519 AAAA... name`: {reason}."""


class SshKeyTaken(Conflict):
    """The SSH key {fingerprint} is stored already."""


class SshKeyUnknown(NotFound):
    """There is no SSH key {fingerprint}."""


@dataclass(frozen=True, slots=True)
class SshKey:
    """One key. `created` in milliseconds."""

    fingerprint: str  # SHA256:..., as ssh-keygen -l shows it
    label: str
    public: str
    created: int = 0


def parse(text: str) -> SshKey:
    """Read a line of an `authorized_keys` file without options. Raises SshKeyInvalid."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - 10 MiB, on first use
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key  # noqa: PLC0415 - as above

    parts = text.split(None, 2)
    if len(text) > _LONGEST or len(parts) < 2 or not text.isprintable():
        raise SshKeyInvalid(reason="it is too long, or has no key")
    try:
        load_ssh_public_key(" ".join(parts[:2]).encode())
        raw = base64.b64decode(parts[1], validate=True)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SshKeyInvalid(reason=str(error)[:200]) from None
    digest = base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
    return SshKey(f"SHA256:{digest}", parts[2] if len(parts) > 2 else "", " ".join(parts[:2]))


async def of(reads: Reads, account_id: int) -> Sequence[SshKey]:
    """Return a user's keys, oldest first."""
    return [SshKey(*row) for row in await reads.rows(_OF, account_id=account_id)]


async def add(tx: Tx, account_id: int, key: SshKey) -> None:
    """Store a key. Raises SshKeyTaken, Invalid."""
    if len(await of(tx, account_id)) >= _MOST:
        raise Invalid(f"A user has at most {_MOST} SSH keys.")
    try:
        await tx.execute(
            _INSERT, fingerprint=key.fingerprint, account_id=account_id, label=key.label, public=key.public
        )
    except Duplicate:
        raise SshKeyTaken(fingerprint=key.fingerprint) from None


async def remove(tx: Tx, account_id: int, fingerprint: str) -> None:
    """Forget a key. Raises SshKeyUnknown."""
    if not await tx.execute(_DELETE, account_id=account_id, fingerprint=fingerprint):
        raise SshKeyUnknown(fingerprint=fingerprint[:100])
