"""`entrepot ping`: whether the node of this home folder answers; for health checks of containers."""

from __future__ import annotations

import http.client
import os
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path

from entrepot.cli.existing import NoInstance, serving
from entrepot.settings import Settings
from entrepot.settings_sources import load

_SECONDS = 4.0
_PATH = "/artifactory/api/system/ping"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask then
_SILENT = 1


def ping(flags: Mapping[str, str], file: Path | None) -> int:
    """Ask the node that serves from the home folder, or would with these settings; return 0, or 1 and say why."""
    loaded = load(flags, os.environ, file)
    settings = loaded.settings
    if "home" in loaded.origins and not settings.home.is_dir():  # who answers at the port then is another one
        return _complain(NoInstance(home=settings.home).message)
    asked = serving(settings.home) or settings
    try:
        status = _asked(asked)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    else:
        if status == http.client.OK:
            return 0
        reason = f"status {status}"
    hint = "" if "home" in loaded.origins else " The home folder of another node is named by --home DIR."
    return _complain(f"The node at {asked.host}:{asked.port} does not answer: {reason}.{hint}")


def _complain(message: str) -> int:
    sys.stderr.write(f"entrepot: {message}\n")
    return _SILENT


def _asked(settings: Settings) -> int:
    host = _EVERYWHERE.get(settings.host, settings.host)
    connection: http.client.HTTPConnection
    if settings.tls_cert is None:
        connection = http.client.HTTPConnection(host, settings.port, timeout=_SECONDS)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # this machine has another name there
        connection = http.client.HTTPSConnection(host, settings.port, timeout=_SECONDS, context=context)
    try:
        connection.request("GET", _PATH)
        return connection.getresponse().status
    finally:
        connection.close()
