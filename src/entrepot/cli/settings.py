"""`entrepot settings`: what a start uses and where from; and the reference page, made from the same table."""

# ruff: noqa: T201 - what a command prints is what it is for

from __future__ import annotations

import json as encoder
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from entrepot.cli.existing import serving
from entrepot.settings import ROWS, Settings
from entrepot.settings_sources import Loaded, load
from entrepot.settings_table import Setting

_HEAD = """\
# Settings

<!-- Made by `entrepot settings --markdown` from src/entrepot/settings.py; a test compares. Do not edit. -->

Each setting is a flag of `entrepot serve`, an environment variable, and a key of the settings file. A flag comes before
the environment, that before the file, that before the default. An unknown name is an error, in all three.

The settings file is TOML: `entrepot.toml` in the home folder, or what `--settings FILE` or `ENTREPOT_SETTINGS` names.

```toml
workers = 4
trusted.proxies = ["10.0.0.0/8"]

[gc]
grace.seconds = 7200
```

`entrepot settings` shows what the next start uses and where each value comes from, and names what differs in the node that
runs. Changes take effect at the next start, unless a setting says otherwise.
"""


def show(flags: Mapping[str, str], file: Path | None, *, json: bool) -> None:
    """Print the settings that a start uses, and on stderr which of them a running node has not. Raises SettingsInvalid."""
    loaded = load(flags, os.environ, file)
    _tell_of_running(loaded.settings)
    if json:
        values = {key: {"value": _value(ROWS[key], loaded), "from": _origin(key, loaded)} for key in ROWS}
        print(encoder.dumps(values, indent=2))
        return
    lines = [("setting", "from", "value")]
    lines += [(key, _origin(key, loaded), _value(row, loaded)) for key, row in ROWS.items()]
    keys, origins = (max(len(line[column]) for line in lines) for column in (0, 1))
    for key, origin, value in lines:
        print(f"{key:{keys}}  {origin:{origins}}  {value}".rstrip())


def _tell_of_running(settings: Settings) -> None:
    now = serving(settings.home)
    if now is None:
        return
    others = [key for key, row in ROWS.items() if getattr(now, row.attribute) != getattr(settings, row.attribute)]
    if others:
        sys.stderr.write(
            f"entrepot: The node of {settings.home} was started with other values of {', '.join(others)}; "
            "shown is what the next start uses.\n"
        )


def reference() -> str:
    """Return docs/reference/settings.md."""
    return _HEAD + "".join(_section(row) for row in ROWS.values())


def _section(row: Setting) -> str:
    default = row.derived or (f"`{row.shown(row.default)}`" if row.shown(row.default) else "none")
    lines = [f"\n## {row.key}\n", row.help, ""]
    lines += [f"- Value: {row.kind.words}{' (kept secret)' if row.secret else ''}", f"- Default: {default}"]
    lines += [f"- Flag: `{row.flag}`", f"- Environment: `{row.variable}`", f"- Since: {row.since}"]
    if row.reload:
        lines.append("- Takes effect at once")
    return "\n".join(lines) + "\n"


def _value(row: Setting, loaded: Loaded) -> str:
    return row.shown(getattr(loaded.settings, row.attribute))


def _origin(key: str, loaded: Loaded) -> str:
    return loaded.origins.get(key, "default")
