"""The program `entrepot`: what is wrong is told in one line on stderr, never with a traceback.

Exit status: 0 done; 1 an inspection found something; 2 it could not be done; 130 interrupted.
"""

# ruff: noqa: T201 - what a command prints is what it is for

from __future__ import annotations

import os
import sys

from entrepot import __version__

FAILED, INTERRUPTED = 2, 130


def main() -> int:
    """Run the command line that this process was started with, and return the exit status."""
    arguments = sys.argv[1:] or ["--help"]
    if arguments in (["version"], ["--version"]):  # without Typer, which takes longer than all the rest
        print(f"entrepot {__version__}")
        return 0
    from entrepot.errors import EntrepotError  # noqa: PLC0415 - as above
    from entrepot.settings import SettingsInvalid  # noqa: PLC0415 - as above

    try:
        return _run(arguments)
    except (EntrepotError, SettingsInvalid) as error:
        return complain(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `entrepot settings | head`: what is still buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def complain(message: str) -> int:
    """Say in one line what is wrong, and return the exit status for that."""
    print("entrepot:", " ".join(message.split()), file=sys.stderr)
    return FAILED


def _run(arguments: list[str]) -> int:
    import typer  # noqa: PLC0415 - 0.15 s

    from entrepot.cli.commands import app  # noqa: PLC0415 - as above

    try:
        status = typer.main.get_command(app).main(arguments, prog_name="entrepot", standalone_mode=False)
    except typer.TyperException as error:
        return complain(error.format_message())
    except typer.Abort:
        return INTERRUPTED
    return status if isinstance(status, int) else 0


if __name__ == "__main__":
    sys.exit(main())
