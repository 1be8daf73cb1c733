"""The master key, what is sealed with it, and the instance's signing key.

The master key never enters the database: it is 32 bytes that come by the environment or lie in `<home>/master.key`,
made at the first start. Whoever has the database without it has no secret.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from entrepot.configuration.secrets import SEALED
from entrepot.errors import EntrepotError, Invalid
from entrepot.metadata.database import Database, Tx
from entrepot.metadata.sql import sql

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

_KEY_BYTES = 32
_MARK = b"\x01"  # of the form: mark, 8 bytes that name the key, 12 of nonce, ciphertext with its tag
_NAME_BYTES = 8
_NONCE_BYTES = 12
_RSA_BITS = 2048
_SIGNING = "signing.key"
_FROM, _TO = (
    datetime(2020, 1, 1, tzinfo=UTC),
    datetime(2099, 1, 1, tzinfo=UTC),
)  # the key is trusted, not its certificate

_READ = sql("SELECT value FROM secret WHERE name = :name")
_WRITE = sql("INSERT INTO secret (name, value, created) VALUES (:name, :value, {now}) ON CONFLICT (name) DO NOTHING")


class MasterKeyInvalid(EntrepotError):
    """The master key in {place} is not 64 hexadecimal digits."""


class SealBroken(EntrepotError):
    """The master key does not open "{name}" in the database: it belongs elsewhere, or the value is damaged."""


class MasterKeyWrong(SealBroken):
    """The master key in {place} does not open the secrets in the database: the one that sealed them is needed; {remedy}."""


class MasterKeyElsewhere(EntrepotError):
    """The database is sealed with a master key that is not here: set ENTREPOT_MASTER_KEY, or copy it to {file}."""


def master_key(home: Path, given: str = "") -> bytes:
    """Return the master key: `given` as hex (from the environment), else the file's, which is made when there is none.

    Raises MasterKeyInvalid, OSError.
    """
    if given:
        return _parsed(given, "ENTREPOT_MASTER_KEY")
    file = home / "master.key"
    if not file.exists():
        _make(file)
    return _parsed(file.read_text(), str(file))


def derived(secret: bytes, purpose: str) -> bytes:
    """Return 32 bytes for one purpose, which tell nothing of the master key nor of those for others."""
    return hashlib.blake2b(purpose.encode(), key=secret, digest_size=32).digest()


class Vault:
    """Seal and open secrets with the master key (AES-256-GCM). What is sealed under one name opens under no other."""

    __slots__ = ("_cipher", "_name")

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 10 MiB, on first use

        self._cipher = AESGCM(key)
        self._name = hashlib.sha256(b"name of master key" + key).digest()[:_NAME_BYTES]

    def seal(self, name: str, value: bytes) -> bytes:
        """Return the bytes to store."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _MARK + self._name + nonce + self._cipher.encrypt(nonce, value, name.encode())

    def unseal(self, name: str, sealed: bytes) -> bytes:
        """Return what was sealed under this name. Raises SealBroken."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

        head, body = sealed[: 1 + _NAME_BYTES], sealed[1 + _NAME_BYTES :]
        if head != _MARK + self._name or len(body) < _NONCE_BYTES:
            raise SealBroken(name=name)
        try:
            return self._cipher.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], name.encode())
        except InvalidTag:
            raise SealBroken(name=name) from None


class TextSeals:
    """Secrets inside of documents: sealed bytes as text (`configuration.secrets.Seals`)."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal(self, name: str, text: str) -> str:
        """See Seals."""
        if text.startswith(SEALED):
            try:
                self.open(name, text)
            except SealBroken:
                raise Invalid(f"The secret {name} was not sealed here: state it anew.") from None
            return text
        return SEALED + base64.urlsafe_b64encode(self._vault.seal(name, text.encode())).decode()

    def open(self, name: str, text: str) -> str:
        """See Seals."""
        if not text.startswith(SEALED):
            return text
        try:
            sealed = base64.b64decode(text.removeprefix(SEALED), altchars=b"-_", validate=True)
        except ValueError:
            raise SealBroken(name=name) from None
        return self._vault.unseal(name, sealed).decode()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs and verifies this installation's tokens."""

    kid: str
    key: RSAKey

    def public_jwk(self) -> dict[str, str]:
        """Return the public key as an entry of a JSON Web Key Set (RFC 7517)."""
        return {**self.key.as_dict(private=False), "kid": self.kid, "use": "sig", "alg": "RS256"}  # type: ignore[dict-item]

    def certificate(self, name: str) -> str:
        """Return a certificate of the public key, signed by itself, as PEM: the same for as long as the key is."""
        return _certificate(self.key, self.kid, name)


