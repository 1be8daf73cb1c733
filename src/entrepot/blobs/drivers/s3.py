"""Bytes in an S3 bucket, or in anything that speaks S3 (tried: versitygw, MinIO), through obstore.

Nothing relies on ETags or on checksums that the store computes: real servers accepted wrong ones. A body beyond one
part goes up as a multipart upload. When it fails, what was sent is completed and then deleted: obstore can abort an
upload only in ways that leave its parts behind, where no listing shows them. Those of a killed process stay; give the
bucket a lifecycle rule AbortIncompleteMultipartUpload.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import obstore
import structlog
from obstore.exceptions import BaseError, GenericError
from obstore.store import S3Store

from entrepot.blobs.contract import BlobMissing, StoredObject, StoreFull, StoreRefused, StoreUnavailable, TooManyUploads
from entrepot.blobs.drivers.pipe import Pipe
from entrepot.blobs.drivers.probe import probe
from entrepot.blobs.keys import checked, checked_prefix, valid
from entrepot.blobs.streams import take
from entrepot.blobs.threads import settled
from entrepot.errors import TooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from obstore import GetOptions, GetResult
    from obstore.store import ClientConfig, RetryConfig, S3Config

_PART = 8 << 20  # bytes, held in memory while they are sent; S3 wants at least 5 MiB
_PARTS = 10_000  # the most that S3 takes: 80 GB an object
_SMALL = 1 << 20  # bytes; beyond, an upload is one of those that are counted
_MOST = 32  # uploads at once, per process: each holds up to two parts
_PIECE = 1 << 20
_PAGE = 500
_PATIENCE = timedelta(seconds=20)  # without a byte from the store
_PATIENCE_WRITING = timedelta(seconds=300)  # some servers join the parts of a multipart upload by copying them all
_PATIENCE_PROBING = timedelta(seconds=5)
_CONNECTING = timedelta(seconds=5)
_RETRYING = timedelta(seconds=30)
_LONGEST = timedelta(days=1)  # a whole request; a slow client may read a large object for hours
_REFUSED = re.compile(
    "NoSuchBucket|InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|InvalidBucketName|AllAccessDisabled"
)
_FULL = re.compile(r"StorageFull|Quota\w*Exceeded|InsufficientStorage|status code: 507|no space left", re.IGNORECASE)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class S3Credentials:
    """Who signs the requests; never shown."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the objects are: in `name`, below `prefix`. No endpoint and no region: AWS and its environment decide."""

    name: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None


