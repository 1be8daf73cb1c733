"""What the Java client asks, over HTTP, on both engines."""

import httpx
import pytest

LABEL = '<label for="male">Male, | And Female = Love</label>'


async def test_the_machine_and_the_process_are_told_in_numbers(http: httpx.AsyncClient) -> None:
    answer = await http.get("/artifactory/api/system/info")
    assert answer.status_code == 200
    told = answer.json()
    assert len(told) == 17
    assert all(isinstance(value, int | float) and value >= 0 for value in told.values())
    assert told["numberOfCores"] > 0
    assert told["maxFileDescriptorCount"] >= told["openFileDescriptorCount"] > 0
    assert told["heapMemoryMax"] >= told["heapMemoryUsage"] > 0


async def test_what_is_encoded_divides_nothing_where_each_pair_ends_with_a_semicolon(
    http: httpx.AsyncClient, repo: str
) -> None:
    await http.put(f"/artifactory/{repo}/a.txt", content=b"a")
    place = f"http://entrepot.test/artifactory/api/storage/{repo}/a.txt"
    label = "%3Clabel+for%3D%22male%22%3EMale%2C+%7C+And+Female+%3D+Love%3C%2Flabel%3E"
    pairs = f"label={label};many=1,2,%3B;back=%5C,x%5C%2Cy;"
    assert (await http.put(httpx.URL(f"{place}?properties={pairs}&recursive=0"))).status_code == 204
    held = (await http.get(f"{place}?properties")).json()["properties"]
    assert held == {"label": [LABEL], "many": ["1", "2", ";"], "back": ["\\", "x\\,y"]}


async def test_what_is_encoded_divides_where_no_semicolon_ends_it(http: httpx.AsyncClient, repo: str) -> None:
    await http.put(f"/artifactory/{repo}/a.txt", content=b"a")
    place = f"http://entrepot.test/artifactory/api/storage/{repo}/a.txt"
    assert (await http.put(httpx.URL(f"{place}?properties=k=a%2Cb;l=x%5C%2Cy&recursive=0"))).status_code == 204
    assert (await http.get(f"{place}?properties")).json()["properties"] == {"k": ["a", "b"], "l": ["x,y"]}


@pytest.mark.parametrize("pairs", [";", "%20;", "k%zz=%ff;", "k=%00;", "1=2;", "k=" + "x" * 5000 + ";", "k=v\\;"])
async def test_pairs_that_are_none_are_refused(http: httpx.AsyncClient, repo: str, pairs: str) -> None:
    await http.put(f"/artifactory/{repo}/a.txt", content=b"a")
    answer = await http.put(f"http://entrepot.test/artifactory/api/storage/{repo}/a.txt?properties={pairs}")
    assert answer.status_code in {204, 400}
    assert answer.status_code == 400 or pairs.startswith("k=v")


async def test_a_slash_at_the_end_changes_nothing(http: httpx.AsyncClient, repo: str) -> None:
    listed = await http.get("/artifactory/api/repositories/?type=local")
    assert listed.status_code == 200
    assert repo in [one["key"] for one in listed.json()]
    assert (await http.get(f"/artifactory/api/storage/{repo}/?permissions")).json()["principals"]
    assert (await http.get(f"/artifactory/api/storage/{repo}/")).json()["path"] == "/"
