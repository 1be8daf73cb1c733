"""What a setting is, and how its text becomes a value: the vocabulary in which `settings.py` declares the table.

Flags, environment variables and the settings file all give text; each kind reads it in one way only. A kind raises
ValueError with the rest of the sentence "<name> must be ...".
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_YES, _NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}
_SIZE = re.compile(r"([0-9]{1,15}) ?([KMGT]i?B|B)?")
_UNITS = {"B": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_PORTS = range(1, 65_536)
_PASSWORD_BYTES = 1024  # as `auth.passwords` takes them


class Secret:
    """A text that is shown as stars wherever it is printed."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself; for the one place that needs it."""
        return self._text

    def __str__(self) -> str:
        return "*****"

    def __repr__(self) -> str:
        return "Secret(*****)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Kind:
    """How one type of value is read from text, written back, and described."""

    words: str
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str
    private: bool = False  # may hold a password, and so is not printed with the rest
    nested: bool = False  # in the file its value is tables, in a flag or variable their JSON
    placeholder: str = "TEXT"  # for a value, in the help of commands


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table; its names in the three sources all follow from the key."""

    key: str
    kind: Kind
    default: Any
    help: str
    since: str
    reload: bool  # takes effect without a restart
    secret: bool
    derived: str  # how a default that depends on other settings is described

    @property
    def attribute(self) -> str:
        """The name in `Settings`."""
        return self.key.replace(".", "_")

    @property
    def flag(self) -> str:
        """The option of `entrepot serve`."""
        return "--" + self.key.replace(".", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "ENTREPOT_" + self.key.upper().replace(".", "_")

    def shown(self, value: object) -> str:
        """Return the value as a person may see it: secrets hidden, also those inside of a URL."""
        if value is None or value == "":
            return ""
        text = str(value) if isinstance(value, Secret) else self.kind.write(value)
        return without_password(text) if "://" in text else text


def declare(
    kind: Kind,
    default: object,
    words: str,
    *,
    since: str = "0.1",
    reload: bool = False,
    secret: bool = False,
    derived: str = "",
) -> Any:
    """Declare a field of `Settings` as a setting; its key is the field's name with dots for underscores."""
    row = {"kind": kind, "help": words, "since": since, "reload": reload, "secret": secret, "derived": derived}
    return dataclasses.field(default_factory=lambda: default, metadata=row, repr=not (secret or kind.private))


def rows(settings: type[Any]) -> Mapping[str, Setting]:
    """Return the table that a class of settings declares, by key, in its order."""
    found = {}
    for field in dataclasses.fields(settings):
        assert callable(field.default_factory)
        key = field.name.replace("_", ".")
        found[key] = Setting(key, default=field.default_factory(), **field.metadata)
    return found


