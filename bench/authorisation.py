"""`python -m bench.authorisation`: what it costs to know who asks and whether they may, with 1,000 permission targets of 20 patterns.

Two figures: the time of the whole authorisation of a request within a process (identify, permissions as of now, decide), and
the rate of downloads as an ordinary user beside that as an administrator, over HTTP by wrk.
"""

import argparse
import asyncio
import base64
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import httpx

from entrepot.access.actions import Action
from entrepot.messages import Request
from entrepot.settings import Settings
from entrepot.worker import build
from tests.parts.entrepot import entrepot
from tests.served import PASSWORD, client_of, prepared, settings_of

TARGETS, PATTERNS = 1000, 20
SAMPLES = 20_000
PATH = "team-7/app/1.0/file.bin"


async def fill(client: httpx.AsyncClient) -> None:
    """Make a repository with a file, an ordinary user, and targets of which a tenth name the user and most its group."""
    await client.put("/artifactory/api/repositories/libs", json={"rclass": "local", "packageType": "generic"})
    await client.put(f"/artifactory/libs/{PATH}", content=b"x" * 1024)
    await client.delete("/artifactory/api/security/permissions/Anything")
    await client.put("/artifactory/api/security/groups/devs", json={"name": "devs"})
    await client.put(
        "/artifactory/api/security/users/dev", json={"email": "d@x.test", "password": PASSWORD, "groups": ["devs"]}
    )
    for number in range(TARGETS):
        includes = ",".join(f"team-{number}/part-{part}/**" for part in range(PATTERNS - 1))
        body = {
            "name": f"target-{number}", "repositories": ["libs"], "includesPattern": f"{includes},team-{number}/app/**",
            "principals": {"users": {"dev": ["r"]} if number % 10 == 7 else {}, "groups": {"devs": ["r", "w"]}},
        }  # fmt: skip
        answer = await client.put(f"/artifactory/api/security/permissions/target-{number}", json=body)
        assert answer.status_code == 201, answer.text


async def within(settings: Settings) -> None:
    """Measure the authorisation itself."""
    async with build(settings) as application, client_of(application) as admin:
        await fill(admin)
        pipeline = application._pipeline  # noqa: SLF001 - the walk is what is measured
        for name in ("dev", "admin"):
            token = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
            request = _request({"authorization": f"Basic {token}"})
            samples = []
            for _ in range(SAMPLES):
                began = time.perf_counter_ns()
                caller = await pipeline._authenticator.caller(request)  # noqa: SLF001 - as above
                await pipeline._fresh()  # noqa: SLF001 - as above
                pipeline._granter.grant(caller, Action.READ, "libs", PATH)  # noqa: SLF001 - as above
                samples.append(time.perf_counter_ns() - began)
            p50, p99 = statistics.median(samples) / 1000, statistics.quantiles(samples, n=100)[98] / 1000
            print(f"{name}: authorisation of a request p50 {p50:.1f} us, p99 {p99:.1f} us")


def _request(headers: dict[str, str]) -> Request:
    class Headers(dict[str, str]):
        def get_all(self, name: str) -> list[str]:
            return [self[name]] if name in self else []

    made: Request = Request("GET", "/", {}, Headers(headers), None, "", "127.0.0.1", "http", str, None)  # type: ignore[arg-type]
    return made


def over_http(home: Path, seconds: int) -> None:
    """Measure downloads of a KiB as a user and as an administrator, by turns."""
    os.environ["ENTREPOT_ADMIN_PASSWORD"] = PASSWORD
    with entrepot(home) as server:

        async def prepare() -> None:
            async with httpx.AsyncClient(
                base_url=server.url, auth=(server.user, server.password), timeout=60
            ) as client:
                await fill(client)

        asyncio.run(prepare())
        rates: dict[str, list[float]] = {"dev": [], "admin": []}
        for _ in range(3):
            for name, password in (("dev", PASSWORD), (server.user, server.password)):
                token = base64.b64encode(f"{name}:{password}".encode()).decode()
                command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-H", f"Authorization: Basic {token}"]
                told = subprocess.check_output([*command, f"{server.url}/artifactory/libs/{PATH}"], text=True)
                found = re.search(r"Requests/sec:\s+([0-9.]+)", told)
                assert found, told
                assert "Non-2xx" not in told, told
                rates["dev" if name == "dev" else "admin"].append(float(found[1]))
        dev, admin = (statistics.median(rates[name]) for name in ("dev", "admin"))
        print(f"1 KiB GET: {dev:,.0f} req/s as a user, {admin:,.0f} as an administrator: ratio {dev / admin:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.authorisation", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of each of six runs over HTTP")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(within(prepared(settings_of(Path(folder) / "within"))))
        over_http(Path(folder) / "home", asked.seconds)


if __name__ == "__main__":
    main()