class S3:
    """Keep each object in the bucket under `<prefix>/<key>`. See `contract.Driver`."""

    def __init__(
        self, bucket: Bucket, credentials: S3Credentials | None = None, *, patience: timedelta | None = None
    ) -> None:
        """Make the clients; nothing is asked of the store yet. Without credentials the environment's are taken.

        `patience` is how long the store may stay silent before a call fails (the default is longer for writing).
        """
        self._reading = _store(bucket, credentials, patience or _PATIENCE)
        self._writing = _store(bucket, credentials, patience or _PATIENCE_WRITING)
        self._as_probed = partial(S3, bucket, credentials, patience=patience or _PATIENCE_PROBING)
        self._probed: S3 | None = None
        self._large = 0  # uploads beyond _SMALL under way

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Send one request, or a multipart upload beyond 8 MiB, and look at the size after. See `contract.Driver`."""
        checked(key)
        head, ended = await take(chunks, _SMALL)
        try:
            size = await (self._whole(key, head) if ended else self._bounded(key, head, chunks))
            await self._verify(key, size)
        except BaseException:
            await self._discard(key)
            raise
        return size

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """Yield the bytes [start, stop) of one GET, which obstore resumes by ranges. See `contract.Driver`."""
        got = await self._get(checked(key), start, stop)
        if got is None:
            return
        at, end = start, got.range[1]
        with _mapped(key):
            async for piece in got.stream(min_chunk_size=_PIECE // 4):
                for low in range(0, len(piece), _PIECE):
                    yield bytes(piece[low : low + _PIECE])
                at += len(piece)
        if at != end:
            raise StoreUnavailable

    async def size(self, key: str) -> int:
        """Return the size in bytes. See `contract.Driver`."""
        with _mapped(checked(key)):
            return (await obstore.head_async(self._reading, key))["size"]

    async def delete(self, key: str) -> None:
        """Remove the object. See `contract.Driver`."""
        with contextlib.suppress(BlobMissing), _mapped(checked(key)):
            await settled(asyncio.ensure_future(obstore.delete_async(self._reading, key)))

    async def list(self, prefix: str) -> AsyncGenerator[StoredObject]:
        """Yield what the store lists. See `contract.Driver`."""
        folder = checked_prefix(prefix)
        with _mapped():
            async for page in obstore.list(self._reading, folder or None, chunk_size=_PAGE):
                for meta in page:
                    if valid(meta["path"]):
                        yield StoredObject(meta["path"], meta["size"])

    def file(self, key: str) -> Path | None:
        """Return None: there are no local files."""
        checked(key)
        return None

    async def probe(self) -> None:
        """Try it, with less patience than for what clients send and fetch. See `contract.Driver`."""
        self._probed = self._probed or self._as_probed()
        await probe(self._probed)

    async def close(self) -> None:
        """Do nothing: idle connections end by themselves."""

    async def _get(self, key: str, start: int, stop: int | None) -> GetResult | None:
        """Begin to read; None when there is nothing between start and stop, which S3 would refuse as a range."""
        if start == stop:
            if start > await self.size(key):
                raise StoreUnavailable
            return None
        with _mapped(key):
            try:
                got = await obstore.get_async(self._reading, key, options=_span(start, stop))
            except GenericError:
                if stop is None and start == await self.size(key):
                    return None
                raise
        if stop is not None and got.range[1] != stop:
            raise StoreUnavailable
        return got

    async def _whole(self, key: str, head: Sequence[bytes]) -> int:
        body = b"".join(head)
        with _mapped():
            put = obstore.put_async(self._writing, key, body, use_multipart=False)
            await settled(asyncio.ensure_future(put))
        return len(body)

    async def _bounded(self, key: str, head: Sequence[bytes], chunks: AsyncIterator[bytes]) -> int:
        if self._large >= _MOST:
            raise TooManyUploads
        self._large += 1
        try:
            more, ended = await take(chunks, _PART - sum(map(len, head)))
            head = [*head, *more]
            return await (self._whole(key, head) if ended else self._multipart(key, head, chunks))
        finally:
            self._large -= 1

    async def _multipart(self, key: str, head: Sequence[bytes], chunks: AsyncIterator[bytes]) -> int:
        pipe = Pipe()
        put = obstore.put_async(self._writing, key, pipe, use_multipart=True, chunk_size=_PART, max_concurrency=1)
        sending = asyncio.ensure_future(put)
        sending.add_done_callback(lambda _: pipe.close())
        try:
            size = await _pump(head, chunks, pipe)
        except BaseException:
            pipe.end()
            with contextlib.suppress(BaseError, OSError):  # what came first is what the caller is told
                await settled(sending)
            raise
        pipe.end()
        with _mapped():
            await settled(sending)
        return size

    async def _verify(self, key: str, size: int) -> None:
        if await self.size(key) != size:
            raise StoreUnavailable

    async def _discard(self, key: str) -> None:
        try:
            await self.delete(key)
        except StoreUnavailable:
            # What failed before is told to the caller, who deletes the key.
            log.warning("blob.discard_failed", key=key)


def _store(bucket: Bucket, credentials: S3Credentials | None, patience: timedelta) -> S3Store:
    config: S3Config = {"virtual_hosted_style_request": False, "disable_bulk_delete": True}
    if bucket.endpoint is not None:
        config["endpoint"] = bucket.endpoint
    if bucket.region is not None:
        config["region"] = bucket.region
    if credentials is not None:
        config["access_key_id"] = credentials.access_key_id
        config["secret_access_key"] = credentials.secret_access_key
        if credentials.session_token is not None:
            config["session_token"] = credentials.session_token
    client: ClientConfig = {
        "allow_http": bucket.endpoint is not None and bucket.endpoint.startswith("http://"),
        "connect_timeout": _CONNECTING,
        "read_timeout": patience,
        "timeout": _LONGEST,
    }
    retries: RetryConfig = {"max_retries": 3, "retry_timeout": min(_RETRYING, 2 * patience)}
    return S3Store(
        bucket.name, prefix=bucket.prefix or None, config=config, client_options=client, retry_config=retries
    )


def _span(start: int, stop: int | None) -> GetOptions:
    if stop is not None:
        return {"range": (start, stop)}
    return {"range": {"offset": start}} if start else {}


async def _pump(head: Sequence[bytes], chunks: AsyncIterator[bytes], pipe: Pipe) -> int:
    """Give all of it to the pipe, until nobody takes any more; return how many bytes that was."""
    size = 0
    for chunk in head:
        size += len(chunk)
        await pipe.give(chunk)
    async for chunk in chunks:
        size += len(chunk)
        if size > _PART * _PARTS:
            raise TooLarge(limit=_PART * _PARTS)
        await pipe.give(chunk)
        if pipe.closed:
            break
    return size


@contextlib.contextmanager
def _mapped(key: str | None = None) -> Iterator[None]:
    """Turn what obstore raises into BlobMissing (of `key`), StoreFull or StoreUnavailable."""
    try:
        yield
    except (BaseError, OSError) as error:
        text = str(error)
        if key is not None and isinstance(error, FileNotFoundError) and "NoSuchBucket" not in text:
            raise BlobMissing(key=key) from error
        if refusal := _REFUSED.search(text):
            raise StoreRefused(why=refusal[0]) from error
        raise (StoreFull if _FULL.search(text) else StoreUnavailable) from error
