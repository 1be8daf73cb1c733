"""What is wrong with a certificate or its key is told with the setting, and with what to do."""

from pathlib import Path

import pytest

from entrepot.cli.certificate import check_certificate
from entrepot.settings import SettingsInvalid
from entrepot.settings_sources import load
from tests.parts.certificate import certificate
from tests.parts.presence import tool
from tests.parts.processes import run


def complaint(cert: Path, key: Path) -> str:
    settings = load({"tls.cert": str(cert), "tls.key": str(key)}, {}).settings
    with pytest.raises(SettingsInvalid) as told:
        check_certificate(settings)
    return str(told.value)


def test_a_certificate_with_its_key_is_fine_also_in_one_file(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    for pair in ((cert, key), (both, both)):
        check_certificate(load({"tls.cert": str(pair[0]), "tls.key": str(pair[1])}, {}).settings)


@pytest.mark.parametrize("form", ["pkcs8 -topk8", "ec -aes256"])
def test_an_encrypted_key_is_refused_with_the_command_that_opens_it(tmp_path: Path, form: str) -> None:
    cert, key = certificate(tmp_path)
    closed = tmp_path / "closed.pem"
    run([tool("openssl"), *form.split(), "-in", key, "-out", closed, "-passout", "pass:rosebud"])
    told = complaint(cert, closed)
    assert told.startswith(f"tls.key: {closed} is encrypted")
    assert f"openssl pkey -in {closed} -out key.pem" in told


def test_what_is_in_no_pem_form_is_named_with_the_setting_and_the_command(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    der = tmp_path / "der"
    run([tool("openssl"), "x509", "-in", cert, "-outform", "der", "-out", der])
    assert f"openssl x509 -inform der -in {der}" in complaint(der, key)
    assert complaint(der, key).startswith(f"tls.cert: {der} holds no certificate")
    assert complaint(key, cert).startswith(f"tls.cert: {key} holds no certificate")
    assert complaint(cert, cert).startswith(f"tls.key: {cert} holds no private key")


def test_the_key_of_another_certificate_and_a_broken_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    cert, key = certificate(tmp_path)
    _, other = certificate(tmp_path / "other")
    assert complaint(cert, other).startswith(f"tls.key: {other} is not the key of the first certificate in {cert}")
    key.write_text(f"{key.read_text()[:80]}\n-----END PRIVATE KEY-----\n")
    assert complaint(cert, key).startswith("tls.cert and tls.key: not a PEM certificate with its key")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    assert complaint(tmp_path / "no", key) == f"tls.cert: {tmp_path}/no cannot be read"
    assert complaint(cert, tmp_path).startswith(f"tls.key: {tmp_path} cannot be read: ")