def without_password(url: str) -> str:
    """Return a URL without the password of its user, and without the passwords and keys in its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "*****"
    user, at, host = parts.netloc.rpartition("@")
    hidden = f"{user.partition(':')[0]}:*****{at}{host}" if ":" in user else parts.netloc
    query = "&".join(f"{name}={'*****' if _opens(name) else value}" for name, _, value in _pairs_of_query(parts.query))
    return parts._replace(netloc=hidden, query=query).geturl()


def _opens(name: str) -> bool:
    return any(word in unquote(name).lower() for word in ("pass", "secret", "key", "token"))


def _pairs_of_query(query: str) -> list[tuple[str, str, str]]:
    return [part.partition("=") for part in query.split("&") if part]


def text(
    words: str = "text", pattern: str = r"[^\x00-\x1f\x7f]*", *, private: bool = False, placeholder: str = "TEXT"
) -> Kind:
    """Text of one line that fits the pattern."""

    def read(given: str) -> str:
        if not re.fullmatch(pattern, given):
            raise ValueError(words)
        return given

    return Kind(words, read, private=private, placeholder=placeholder)


def choice(*names: str) -> Kind:
    """One of a few names."""
    return text(f"one of {', '.join(names)}", "|".join(map(re.escape, names)), placeholder="|".join(names))


def whole(least: int, most: int, unit: str = "") -> Kind:
    """A whole number within bounds, both included."""
    words = f"a whole number{unit and f' of {unit}'} from {least} to {most}"

    def read(given: str) -> int:
        if not re.fullmatch(r"-?\d{1,18}", given, re.ASCII) or not least <= int(given) <= most:
            raise ValueError(words)
        return int(given)

    return Kind(words, read, placeholder=unit.upper() or "NUMBER")


def size(least: int, most: int) -> Kind:
    """A number of bytes, also written with a unit: `4194304`, `4 MiB`, `4MB`; units are powers of 1024."""
    words = f"a number of bytes from {least} to {most}, also with a unit such as MiB"

    def read(given: str) -> int:
        match = _SIZE.fullmatch(given)
        found = int(match[1]) << 10 * _UNITS[(match[2] or "B")[0]] if match else -1
        if not least <= found <= most:
            raise ValueError(words)
        return found

    return Kind(words, read, placeholder="BYTES")


def _read_flag(given: str) -> bool:
    if given.lower() not in _YES | _NO:
        raise ValueError(FLAG.words)
    return given.lower() in _YES


def _read_path(given: str) -> Path:
    try:
        if not given or "\0" in given:
            raise ValueError(PATH.words)
        return Path(given).expanduser().absolute()
    except RuntimeError:  # the home folder of a user whom nobody knows
        raise ValueError(PATH.words) from None


def _read_base_url(given: str) -> str:
    if given and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", given):
        raise ValueError(BASE_URL.words)
    return given.rstrip("/")


def _read_database_url(given: str) -> str:
    if given and not re.fullmatch(r"postgres(ql)?://[^\x00-\x20\x7f]+", given):
        raise ValueError(DATABASE_URL.words)
    return re.sub("^postgres://", "postgresql://", given)


def _read_master_key(given: str) -> Secret:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", given):
        raise ValueError(MASTER_KEY.words)
    return Secret(given.lower())


def _read_networks(given: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in given.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(NETWORKS.words) from error


def _read_ports(given: str) -> Mapping[int, str]:
    pairs = [part.strip().partition("=") for part in given.split(",") if part.strip()]
    if any(not re.fullmatch("[0-9]{1,5}", port) or int(port) not in _PORTS or not key for port, _, key in pairs):
        raise ValueError(PORTS.words)
    if len({int(port) for port, _, _ in pairs}) < len(pairs):
        raise ValueError(PORTS.words + "; a port occurs twice")
    return MappingProxyType({int(port): key for port, _, key in pairs})


def _read_tables(given: str) -> Secret:
    try:
        found = json.loads(given)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(table, dict) for table in found.values()):
        raise ValueError(TABLES.words)
    return Secret(json.dumps(found))


def _read_secret(given: str) -> Secret:
    return Secret(_ONE_LINE.read(given))


def _read_password(given: str) -> Secret:
    if not 0 < len(given.encode(errors="replace")) <= _PASSWORD_BYTES:
        raise ValueError(PASSWORD.words)
    return _read_secret(given)


def _revealed(secret: Secret) -> str:
    return secret.reveal()


FLAG = Kind("true or false", _read_flag, lambda value: "true" if value else "false", placeholder="true|false")
PATH = Kind("a path", _read_path, placeholder="PATH")
PORT = whole(_PORTS[0], _PORTS[-1])
BASE_URL = Kind("a URL such as https://registry.example.com", _read_base_url, placeholder="URL")
DATABASE_URL = Kind(
    "a URL such as postgresql://user:password@host/database", _read_database_url, private=True, placeholder="URL"
)
_ONE_LINE = text("text of one line")
SECRET = Kind("text", _read_secret, _revealed)
PASSWORD = Kind(f"text of 1 to {_PASSWORD_BYTES} bytes", _read_password, _revealed)
TABLES = Kind(
    "tables by name, as a flag or variable their JSON",
    _read_tables,
    _revealed,
    private=True,
    nested=True,
    placeholder="JSON",
)
MASTER_KEY = Kind("64 hexadecimal digits", _read_master_key, _revealed, placeholder="HEX")
NETWORKS = Kind(
    "a list of networks such as 10.0.0.0/8, 192.168.1.7/32",
    _read_networks,
    lambda value: ", ".join(map(str, value)),
    placeholder="NETWORKS",
)
PORTS = Kind(
    "a list such as 5001=docker-local, 5002=docker",
    _read_ports,
    lambda value: ", ".join(f"{port}={key}" for port, key in value.items()),
    placeholder="PORT=KEY",
)
