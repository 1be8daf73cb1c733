"""The certificate and its key, looked at before anything is made: what is wrong with which setting, and what to do about it."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Final

from entrepot.settings import Settings, SettingsInvalid

_LARGEST: Final = 1 << 20  # bytes that are looked through
_CERTIFICATE: Final = b"CERTIFICATE-----"  # OpenSSL takes other kinds of them, too
_KEY: Final = b"PRIVATE KEY-----"
_ENCRYPTED: Final = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")


def check_certificate(settings: Settings) -> None:
    """Raise SettingsInvalid where `tls.cert` and `tls.key` are not a certificate chain and its key, in PEM and not encrypted."""
    if settings.tls_cert is None or settings.tls_key is None:
        return
    cert, key = settings.tls_cert, settings.tls_key
    _check_forms(cert, _content("tls.cert", cert), key, _content("tls.key", key))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsInvalid(
                f"tls.key: {key} is not the key of the first certificate in {cert}; name the key that it was made with, "
                "and in tls.cert have the server's certificate come first, then those that signed it"
            ) from None
        raise SettingsInvalid(f"tls.cert and tls.key: not a PEM certificate with its key: {error}") from None


def _content(name: str, path: Path) -> bytes:
    if not os.access(path, os.R_OK):
        raise SettingsInvalid(f"{name}: {path} cannot be read")
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise SettingsInvalid(f"{name}: {path} cannot be read: {error.strerror}") from None


def _check_forms(cert: Path, chain: bytes, key: Path, secret: bytes) -> None:
    if _CERTIFICATE not in chain:
        raise SettingsInvalid(
            f"tls.cert: {cert} holds no certificate in PEM form (BEGIN CERTIFICATE); from the binary form it is made by "
            f"openssl x509 -inform der -in {cert} -out cert.pem"
        )
    if any(mark in secret for mark in _ENCRYPTED):
        raise SettingsInvalid(
            f"tls.key: {key} is encrypted, and nobody is asked for its passphrase; name a key without one, made by "
            f"openssl pkey -in {key} -out key.pem, in a file that only the user of Entrepot can read"
        )
    if _KEY not in secret:
        raise SettingsInvalid(
            f"tls.key: {key} holds no private key in PEM form (BEGIN PRIVATE KEY); from the binary form it is made by "
            f"openssl pkey -inform der -in {key} -out key.pem"
        )
