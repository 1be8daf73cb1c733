"""From the setting `blob.store` to a driver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from entrepot.blobs.drivers.files import Files
from entrepot.blobs.drivers.memory import Memory
from entrepot.blobs.drivers.places import BlobStoreUrlInvalid, S3Place, located

if TYPE_CHECKING:
    from entrepot.blobs.contract import Driver
    from entrepot.blobs.drivers.s3 import S3Credentials


def open_driver(url: str, credentials: S3Credentials | None = None) -> Driver:
    """Return the driver of `file:///folder`, `s3://bucket/prefix?endpoint=URL&region=NAME` or `memory:`.

    S3 credentials that are not given come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and all
    else that obstore knows). Nothing is asked of the store yet: call `probe`. Raises BlobStoreUrlInvalid with one
    clear line, and StoreUnavailable when the folder cannot be made.
    """
    where = located(url)
    if where is None:
        return Memory()
    return Files(where) if isinstance(where, Path) else _bucket(where, credentials)


def _bucket(where: S3Place, credentials: S3Credentials | None) -> Driver:
    # Imported on first use: obstore is 12 ms and 30 MB that a store of files does without.
    from obstore.exceptions import BaseError  # noqa: PLC0415

    from entrepot.blobs.drivers.s3 import S3, Bucket  # noqa: PLC0415

    try:
        return S3(Bucket(*where), credentials)
    except (BaseError, ValueError) as error:
        raise BlobStoreUrlInvalid(
            "the endpoint, the region or the environment's AWS settings are not usable"
        ) from error
