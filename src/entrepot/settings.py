"""The settings: one table, three places to set them, and never a name that nobody knows.

A flag of `entrepot serve` comes before an environment variable, that before the settings file, that before the default.
Names follow from the key: `gc.grace.seconds` is `--gc-grace-seconds`, `ENTREPOT_GC_GRACE_SECONDS`, and in the file,
which is TOML, `gc.grace.seconds = 60`, or `grace.seconds = 60` under `[gc]`. An empty variable counts as not set.
"""

# ruff: noqa: RUF009 - `declare` makes a dataclass field, as `dataclasses.field` does

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from entrepot.settings_table import (
    BASE_URL,
    DATABASE_URL,
    FLAG,
    MASTER_KEY,
    NETWORKS,
    PASSWORD,
    PATH,
    PORT,
    PORTS,
    SECRET,
    TABLES,
    Network,
    Secret,
    Setting,
    choice,
    declare,
    rows,
    size,
    text,
    whole,
)

__all__ = ["ROWS", "Loaded", "Secret", "Settings", "SettingsInvalid", "dump", "load", "restore", "store_at_home"]

FILE_NAME = "entrepot.toml"
FILE_VARIABLE = "ENTREPOT_SETTINGS"
_PREFIX = "ENTREPOT_"
_NOT_OURS = {
    "ENTREPOT_NEW_MASTER_KEY",  # of `entrepot admin rotate-master-key`
    "ENTREPOT_PARTS",  # of the test suite, as is all of ENTREPOT_TEST_*
    "ENTREPOT_REQUIRE_PARTS",
}
_YEAR = 366 * 86_400
_NODE_LENGTH = 63
_HOST = text("a host name or address", r"[A-Za-z0-9.:_-]{1,253}", placeholder="HOST")
_STORE = text(
    "a URL such as file:///srv/blobs or s3://bucket/prefix",
    r"[a-z0-9]+:[^\x00-\x1f\x7f]*",
    private=True,
    placeholder="URL",
)
_LEVEL = choice("debug", "info", "warning", "error")


