"""The description of the API agrees with the route table; and no route answers 500, whatever it is sent."""

import json
import re
from urllib.parse import quote

import httpx
import pytest

from entrepot.rest import openapi

HOSTILE = [
    b"",
    b"{",
    b"[]",
    b'"x"',
    b"\xff\xfe\x00",
    b"null",
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b"1e999",
    b"x" * 3_000_000,
]
PATHS = ["a", "..", "%2e%2e%2f", "%00", "%ff", "a;b=c", "%E2%82%AC", "x" * 3000, "-1", "%25", "a//b", "\u0130"]
QUERIES = [
    "",
    "?list&depth=-1",
    "?properties=%00",
    "?n=-5&last=%ff",
    "?a=" + "b" * 20_000,
    "?from=1e9&to=-1",
    "?" + "&".join("x=y" for _ in range(400)),
]


async def document(http: httpx.AsyncClient) -> dict[str, object]:
    told: dict[str, object] = (await http.get("/artifactory/api/openapi.json")).json()
    return told


async def test_every_operation_is_described_once(http: httpx.AsyncClient) -> None:
    told = await document(http)
    assert told["openapi"] == "3.1.0"
    paths = told["paths"]
    assert isinstance(paths, dict)
    operations = [(path, method, one) for path, methods in paths.items() for method, one in methods.items()]
    assert len(operations) > 120
    for path, method, one in operations:
        assert one["summary"], (path, method)
        named = {word["name"] for word in one["parameters"] if word["in"] == "path"}
        assert named == set(re.findall(r"\{([a-z_]+)\}", path)), path
        assert all(word["schema"]["type"] for word in one["parameters"])
        assert "default" in one["responses"]
    text = json.dumps(told)
    components = told["components"]
    assert isinstance(components, dict)
    for name in set(re.findall(r"#/components/schemas/(\w+)", text)):
        assert name in components["schemas"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "/artifactory/api/v1/metrics"), ("put", "/artifactory/api/v2/security/permissions/{name}")],
)
async def test_what_a_handler_judges_further_is_not_described_as_open_to_any_user(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    paths = (await document(http))["paths"]
    assert isinstance(paths, dict)
    assert paths[path][method]["description"].endswith("who may do what is then judged by what is asked for.")


async def test_it_is_made_once_and_names_the_server_as_each_client_knows_it(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await document(http)
    monkeypatch.setattr(openapi, "document", None)
    for host in ("one.test", "two.test"):
        told = (await http.get("/artifactory/api/openapi.json", headers={"host": host}, auth=None)).json()
        assert told["servers"] == [{"url": f"http://{host}"}]
        assert {**told, "servers": None} == {**first, "servers": None}


async def test_it_can_be_read_as_a_page_without_anything_from_elsewhere(http: httpx.AsyncClient) -> None:
    page = await http.get("/artifactory/api/docs", auth=None)
    assert page.status_code == 200
    assert "/artifactory/api/search/aql" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.findall(r"(?:src|href)=['\"]?(?:https?:)?//", page.text)


@pytest.mark.parametrize("path", ["/", "/artifactory", "/artifactory/", "//artifactory//", "/ui", "/ui/"])
async def test_who_types_the_name_of_the_host_finds_that_page(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path, auth=None)
    assert (answer.status_code, answer.headers["location"]) == (302, "/artifactory/api/docs")
    assert (await http.put(path)).status_code == 405


@pytest.mark.parametrize("path", ["copy/generic-local/a?to=/b/c", "search/aql", "move/generic-local"])
async def test_the_wrong_method_is_told_and_not_a_missing_file(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(f"/artifactory/api/{path}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH", "DELETE"])
async def test_no_route_answers_500_whatever_it_is_sent(http: httpx.AsyncClient, method: str) -> None:
    told = await document(http)
    paths = told["paths"]
    assert isinstance(paths, dict)
    number = 0
    for path, methods in paths.items():
        if method.lower() not in methods or "trash/empty" in path:
            continue
        for bad in PATHS:
            number += 1
            url = re.sub(r"\{[a-z_]+\}", lambda _, bad=bad: bad if bad.isascii() else quote(bad), path)
            url += QUERIES[number % len(QUERIES)]
            body = HOSTILE[number % len(HOSTILE)] if method not in {"GET", "DELETE"} else b""
            answer = await http.request(
                method, url, content=body, headers={"content-type": "application/json", "range": "bytes=-1,x"}
            )
            assert answer.status_code < 500, (method, url[:200], body[:50], answer.text[:300])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "build"), ("GET", "nosuch/a/b"), ("POST", "nosuch"), ("DELETE", ""), ("HEAD", "build/app/1"), ("MKCOL", "x/y"),
    ],
)  # fmt: skip
async def test_an_endpoint_that_is_not_there_is_named_and_not_looked_for_in_a_repository(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await http.request(method, f"/artifactory/api/{path}", content=b"{}")
    told = f"Entrepot has no endpoint /artifactory/api/{path}, or does not have it yet;"
    assert answer.status_code == 404
    if method != "HEAD":
        [error] = answer.json()["errors"]
        assert (error["status"], error["message"].startswith(told)) == (404, True), error
