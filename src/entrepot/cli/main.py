"""The program `entrepot`: what is wrong is told in one line on stderr, never with a traceback.

Exit status: 0 done; 1 an inspection found something; 2 it could not be done; 130 interrupted.
"""

# ruff: noqa: T201 - what a command prints is what it is for

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from entrepot import __version__

if TYPE_CHECKING:
    import typer

FAILED, INTERRUPTED = 2, 130


def main() -> int:
    """Run the command line that this process was started with, and return the exit status."""
    arguments = sys.argv[1:] or ["--help"]
    if arguments in (["version"], ["--version"]):  # without Typer, which takes longer than all the rest
        print(f"entrepot {__version__}")
        return 0
    from entrepot.errors import EntrepotError, reason  # noqa: PLC0415 - as above
    from entrepot.settings import SettingsInvalid  # noqa: PLC0415 - as above

    try:
        return _run(arguments)
    except (EntrepotError, SettingsInvalid) as error:
        why = f" ({reason(error)})" if error.__cause__ is not None else ""
        return complain(f"{error}{why}")
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `entrepot settings | head`: what is still buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:  # the disk is full, say
        return complain(f"{error.filename or 'input or output'}: {error.strerror or error}")


def plain_flags(arguments: list[str]) -> dict[str, str] | None:
    """Read `--name value` and `--name=value`; return values by key, or None when there is anything else.

    Raises Invalid for a setting that is given twice, also where the rest is Typer's to read.
    """
    from entrepot.errors import Invalid  # noqa: PLC0415 - not for every command
    from entrepot.settings import ROWS  # noqa: PLC0415 - as above

    keys = {row.flag: key for key, row in ROWS.items()} | {"--settings": "settings"}
    found: dict[str, str] = {}
    plain = True
    rest = iter(arguments)
    for argument in rest:
        name, sign, value = argument.partition("=")
        if name in found:
            raise Invalid(f"{name} is given twice")
        given = None if name not in keys else value if sign else next(rest, None)
        plain = plain and given is not None
        if given is not None:
            found[name] = given
    return {keys[name]: value for name, value in found.items()} if plain else None


def complain(message: str) -> int:
    """Say in one line what is wrong, and return the exit status for that."""
    print("entrepot:", " ".join(message.split()), file=sys.stderr)
    return FAILED


def _run(arguments: list[str]) -> int:
    flags = plain_flags(arguments[1:])
    if flags is not None and arguments[0] in {"serve", "ping"}:  # without Typer, whose import is a good part of a start
        named = flags.pop("settings", None)
        return _run_plain(arguments[0], flags, Path(named) if named else None)
    import typer  # noqa: PLC0415 - 0.15 s

    from entrepot.cli.commands import app  # noqa: PLC0415 - as above

    try:
        status = typer.main.get_command(app).main(arguments, prog_name="entrepot", standalone_mode=False)
    except typer.TyperException as error:
        return _complain_of_words(error)
    except typer.Abort:
        return INTERRUPTED
    return status if isinstance(status, int) else 0


def _complain_of_words(error: typer.TyperException) -> int:
    """Say what is wrong with the command line; where a command of several is missing, their help has been shown."""
    from entrepot.slips import meant  # noqa: PLC0415 - only when somebody erred

    told = error.format_message()
    option, known = getattr(error, "option_name", ""), getattr(error, "possibilities", None)
    if option and known:  # Typer's own words name any that share some letters
        close = meant(option, known)
        told = error.message + (f" (did you mean {close}?)" if close else "")
    return complain(told) if told else FAILED


def _run_plain(command: str, flags: dict[str, str], file: Path | None) -> int:
    if command == "ping":
        from entrepot.cli.ping import ping  # noqa: PLC0415 - as above

        return ping(flags, file)
    from entrepot.cli.serve import serve  # noqa: PLC0415 - as above

    serve(flags, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