class SettingsInvalid(Exception):
    """A setting is unknown or its value is not valid; the text is one line for the person who wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a node, as values. The fields are the table."""

    home: Path = declare(PATH, Path("~/.entrepot"), "The folder that holds everything a node keeps on its own disk.")
    host: str = declare(_HOST, "127.0.0.1", "The address to listen on; `0.0.0.0` or `::` for all.")
    port: int = declare(PORT, 8081, "The port to listen on.")
    workers: int = declare(whole(1, 64), 2, "How many processes answer requests.")
    node_id: str = declare(
        text("a name of letters, digits, . _ -", rf"[A-Za-z0-9._-]{{1,{_NODE_LENGTH}}}"), "",
        "The name of this node, unique in its cluster.", derived="the machine's host name",
    )  # fmt: skip
    database_url: str = declare(
        DATABASE_URL,
        "",
        "The PostgreSQL database that the nodes of a cluster share.",
        derived="SQLite in the home folder",
    )
    database_connections: int = declare(
        whole(2, 1_000), 16, "How many connections to PostgreSQL each process holds at most: the workers, and one more."
    )
    blob_store: str = declare(
        _STORE, "",
        "Where bytes are kept: `file:///folder` or `s3://bucket/prefix`; `?endpoint=https://host` and `&region=name` may follow.",
        derived="`file://<home>/blobs`",
    )  # fmt: skip
    s3_access_key: Secret | None = declare(
        SECRET, None, "The access key id of the object store.", secret=True, derived="`AWS_ACCESS_KEY_ID`"
    )
    s3_secret_key: Secret | None = declare(
        SECRET, None, "The secret access key of the object store.", secret=True, derived="`AWS_SECRET_ACCESS_KEY`"
    )
    base_url: str = declare(
        BASE_URL, "", "The URL that users see, when it is not what their requests name.", derived="from each request"
    )
    admin_password: Secret | None = declare(
        PASSWORD, None, "The password that the user `admin` gets at the first start; ignored later.", secret=True,
        derived="generated, shown once, kept in `<home>/admin.password`",
    )  # fmt: skip
    master_key: Secret | None = declare(
        MASTER_KEY, None, "The key that encrypts stored secrets; the same on all nodes of a cluster.", secret=True,
        derived="`<home>/master.key`, made at the first start",
    )  # fmt: skip
    tls_cert: Path | None = declare(PATH, None, "A certificate chain (PEM); with it the port speaks TLS.")
    tls_key: Path | None = declare(PATH, None, "The private key of the certificate (PEM).")
    http2: str = declare(
        choice("tls", "always", "never"), "tls",
        "Where HTTP/2 is offered beside HTTP/1.1: over TLS, without TLS as well (with prior knowledge), or nowhere.",
    )  # fmt: skip
    connections_limit: int = declare(
        whole(16, 100_000),
        4_096,
        "How many connections a worker holds at once. Beyond, one that rests makes room on a plain port; else further ones wait.",
    )
    trusted_proxies: tuple[Network, ...] = declare(
        NETWORKS,
        (),
        "Proxies whose `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` and `X-JFrog-Override-Base-Url` headers are believed. Of "
        "the middle three the first entry counts, and the port only for a host that comes without one: proxies must set "
        "them themselves, and not add to those of the client.",
    )
    anonymous_enabled: bool = declare(
        FLAG, False,
        "Whether requests without credentials may do what `anonymous` may: read everything, until the permission "
        "`Anything` of a new instance is narrowed or deleted.",
    )  # fmt: skip
    ldap_servers: Secret | None = declare(
        TABLES, None, "Directory servers, with the fields of `access/api/v1/ldap/settings`; REST cannot change them.",
        secret=True,
    )  # fmt: skip
    ldap_groups: Secret | None = declare(
        TABLES, None, "How their groups are found, with the fields of `access/api/v1/ldap/groups`.", secret=True
    )
    docker_subdomain: str = declare(
        text("a host name", r"(?!\.)[A-Za-z0-9.-]{0,253}(?<!\.)"), "",
        "The host below which each repository has a name: `<repository>.<host>/<image>`.",
    )  # fmt: skip
    docker_ports: Mapping[int, str] = declare(PORTS, MappingProxyType({}), "Ports that each stand for one repository.")
    docker_sparse: bool = declare(FLAG, False, "Whether an image index may name manifests that were never pushed.")
    manifest_limit_bytes: int = declare(size(1 << 10, 64 << 20), 4 << 20, "The largest manifest that is accepted.")
    upload_expiry_seconds: int = declare(
        whole(60, _YEAR, "seconds"), 86_400, "How long an upload that nobody continues is kept."
    )
    gc_interval_seconds: int = declare(whole(1, _YEAR, "seconds"), 300, "How often garbage is collected.")
    gc_grace_seconds: int = declare(
        whole(1, _YEAR, "seconds"),
        14_400,
        "How long a blob outlives its last reference or its last mention to a client. What was stored or mentioned before "
        "a change keeps its time.",
    )
    drain_seconds: int = declare(
        whole(0, 86_400, "seconds"), 30, "How long running requests may take to finish when the node stops."
    )
    drain_notice_seconds: int = declare(
        whole(0, 3_600, "seconds"), -1,
        "How long the node says `not ready` before it stops accepting, so that a load balancer turns away first.",
        derived="3 with a shared database, else 0",
    )  # fmt: skip
    reported_version: str = declare(
        text("a version such as 7.90.15", r"\d+\.\d+\.\d+"), "7.90.15",
        "The version of Artifactory that clients are told, which decides what they ask for.",
    )  # fmt: skip
    log_format: str = declare(
        choice("auto", "console", "json"),
        "auto",
        "How log lines look on stderr; `auto` is console on a terminal, else json.",
    )
    log_level: str = declare(_LEVEL, "info", "The least severe log lines that are written.")
    log_requests: bool = declare(FLAG, True, "Whether each request has a line in `artifactory-request.log`.")
    log_rotate_bytes: int = declare(size(64 << 10, 1 << 40), 25 << 20, "The size at which a log file is put aside.")
    log_rotate_files: int = declare(whole(1, 1_000), 10, "How many files of each log are kept.")
    metrics_enabled: bool = declare(FLAG, True, "Whether metrics are counted and served.")


ROWS: Final[Mapping[str, Setting]] = rows(Settings)
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


def dump(settings: Settings) -> bytes:
    """Write all settings, secrets included, for the other processes of the node."""
    values = {key: (row, getattr(settings, row.attribute)) for key, row in ROWS.items()}
    return json.dumps(
        {key: row.kind.write(value) for key, (row, value) in values.items() if value is not None}
    ).encode()


def restore(dumped: bytes) -> Settings:
    """Read back what `dump` wrote."""
    return Settings(**{ROWS[key].attribute: ROWS[key].kind.read(value) for key, value in json.loads(dumped).items()})


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
        "node_id": lambda: socket.gethostname()[:_NODE_LENGTH],
        "blob_store": lambda: store_at_home(home),
        "drain_notice_seconds": lambda: 3 if found.get("database_url") else 0,
    }
    for name, make in derived.items():
        if found.get(name) in {None, ""}:
            found[name] = make()
    return Settings(**found)


def store_at_home(home: Path) -> str:
    """Return the URL of the blob store in a home folder."""
    return f"file://{quote(str(home))}/blobs"


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
