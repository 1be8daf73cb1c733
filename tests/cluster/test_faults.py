"""Full disks, a database that restarts, a store that vanishes: clear errors, clean state, and on it goes."""

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.parts.disks import small_disk as disk
from tests.parts.entrepot import entrepot, program
from tests.parts.inspections import complaint, inspect
from tests.parts.postgres import postgres
from tests.parts.processes import free_port, wait_until
from tests.parts.registry_client import Refused, Registry
from tests.parts.versitygw import versitygw

GRACE = {"ENTREPOT_GC_INTERVAL_SECONDS": "1", "ENTREPOT_GC_GRACE_SECONDS": "2"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own with 24 MiB."""
    with disk(tmp_path / "disk", 24 << 10) as folder:
        yield folder


async def push_a_while(registry: Registry, seconds: float) -> tuple[int, list[int]]:
    """Push small images; return how many were acknowledged and the statuses of the refusals."""
    done, refused = 0, []
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        try:
            await registry.push("docker-local/faults", f"t{done}", [registry.dice.randbytes(40_000)])
            done += 1
        except Refused as error:
            refused.append(int(str(error).split(": ")[1].split()[0]))
        except httpx.TransportError:
            refused.append(0)
    return done, refused


async def test_a_full_disk_refuses_clearly_and_a_deletion_makes_room(tmp_path: Path, small_disk: Path) -> None:
    environment = {**GRACE, "ENTREPOT_BLOB_STORE": f"file://{small_disk}/blobs"}
    with entrepot(tmp_path / "home", environment=environment) as server:
        registry = Registry(server.url, server.user, server.password, random.Random(3))
        kept = await registry.push("docker-local/kept", "1", [registry.dice.randbytes(3_000_000)])
        filled = []
        answer = None
        for number in range(20):
            try:
                layer = registry.dice.randbytes(3_000_000)
                filled.append(await registry.push("docker-local/full", f"t{number}", [layer]))
            except Refused as error:
                answer = str(error)
                break
        assert answer is not None
        assert "507" in answer
        assert '"errors"' in answer
        await registry.check(kept)
        for image in filled:
            await registry.delete(image)
        for _ in range(100):
            with contextlib.suppress(Refused):
                await registry.push("docker-local/again", "1", [registry.dice.randbytes(3_000_000)])
                break
            await asyncio.sleep(0.3)
        else:
            raise AssertionError("no room was made")
        inspect(server, "gc", "--check")
        await registry.close()


async def test_a_database_that_restarts_costs_refusals_and_nothing_else(tmp_path: Path) -> None:
    with postgres() as database:
        environment = {"ENTREPOT_DATABASE_URL": database.dsn}
        with entrepot(tmp_path / "home", environment=environment) as server:
            registry = Registry(server.url, server.user, server.password, random.Random(5))
            kept = await registry.push("docker-local/kept", "1", [registry.dice.randbytes(100_000)])
            pushing = asyncio.create_task(push_a_while(registry, 6))
            await asyncio.sleep(1)
            await asyncio.to_thread(database.restart)
            done, refused = await pushing
            assert done
            assert set(refused) <= {503, 0}, refused
            await registry.check(kept)
            await registry.close()


async def test_a_store_that_is_gone_refuses_and_comes_back(tmp_path: Path) -> None:
    with versitygw(tmp_path / "s3") as store:
        environment = {
            "ENTREPOT_BLOB_STORE": f"s3://{store.bucket}/x?endpoint={store.endpoint}&region={store.region}",
            "ENTREPOT_S3_ACCESS_KEY": store.access_key,
            "ENTREPOT_S3_SECRET_KEY": store.secret_key,
        }
        with entrepot(tmp_path / "home", environment=environment) as server:
            registry = Registry(server.url, server.user, server.password, random.Random(7))
            kept = await registry.push("docker-local/kept", "1", [registry.dice.randbytes(100_000)])
            store.server.kill9()
            with pytest.raises((Refused, httpx.TransportError)):
                await registry.push("docker-local/gone", "1", [registry.dice.randbytes(100_000)])
            with pytest.raises(Refused, match=r"503.*UNAVAILABLE"):
                await registry.check(kept)
            assert "The blob store is not available" in complaint(server, "fsck")
            store.start()
            inspect(server, "fsck")
            await registry.push("docker-local/gone", "1", [registry.dice.randbytes(100_000)])
            await registry.check(kept)
            await registry.close()


def refused(home: Path, environment: Mapping[str, str]) -> str:
    """Start what must not start; the last line that it prints."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")}
    words = [str(program()), "serve", "--home", str(home), "--port", str(free_port())]
    done = subprocess.run(words, env={**clean, **environment}, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("kibibytes", "where"), [(4, ""), (200, "The database did not start: "), (1000, "The database did not start: ")]
)
def test_a_first_start_without_room_says_what_to_do_and_the_next_one_with_room_succeeds(
    tmp_path: Path, kibibytes: int, where: str
) -> None:
    with disk(tmp_path / "home", kibibytes) as home:
        words = f"entrepot: {where}The home folder {home} cannot be used: its disk is full. "
        assert refused(home, {}) == words + "Make room, or name another folder by --home DIR."
        subprocess.run(["mount", "-o", "remount,size=24m", str(home)], check=True)
        with entrepot(home):
            pass


