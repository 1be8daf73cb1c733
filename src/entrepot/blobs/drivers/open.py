"""From the setting `blob_store` to a driver."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from entrepot.blobs.drivers.files import Files
from entrepot.blobs.drivers.memory import Memory
from entrepot.blobs.keys import valid
from entrepot.errors import EntrepotError

if TYPE_CHECKING:
    from entrepot.blobs.contract import Driver
    from entrepot.blobs.drivers.s3 import S3Credentials

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_ENDPOINT = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/?")
_REGION = re.compile(r"[A-Za-z0-9-]+")


class BlobStoreUrlInvalid(EntrepotError):
    """The blob store's URL is not usable: {why}."""

    def __init__(self, why: str) -> None:
        # The URL itself is not repeated: somebody may have put a secret into it.
        super().__init__(why=why)


def open_driver(url: str, credentials: S3Credentials | None = None) -> Driver:
    """Return the driver of `file:///folder`, `s3://bucket/prefix?endpoint=URL&region=NAME` or `memory:`.

    S3 credentials that are not given come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and all
    else that obstore knows). Nothing is asked of the store yet: call `probe`. Raises BlobStoreUrlInvalid with one
    clear line, and StoreUnavailable when the folder cannot be made.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "file" and colon:
        return Files(_folder(rest))
    if scheme == "s3" and colon:
        return _s3(url, credentials)
    if scheme == "memory" and colon:
        if rest:
            raise BlobStoreUrlInvalid("memory: takes nothing after the colon")
        return Memory()
    raise BlobStoreUrlInvalid("it must begin with file:///, s3:// or memory:")


def _folder(rest: str) -> Path:
    path = unquote(rest.removeprefix("//").removeprefix("localhost"))
    if not rest.startswith("//") or not path.startswith("/") or "\0" in path:
        raise BlobStoreUrlInvalid("file:// must be followed by an absolute path, as in file:///srv/blobs")
    return Path(path)


def _s3(url: str, credentials: S3Credentials | None) -> Driver:
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise BlobStoreUrlInvalid("it is not a URL") from error
    if "@" in parts.netloc:
        raise BlobStoreUrlInvalid("credentials do not belong into it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if unknown := sorted(query.keys() - {"endpoint", "region"}):
        raise BlobStoreUrlInvalid(f"unknown parameter {unknown[0]!a}; s3:// knows endpoint and region")
    prefix = parts.path.strip("/")
    if prefix and not valid(prefix):
        raise BlobStoreUrlInvalid("the prefix may hold letters, digits, dots, dashes and single slashes")
    for value, pattern, what in (
        (parts.netloc, _BUCKET, "s3:// must be followed by the bucket's name"),
        (query.get("endpoint", "http://-"), _ENDPOINT, "endpoint must be http://host:port or https://host:port"),
        (query.get("region", "-"), _REGION, "region must be a name such as eu-central-1"),
    ):
        if not pattern.fullmatch(value):
            raise BlobStoreUrlInvalid(what)
    return _bucket(parts.netloc, prefix, query, credentials)


def _bucket(name: str, prefix: str, query: dict[str, str], credentials: S3Credentials | None) -> Driver:
    # Imported on first use: obstore is 12 ms and 30 MB that a store of files does without.
    from obstore.exceptions import BaseError  # noqa: PLC0415

    from entrepot.blobs.drivers.s3 import S3, Bucket  # noqa: PLC0415

    try:
        return S3(Bucket(name, prefix, query.get("endpoint"), query.get("region")), credentials)
    except (BaseError, ValueError) as error:
        raise BlobStoreUrlInvalid(
            "the endpoint, the region or the environment's AWS settings are not usable"
        ) from error