async def unlocked(database: Database, home: Path, given: str = "") -> tuple[bytes, SigningKey]:
    """Return the master key, as `master_key` does, and the signing key that it opens.

    No file stays that does not belong to the database. Raises MasterKeyElsewhere, MasterKeyWrong, MasterKeyInvalid, OSError.
    """
    file = home / "master.key"
    makes = not given and not file.exists()
    sealed = makes and await database.row(_READ, name=_SIGNING) is not None
    if sealed and not file.exists():  # asked again: another worker may have made it meanwhile
        raise MasterKeyElsewhere(file=file)
    key = master_key(home, given)
    try:
        return key, await signing_key(database, Vault(key))
    except SealBroken:
        if makes:  # another node was filling the database at the same time, and was first
            file.unlink(missing_ok=True)
        if given:
            raise MasterKeyWrong(place="ENTREPOT_MASTER_KEY", remedy="set it to that one") from None
        raise MasterKeyWrong(place=file, remedy="copy that one to it, or set ENTREPOT_MASTER_KEY") from None


async def signing_key(database: Database, vault: Vault) -> SigningKey:
    """Return the installation's signing key, made at first use: of several nodes that make one, one wins."""
    row = await database.row(_READ, name=_SIGNING)
    if row is None:
        made = vault.seal(_SIGNING, await asyncio.to_thread(_generated))

        async def keep(tx: Tx) -> bytes:
            await tx.execute(_WRITE, name=_SIGNING, value=made)
            kept = await tx.row(_READ, name=_SIGNING)
            assert kept is not None
            return bytes(kept[0])

        sealed = await database.transact(keep)
    else:
        sealed = bytes(row[0])
    return _imported(vault.unseal(_SIGNING, sealed))


def _certificate(key: RSAKey, kid: str, name: str) -> str:
    from cryptography import x509  # noqa: PLC0415 - 10 MiB, on first use
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - as above

    pem = key.as_pem(private=True)
    private = serialization.load_pem_private_key(pem, None)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    serial = int.from_bytes(hashlib.sha256(kid.encode()).digest()[:19])
    made = (
        x509.CertificateBuilder(subject, subject, serial_number=serial)
        .public_key(private.public_key())  # type: ignore[arg-type]
        .not_valid_before(_FROM)
        .not_valid_after(_TO)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())  # type: ignore[arg-type]
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def _generated() -> bytes:
    from joserfc.jwk import RSAKey  # noqa: PLC0415 - 20 MiB, on first use

    return RSAKey.generate_key(_RSA_BITS).as_pem(private=True)


def _imported(pem: bytes) -> SigningKey:
    from joserfc.jwk import RSAKey  # noqa: PLC0415 - as above

    key = RSAKey.import_key(pem)
    return SigningKey(key.thumbprint(), key)


def _parsed(text: str, place: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise MasterKeyInvalid(place=place)
    return key


def _make(file: Path) -> None:
    """Write a new key in full before it gets its name, so that nobody reads half of it; the first of several wins."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    made = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(made, secrets.token_hex(_KEY_BYTES).encode() + b"\n")
        os.fsync(made)
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        os.close(made)
        draft.unlink()
    folder = os.open(file.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
