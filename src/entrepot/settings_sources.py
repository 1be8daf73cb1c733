"""Where settings are set: three places, and never a name that nobody knows.

A flag of `entrepot serve` comes before an environment variable, that before the settings file, that before the default.
Names follow from the key: `gc.grace.seconds` is `--gc-grace-seconds`, `ENTREPOT_GC_GRACE_SECONDS`, and in the file,
which is TOML, `gc.grace.seconds = 60`, or `grace.seconds = 60` under `[gc]`. An empty variable counts as not set.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entrepot.settings import NODE_LENGTH, ROWS, Settings, SettingsInvalid, store_at_home
from entrepot.settings_table import Setting

FILE_NAME = "entrepot.toml"
FILE_VARIABLE = "ENTREPOT_SETTINGS"
_PREFIX = "ENTREPOT_"
_NOT_OURS = {
    "ENTREPOT_NEW_MASTER_KEY",  # of `entrepot admin rotate-master-key`
    "ENTREPOT_PARTS",  # of the test suite, as is all of ENTREPOT_TEST_*
    "ENTREPOT_REQUIRE_PARTS",
}
_BY_VARIABLE = {setting.variable: setting for setting in ROWS.values()}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force, and where they came from by key: a flag, a variable or a file. The rest are defaults."""

    settings: Settings
    origins: Mapping[str, str]


def load(flags: Mapping[str, str], environment: Mapping[str, str], file: Path | None = None) -> Loaded:
    """Read flags (by key), the environment and the settings file. Raises SettingsInvalid."""
    given = {key: (value, ROWS[key].flag) for key, value in flags.items()}
    for setting, value in _variables(environment):
        given.setdefault(setting.key, (value, setting.variable))
    named = environment.get(FILE_VARIABLE, "")
    source = file or (Path(named) if named else None)
    for key, value, origin in _entries(source, given):
        given.setdefault(key, (value, origin))
    values = {key: _read(ROWS[key], value, origin) for key, (value, origin) in given.items()}
    settings = _with_defaults(values)
    _check_together(settings)
    return Loaded(settings, {key: origin for key, (_, origin) in given.items()})


def _variables(environment: Mapping[str, str]) -> list[tuple[Setting, str]]:
    found = []
    for name, value in environment.items():
        if not name.startswith(_PREFIX) or name == FILE_VARIABLE:
            continue
        if name in _NOT_OURS or name.startswith("ENTREPOT_TEST_"):
            continue
        if name not in _BY_VARIABLE:
            raise SettingsInvalid(f"environment: unknown setting {name}{_meant(name, _BY_VARIABLE, _PREFIX)}")
        if value:
            found.append((_BY_VARIABLE[name], value))
    return found


def _entries(source: Path | None, given: Mapping[str, tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Return key, value and origin of each entry of the settings file: the named one, or the one in the home folder."""
    home = ROWS["home"]
    folder = _read(home, *given["home"]) if "home" in given else Settings().home.expanduser()
    path = source or folder / FILE_NAME
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if source is None:
            return []
        raise SettingsInvalid(f"{path}: there is no such file") from None
    except OSError as error:
        if source is None and not os.access(folder, os.X_OK):  # nobody can say whether there is such a file
            raise SettingsInvalid(f"the home folder {folder} cannot be used: {error.strerror}") from None
        raise SettingsInvalid(f"{path}: cannot be read: {error.strerror}") from None
    entries = [(key, value, str(path)) for key, value in _parse(content, path)]
    for key, _, _ in entries:
        if key not in ROWS:
            raise SettingsInvalid(f"{path}: unknown setting {key}{_meant(key, ROWS)}")
        if key == "home" and source is None:
            raise SettingsInvalid(f"{path}: home cannot be set by the file that is in it")
    return entries


def _parse(content: bytes, path: Path) -> list[tuple[str, str]]:
    import tomllib  # noqa: PLC0415 - most homes have no such file

    try:
        return list(_flat(tomllib.loads(content.decode()), ""))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsInvalid(f"{path}: {error}") from None


def _flat(table: Mapping[str, object], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in table.items():
        key = prefix + name
        if isinstance(value, dict) and key in ROWS and ROWS[key].kind.nested:
            found.append((key, json.dumps(value, default=str)))
        elif isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, bool):
            found.append((key, str(value).lower()))
        elif isinstance(value, list):
            found.append((key, ",".join(map(str, value))))
        else:
            found.append((key, str(value)))
    return found


def _read(setting: Setting, value: str, origin: str) -> Any:
    try:
        return setting.kind.read(value)
    except ValueError as error:
        name = origin if origin in {setting.flag, setting.variable} else f"{origin}: {setting.key}"
        told = "" if setting.secret or setting.kind.private else f", not {value[:80]!r}"
        raise SettingsInvalid(f"{name} must be {error}{told}") from None


def _with_defaults(values: Mapping[str, Any]) -> Settings:
    found = {ROWS[key].attribute: value for key, value in values.items()}
    home: Path = found.setdefault("home", Settings().home.expanduser())
    derived: dict[str, Callable[[], object]] = {
        "node_id": lambda: socket.gethostname()[:NODE_LENGTH],
        "blob_store": lambda: store_at_home(home),
        "drain_notice_seconds": lambda: 3 if found.get("database_url") else 0,
    }
    for name, make in derived.items():
        if found.get(name) in {None, ""}:
            found[name] = make()
    return Settings(**found)


def _check_together(settings: Settings) -> None:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsInvalid("tls.cert and tls.key must be set together")
    if (settings.s3_access_key is None) != (settings.s3_secret_key is None):
        raise SettingsInvalid("s3.access.key and s3.secret.key must be set together")
    if settings.port in settings.docker_ports:
        raise SettingsInvalid(f"docker.ports must not contain {settings.port}, which is the port itself")


def _meant(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return a hint at the known name that is nearly this one; a prefix that all share makes none alike."""
    from entrepot.slips import meant  # noqa: PLC0415 - only when somebody erred

    shared = max(len(prefix) - 1, 0)  # its last character stays: of four letters two may be swapped
    keys = [one[shared:] for one in known]
    close = next((one for one in keys if one.startswith(f"{name[shared:]}.")), "") or meant(name[shared:], keys)
    return f" (did you mean {name[:shared]}{close}?)" if close else ""