def test_a_node_without_the_master_key_of_its_cluster_is_refused_and_the_next_start_finds_nothing_made_up(
    tmp_path: Path,
) -> None:
    with postgres() as database:
        environment = {"ENTREPOT_DATABASE_URL": database.dsn, "ENTREPOT_BLOB_STORE": f"file://{tmp_path}/blobs"}
        with entrepot(tmp_path / "first", environment=environment):
            second = tmp_path / "second"
            words = "The database is sealed with a master key that is not here"
            assert words in refused(second, environment)
            assert not (second / "master.key").exists()
            assert not (second / "admin.password").exists()
            assert words in refused(second, environment)
            shutil.copy(tmp_path / "first" / "master.key", second)
            with entrepot(second, environment=environment):
                pass


def test_a_start_without_an_answer_of_the_store_says_that_the_node_is_not_ready_and_why(tmp_path: Path) -> None:
    environment = {
        "ENTREPOT_BLOB_STORE": f"s3://bucket?endpoint=http://127.0.0.1:{free_port()}",
        "ENTREPOT_S3_ACCESS_KEY": "me",
        "ENTREPOT_S3_SECRET_KEY": "sesame",
    }
    with entrepot(tmp_path / "home", environment=environment) as server:
        assert wait_until(lambda: "Try next" in server.log.read_text(), seconds=60)
        last = [line for line in server.log.read_text().splitlines() if not line.startswith("{")][-1]
        assert last.startswith("not ready: the blob store does not answer; the node is ready as soon as it does (")
        assert "error sending request" in last
        assert httpx.get(f"{server.url}/artifactory/api/v1/system/readiness").status_code == 503


@pytest.mark.parametrize(
    ("bucket", "secret", "why"),
    [("", "not-the-secret", "SignatureDoesNotMatch"), ("no-such-bucket", "", "NoSuchBucket")],
)
def test_a_store_that_does_not_let_us_in_is_told_in_one_line_at_the_start(
    tmp_path: Path, bucket: str, secret: str, why: str
) -> None:
    with versitygw(tmp_path / "s3") as store:
        url = f"s3://{bucket or store.bucket}/x?endpoint={store.endpoint}&region={store.region}"
        environment = {
            "ENTREPOT_BLOB_STORE": url,
            "ENTREPOT_S3_ACCESS_KEY": store.access_key,
            "ENTREPOT_S3_SECRET_KEY": secret or store.secret_key,
        }
        last = refused(tmp_path / "home", environment)
        assert last.startswith("entrepot: worker-")
        assert f"did not start: The blob store refuses us: {why}." in last
