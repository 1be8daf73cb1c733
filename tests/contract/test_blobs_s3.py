import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from entrepot.blobs.contract import Driver, StoreFull, StoreUnavailable
from entrepot.blobs.drivers.open import open_driver
from entrepot.blobs.drivers.s3 import S3, Bucket, S3Credentials
from entrepot.clock import new_id
from tests.contract.blob_processes import MIB, peak_growth, stuck_put
from tests.contract.blobs import BIG, BODY, DriverContract, assert_unreadable, chunks, content, keys, new_key, stored
from tests.parts import versitygw as parts
from tests.parts.presence import root_on_linux
from tests.parts.versitygw import versitygw


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[parts.S3]:
    with versitygw(tmp_path_factory.mktemp("s3")) as running:
        yield running


def credentials(server: parts.S3) -> S3Credentials:
    return S3Credentials(server.access_key, server.secret_key)


def in_environment(server: parts.S3) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}


def url(server: parts.S3, prefix: str) -> str:
    return f"s3://{server.bucket}/{prefix}?endpoint={server.endpoint}&region={server.region}"


def fresh(server: parts.S3, bucket: str | None = None) -> S3:
    where = Bucket(bucket or server.bucket, f"some/{new_id()}", server.endpoint, server.region)
    return S3(where, credentials(server))


class TestS3(DriverContract):
    @pytest.fixture
    def driver(self, server: parts.S3) -> Driver:
        return fresh(server)


async def test_prefixes_of_one_bucket_do_not_see_each_other(server: parts.S3) -> None:
    one, other = fresh(server), fresh(server)
    key = await stored(one, BODY)
    await assert_unreadable(other, key)
    assert await keys(other) == set()
    assert await keys(one) == {key}


async def test_objects_are_where_the_url_says_and_foreign_ones_are_not_listed(server: parts.S3) -> None:
    driver = open_driver(url(server, "here/below"), credentials(server))
    key = await stored(driver, BODY)
    assert (server.data / "here/below" / key).read_bytes() == BODY
    (server.data / "here/below/not a key").write_bytes(b"x")
    assert await keys(driver) == {key}


async def test_credentials_come_from_the_environment_when_none_are_given(
    server: parts.S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in in_environment(server).items():
        monkeypatch.setenv(name, value)
    await open_driver(url(server, "env")).probe()


async def test_a_wrong_secret_makes_the_store_unavailable(server: parts.S3) -> None:
    driver = open_driver(url(server, "x"), S3Credentials(server.access_key, "wrong", session_token="none"))
    with pytest.raises(StoreUnavailable):
        await driver.probe()
    with pytest.raises(StoreUnavailable):
        await keys(driver)


async def test_a_bucket_that_is_not_there_is_no_missing_blob(server: parts.S3) -> None:
    driver = fresh(server, "no-such-bucket")
    for call in (driver.probe(), content(driver, new_key()), driver.delete(new_key()), keys(driver)):
        with pytest.raises(StoreUnavailable):
            await call


async def test_a_put_killed_on_its_way_leaves_nothing_readable(server: parts.S3) -> None:
    key = new_key()
    driver = open_driver(url(server, "killed"), credentials(server))
    with stuck_put(url(server, "killed"), key, in_environment(server)) as process:
        await assert_unreadable(driver, key)
        process.kill()
        process.wait()
    await assert_unreadable(driver, key)


async def test_a_failed_upload_leaves_no_parts_in_the_store(server: parts.S3) -> None:
    driver = fresh(server)
    parts_before = _parts(server)

    async def failing() -> AsyncIterator[bytes]:
        async for chunk in chunks(BIG * 3):
            yield chunk
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await driver.put(new_key(), failing())
    assert _parts(server) == parts_before


def _parts(server: parts.S3) -> set[Path]:
    return {path for path in (server.data / ".sgwtmp").rglob("*") if path.is_file()}


async def test_a_store_that_went_away_is_told_and_used_again_when_it_is_back(tmp_path: Path) -> None:
    with versitygw(tmp_path) as server:
        driver = fresh(server)
        key = await stored(driver, BODY)
        server.kill9()
        for call in (
            driver.put(new_key(), chunks(BODY)),
            driver.put(new_key(), chunks(BIG)),
            driver.size(key),
            content(driver, key),
            driver.delete(key),
            keys(driver),
            driver.probe(),
        ):
            with pytest.raises(StoreUnavailable):
                await call
        server.start()
        assert await content(driver, key) == BODY
        await driver.close()


async def test_a_store_killed_during_an_upload_is_told(tmp_path: Path) -> None:
    with versitygw(tmp_path) as server:
        driver = fresh(server)

        async def killing() -> AsyncIterator[bytes]:
            async for chunk in chunks(BIG):
                yield chunk
            server.kill9()
            for _ in range(100):
                yield BODY

        with pytest.raises(StoreUnavailable):
            await driver.put(new_key(), killing())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    root_on_linux("a disk of its own")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("size", [7 * MIB, 60 * MIB], ids=["one request", "many parts"])
async def test_a_full_store_is_told_and_nothing_readable_stays(small_disk: Path, size: int) -> None:
    with versitygw(small_disk) as server:
        driver = fresh(server)
        (small_disk / "filler").write_bytes(os.urandom(24 * MIB))
        key = new_key()
        with pytest.raises(StoreFull):
            await driver.put(key, chunks((BIG * 7)[:size]))
        await assert_unreadable(driver, key)


def test_a_large_object_goes_through_in_flat_memory(server: parts.S3) -> None:
    assert peak_growth(url(server, "large"), 300, in_environment(server)) < 48 * MIB
