"""The searches that are older than AQL, over HTTP, on both engines."""

import httpx
import pytest

from tests.unit.search.golden import digest

API = "/artifactory/api/search"


async def found(http: httpx.AsyncClient, query: str, **headers: str) -> list[str]:
    answer = await http.get(f"{API}/{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return sorted(one["uri"].partition("/api/storage/")[2] for one in answer.json()["results"])


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("artifact?name=B.JAR", ["libs/org/b.jar"]),
        ("artifact?name=a.j", ["ext-cache/org/a.jar", "libs/org/a.jar"]),
        ("artifact?name=d*", ["libs/dx1.txt", "libs/org/d_1.txt"]),
        ("artifact?name=a.jar&repos=libs", ["libs/org/a.jar"]),
        ("artifact?name=a.jar&repos=ext", ["ext-cache/org/a.jar"]),
        ("artifact?name=a.jar&repos=both", ["ext-cache/org/a.jar", "libs/org/a.jar"]),
        ("artifact?name=nothing", []),
        ("artifact?name=z.jar", []),
        ("prop?license=GPL", ["libs/org/a.jar"]),
        ("prop?license=LGPL-2.1&license=GPL-3", ["libs/org/b.jar"]),
        ("prop?license=*GPL*", ["libs/org/a.jar", "libs/org/b.jar"]),
        ("prop?license=", ["libs/org/a.jar", "libs/org/b.jar", "libs/org/c.bin"]),
        ("prop?color=*", ["libs/dx1.txt", "libs/org"]),
        ("prop?li*=MIT", ["libs/org/c.bin"]),
        (f"checksum?sha1={digest('sha1', 'a').hex()}", ["ext-cache/org/a.jar", "libs/org/a.jar"]),
        (f"checksum?md5={digest('md5', 'b').hex().upper()}", ["libs/org/b.jar"]),
        (f"checksum?sha256={digest('sha256', 'zz').hex()}", []),
        (
            "usage?notUsedSince=5500&createdBefore=6000&repos=libs",
            ["libs/org/a.jar", "libs/org/b.jar", "libs/org/c.bin"],
        ),
        ("usage?notUsedSince=4500&createdBefore=6000&repos=libs", ["libs/org/a.jar"]),
        ("creation?from=5500&to=7500", ["libs/dx1.txt", "libs/org/d_1.txt"]),
        ("dates?dateFields=created&from=6500&to=7500", ["libs/dx1.txt"]),
        ("dates?dateFields=lastDownloaded,created&from=5000&to=5000", ["libs/org/b.jar", "libs/org/c.bin"]),
        (f"dates?dateFields={','.join(['created'] * 1500)}&from=6500&to=7500", ["libs/dx1.txt"]),
        ("badChecksum?type=md5", []),
        ("badChecksum?type=sha256", []),
    ],
)
async def test_what_is_there_is_found(http: httpx.AsyncClient, query: str, wanted: list[str]) -> None:
    assert await found(http, query) == wanted


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("artifact", 400), ("artifact?name=**", 400), ("prop", 404), ("prop?repos=libs", 400), ("prop?*=x", 400), ("checksum", 400),
        ("checksum?md5=ab", 400), (f"checksum?md5={'a' * 32}&sha1={'a' * 40}", 400), ("gavc", 400), ("usage", 404),
        ("usage?notUsedSince=x", 400), ("usage?notUsedSince=1", 404), ("creation", 400), ("creation?from=1&to=2", 404), ("dates", 400),
        ("dates?dateFields=x", 400), ("pattern", 400), ("pattern?pattern=libs:**/a", 400), ("badChecksum", 400),
        ("badChecksum?type=crc", 400), ("license?unknown=2", 400), ("license?repos=libs&autofind=yes", 400), ("dependency", 400),
        ("dependency?sha1=ab", 400), (f"dependency?sha256={'a' * 40}", 400), (f"dependency?sha1={'a' * 40}&sha256={'a' * 64}", 400),
        (f"dependency?sha1={'x' * 40}", 400),
    ],
)  # fmt: skip
async def test_what_cannot_be_looked_for_is_refused(http: httpx.AsyncClient, query: str, status: int) -> None:
    assert (await http.get(f"{API}/{query}")).status_code == status


async def test_results_hold_the_detail_that_was_asked_for(http: httpx.AsyncClient) -> None:
    answer = await http.get(f"{API}/artifact?name=b.jar", headers={"X-Result-Detail": "info, properties"})
    (one,) = answer.json()["results"]
    assert one["properties"] == {"license": ["LGPL-2.1", "GPL-3"]}
    assert (one["path"], one["size"]) == ("/org/b.jar", "200")


async def test_files_of_one_repository_are_found_by_a_pattern(http: httpx.AsyncClient) -> None:
    told = (await http.get(f"{API}/pattern?pattern=libs:org/*.jar")).json()
    assert told["files"] == ["org/a.jar", "org/b.jar"]
    assert told["repoUri"].endswith("/artifactory/libs")
    assert (await http.get(f"{API}/pattern?pattern=libs:*.jar")).json()["files"] == []


async def test_maven_coordinates_find_files(http: httpx.AsyncClient) -> None:
    await http.put("/artifactory/api/repositories/mvn", json={"rclass": "local", "packageType": "maven"})
    for name in ("app-1.0.jar", "app-1.0-sources.jar", "maven-metadata.xml", "app-1.0.jar.md5x"):
        await http.put(f"/artifactory/mvn/org/acme/app/1.0/{name}", content=name.encode())
    assert await found(http, "gavc?g=org.acme&a=app&v=1.0&c=sources") == ["mvn/org/acme/app/1.0/app-1.0-sources.jar"]
    assert len(await found(http, "gavc?a=app&v=1.*&repos=mvn")) == 3
