"""What the setting `blob.store` says, read without loading what a driver needs: a wrong one is told before anything is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from entrepot.blobs.keys import valid
from entrepot.errors import EntrepotError

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_ENDPOINT = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/?")
_WAYS_TO_SIGN = (
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE",),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI",),
    ("AWS_METADATA_ENDPOINT",),
    ("AWS_SKIP_SIGNATURE",),
)
_OF_AWS = re.compile(r"https?://(?:[A-Za-z0-9-]+\.)+amazonaws\.com(?:\.cn)?(?::[0-9]+)?/?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,15}://")  # what stands before other colons may be a secret
_REGION = re.compile(r"[A-Za-z0-9-]+")


class BlobStoreUrlInvalid(EntrepotError):
    """blob.store (--blob-store, ENTREPOT_BLOB_STORE) is not usable: {why}."""

    def __init__(self, why: str) -> None:
        # The URL itself is not repeated: somebody may have put a secret into it.
        super().__init__(why=why)


class S3Place(NamedTuple):
    """What a URL says about a bucket; see `s3.Bucket`."""

    name: str
    prefix: str
    endpoint: str | None
    region: str | None

    @property
    def is_elsewhere(self) -> bool:
        """Whether the store is not AWS's own by its name, so that the machine's role there most likely opens nothing."""
        return self.endpoint is not None and not _OF_AWS.fullmatch(self.endpoint)


def signs(environment: Mapping[str, str]) -> bool:
    """Whether the environment says how requests to a bucket are signed, or that they are not, in one of obstore's ways.

    Without any it asks the metadata service of the machine, which as a rule answers nowhere but at AWS.
    """
    return any(all(environment.get(name) for name in names) for names in _WAYS_TO_SIGN)


def located(url: str) -> Path | S3Place | None:
    """Read a URL, and open nothing; None is `memory:`. Raises BlobStoreUrlInvalid."""
    scheme, colon, rest = url.partition(":")
    if scheme == "file" and colon:
        return _folder(rest)
    if scheme == "s3" and colon:
        return _s3(url)
    if scheme != "memory" or not colon:
        named = _SCHEME.match(url)
        known = f"there is no kind '{scheme}' of blob stores" if named else "it names no kind of blob store"
        raise BlobStoreUrlInvalid(
            f"{known}; write file:///srv/blobs for a folder, or s3://bucket/prefix?endpoint=https://host:port for a bucket"
        )
    if rest:
        raise BlobStoreUrlInvalid("memory: takes nothing after the colon")
    return None


def _folder(rest: str) -> Path:
    path = unquote(rest.removeprefix("//").removeprefix("localhost"))
    if not rest.startswith("//") or not path.startswith("/") or "\0" in path:
        raise BlobStoreUrlInvalid("file:// must be followed by an absolute path, as in file:///srv/blobs")
    return Path(path)


def _s3(url: str) -> S3Place:
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise BlobStoreUrlInvalid("it is not a URL") from error
    query = dict(pairs)
    if "#" in url or len(query) < len(pairs) or not url.isprintable():
        raise BlobStoreUrlInvalid("a parameter occurs twice, or it holds # or what cannot be printed")
    if "@" in parts.netloc:
        raise BlobStoreUrlInvalid("credentials do not belong into it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if unknown := sorted(query.keys() - {"endpoint", "region"}):
        raise BlobStoreUrlInvalid(f"unknown parameter {unknown[0]!a}; s3:// knows endpoint and region")
    prefix = parts.path.strip("/")
    if prefix and not valid(prefix):
        raise BlobStoreUrlInvalid("the prefix may hold letters, digits, dots, dashes and single slashes")
    for value, pattern, what in (
        (parts.netloc, _BUCKET, "s3:// must be followed by the bucket's name: 2 to 255 letters, digits, dots, dashes"),
        (query.get("endpoint", "http://-"), _ENDPOINT, "endpoint must be http://host:port or https://host:port"),
        (query.get("region", "-"), _REGION, "region must be a name such as eu-central-1"),
    ):
        if not pattern.fullmatch(value):
            raise BlobStoreUrlInvalid(what)
    return S3Place(parts.netloc, prefix, query.get("endpoint"), query.get("region"))
