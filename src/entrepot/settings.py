"""The settings: one table, as values. `settings_sources` says where they are set."""

# ruff: noqa: RUF009 - `declare` makes a dataclass field, as `dataclasses.field` does

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final
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

__all__ = ["ROWS", "Secret", "Settings", "SettingsInvalid", "dump", "restore", "store_at_home"]

NODE_LENGTH = 63
_YEAR = 366 * 86_400
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
        text("a name of letters, digits, . _ -", rf"[A-Za-z0-9._-]{{1,{NODE_LENGTH}}}"), "",
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


def dump(settings: Settings) -> bytes:
    """Write all settings, secrets included, for the other processes of the node."""
    values = {key: (row, getattr(settings, row.attribute)) for key, row in ROWS.items()}
    return json.dumps(
        {key: row.kind.write(value) for key, (row, value) in values.items() if value is not None}
    ).encode()


def restore(dumped: bytes) -> Settings:
    """Read back what `dump` wrote."""
    return Settings(**{ROWS[key].attribute: ROWS[key].kind.read(value) for key, value in json.loads(dumped).items()})


def store_at_home(home: Path) -> str:
    """Return the URL of the blob store in a home folder."""
    return f"file://{quote(str(home))}/blobs"
