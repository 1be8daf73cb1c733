"""The search for licences, over HTTP, on both engines."""

import httpx
import pytest

API = "/artifactory/api/search/license"
FILES = {"gpl": ["GPL-3.0"], "two": ["MIT", "Unknown"], "lost": ["Not Found"], "none": []}


@pytest.fixture
async def licensed(http: httpx.AsyncClient) -> httpx.AsyncClient:
    await http.put("/artifactory/api/repositories/lic", json={"rclass": "local", "packageType": "generic"})
    for name, values in FILES.items():
        matrix = "".join(f";artifactory.licenses={value}" for value in values)
        made = await http.put(f"/artifactory/lic/{name}.jar{matrix}", content=name.encode())
        assert made.status_code == 201, made.text
    return http


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", "gpl:GPL-3.0:Unapproved two:MIT:Unapproved two:Unknown:Unknown"),
        ("unknown=0", "gpl:GPL-3.0:Unapproved two:MIT:Unapproved"),
        ("unapproved=0", "two:Unknown:Unknown"),
        ("unapproved=0&unknown=0&notfound=1", "lost:Not Found:Not Found none:Not Found:Not Found"),
        ("unapproved=0&unknown=0", ""),
        ("unapproved=0&unknown=0&approved=1&neutral=1&autofind=1", ""),
    ],
)
async def test_licences_are_told_by_their_status(licensed: httpx.AsyncClient, query: str, wanted: str) -> None:
    answer = await licensed.get(f"{API}?repos=lic&{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.org.jfrog.artifactory.search.LicenseResult+json"
    told = sorted(
        f"{one['uri'].rpartition('/')[2].removesuffix('.jar')}:{one['license']}:{one['status']}"
        for one in answer.json()["results"]
    )
    assert " ".join(told) == wanted
    assert all(one["found"] == "" for one in answer.json()["results"])


async def test_without_a_repository_all_are_searched(licensed: httpx.AsyncClient) -> None:
    found = (await licensed.get(API)).json()["results"]
    assert {one["license"] for one in found} == {"GPL-3.0", "MIT", "Unknown"}
