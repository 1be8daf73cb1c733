"""A certificate that signs itself, for servers on loopback."""

from pathlib import Path

from tests.parts.presence import tool
from tests.parts.processes import run


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make the certificate of localhost and 127.0.0.1 in `folder`; it and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    name = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    run([tool("openssl"), *words.split(), *name, "-keyout", key, "-out", cert])
    return cert, key
