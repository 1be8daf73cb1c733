"""The commands and their options. What they do is imported when they are called, so that each starts fast."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from entrepot.cli.existing import PLACES
from entrepot.errors import Invalid
from entrepot.settings import ROWS
from entrepot.settings_table import Setting

F = TypeVar("F", bound=Callable[..., Any])


class _Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return _without_placeholders(super().get_params(ctx))


class _Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return _without_placeholders(super().get_params(ctx))


def _without_placeholders(parameters: list[Any]) -> list[Any]:
    """Have the help name no value for options that take none, where Typer writes `<bool>`; also for its own `--help`."""
    for parameter in parameters:
        if isinstance(parameter, TyperOption) and parameter.is_flag:
            parameter.metavar = ""
    return parameters


app = typer.Typer(
    cls=_Group,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="One highly available home for every binary a company builds or downloads.",
)
admin = typer.Typer(cls=_Group, help="Administer an instance from its own machine.", no_args_is_help=True)
app.add_typer(admin, name="admin")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
File = Annotated[Path | None, typer.Option("--settings", metavar="FILE", help="The settings file.", show_default=False)]


def _option(setting: Setting) -> inspect.Parameter:
    default = setting.derived or setting.shown(setting.default)
    words = f"{setting.help} [default: {default}]" if default else setting.help
    option = typer.Option(setting.flag, help=words, metavar=setting.kind.placeholder, show_default=False)
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(setting.attribute, kind, default=None, annotation=Annotated[str | None, option])


def with_settings(command: F, keys: Collection[str] = ROWS) -> F:
    """Give a command an option for each of the settings; it gets those that were used as `flags`, by key."""
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "flags"]

    def wrapped(**given: Any) -> Any:
        rest = {parameter.name: given.pop(parameter.name) for parameter in own}
        by_attribute = {row.attribute: key for key, row in ROWS.items()}
        flags = {by_attribute[name]: value for name, value in given.items() if value is not None}
        return command(flags=flags, **rest)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + [_option(ROWS[key]) for key in keys]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
    return wrapped  # type: ignore[return-value]


def with_places(command: F) -> F:
    """Give a command the options that name an instance which has been started before."""
    return with_settings(command, PLACES)


@app.callback()
def entrepot(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", show_default=False)] = False,
) -> None:
    """Name what is answered before any of this is loaded."""


@app.command(cls=_Command)
@with_settings
def serve(flags: dict[str, str], file: File = None) -> None:
    """Serve, until SIGTERM or Ctrl-C."""
    from entrepot.cli.serve import serve as run  # noqa: PLC0415 - see above

    run(flags, file)


@app.command(cls=_Command)
@with_settings
def settings(
    flags: dict[str, str],
    file: File = None,
    json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the reference of all settings.")] = False,
) -> None:
    """Show the settings that a start uses and where each comes from."""
    from entrepot.cli.settings import reference, show  # noqa: PLC0415 - see above

    if markdown:
        typer.echo(reference(), nl=False)
    else:
        show(flags, file, json=json)


@app.command(cls=_Command)
@with_settings
def ping(flags: dict[str, str], file: File = None) -> int:
    """Ask whether the node answers that serves from the home folder. Exit status 1 when it does not."""
    from entrepot.cli.ping import ping as run  # noqa: PLC0415 - see above

    return run(flags, file)


@app.command(cls=_Command)
def version() -> None:
    """Print the version."""
    from entrepot import __version__  # noqa: PLC0415 - see above

    typer.echo(f"entrepot {__version__}")


@app.command(cls=_Command)
@with_places
def gc(
    flags: dict[str, str],
    file: File = None,
    check: Annotated[bool, typer.Option("--check", help="Report orphaned and missing blobs; change nothing.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Report and mend them.")] = False,
    json: Json = False,
) -> int:
    """Compare database and blob store, also while the server runs. Exit status 1 when they do not agree."""
    from entrepot.cli.inspect import run_check  # noqa: PLC0415 - see above

    if check == repair:
        raise Invalid("say either --check or --repair; garbage is collected by the running server")
    return run_check(flags, file, repair=repair, json=json)


@app.command(cls=_Command)
@with_places
def fsck(
    flags: dict[str, str],
    file: File = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Give damaged bytes up, so that a push replaces them.")
    ] = False,
    json: Json = False,
) -> int:
    """Read every blob again and compare its digest. Exit status 1 when one differs."""
    from entrepot.cli.inspect import run_fsck  # noqa: PLC0415 - see above

    return run_fsck(flags, file, repair=repair, json=json)


@admin.command("reset-password", cls=_Command)
@with_places
def reset_password(
    flags: dict[str, str],
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose password: admin's, unless named.")] = "",
    file: File = None,
    named: Annotated[
        str, typer.Option("--user", metavar="USER", help="The same as the argument.", show_default=False)
    ] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the new password from stdin.")] = False,
) -> None:
    """Give a user a new password, also while the server runs; a random one is shown once."""
    from entrepot.cli.passwords import reset  # noqa: PLC0415 - see above

    if user and named and user != named:
        raise Invalid(f"one user at a time: {user} or {named}")
    reset(flags, file, user=user or named or "admin", from_stdin=password_stdin)


@admin.command("rotate-master-key", cls=_Command)
@with_places
def rotate_master_key(flags: dict[str, str], file: File = None) -> None:
    """Seal all secrets with another master key; stop all nodes first."""
    from entrepot.cli.keys import rotate  # noqa: PLC0415 - see above

    rotate(flags, file)
