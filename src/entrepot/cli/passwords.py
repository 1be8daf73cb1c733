"""`entrepot admin reset-password`: through the database, so that a running server knows within a second."""

# ruff: noqa: T201 - what a command prints is what it is for

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from entrepot.cli.existing import existing
from entrepot.cluster.home import PASSWORD_FILE
from entrepot.errors import Invalid

_MOST = 1_000  # characters; hashing is not for novels


def reset(flags: Mapping[str, str], file: Path | None, *, user: str, from_stdin: bool) -> None:
    """Set the password of a user. Raises Invalid, NotFound, NoInstance."""
    settings = existing(flags, file)
    if not user.isprintable():  # nor what was no UTF-8
        raise Invalid("That is no name of a user.")
    password = _line_of_stdin() if from_stdin else secrets.token_urlsafe(18)
    if not password or len(password) > _MOST:
        raise Invalid(f"A password has 1 to {_MOST} characters.")
    from entrepot.auth import resetting  # noqa: PLC0415 - heavy, and not before the arguments are right

    name = asyncio.run(resetting.reset_password(settings, user, password))
    if name == "admin":
        (settings.home / PASSWORD_FILE).unlink(missing_ok=True)  # what it holds opens nothing any more
    print("It counts on running nodes within a second.", file=sys.stderr)
    print(f"{name} has a new password." if from_stdin else f"The new password of {name}: {password}")


def _line_of_stdin() -> str:
    if sys.stdin is None:  # it was closed
        raise Invalid("There is no standard input to read the password from.")
    try:
        return sys.stdin.buffer.readline(4 * _MOST + 2).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Invalid("The password must be UTF-8.") from None
