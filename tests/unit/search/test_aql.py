"""AQL over HTTP, on both engines: the golden fixture, results, refusals, and who sees what."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from entrepot.metadata.open import open_database
from entrepot.metadata.properties import value_hash
from entrepot.settings import Settings
from tests.served import PASSWORD
from tests.stores import write
from tests.unit.search.golden import FOUND, NODES, REFUSED

AQL = "/artifactory/api/search/aql"
_NUMBERS = {
    (("ext-cache" if key == "ext" else key), path, name): number for number, (key, path, name, *_) in NODES.items()
}


async def ask(http: httpx.AsyncClient, query: str) -> list[dict[str, Any]]:
    answer = await http.post(AQL, content=query.encode())
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert list(told) == ["results", "range"]
    assert told["range"]["total"] == len(told["results"])
    results: list[dict[str, Any]] = told["results"]
    return results


def numbers(results: list[dict[str, Any]]) -> str:
    found = [(one["repo"], one["path"], one["name"]) for one in results]
    return " ".join(map(str, sorted(1 if one == ("libs", ".", ".") else _NUMBERS[one] for one in found)))


@pytest.mark.parametrize(("criteria", "wanted"), FOUND)
async def test_the_golden_fixture(http: httpx.AsyncClient, criteria: str, wanted: str) -> None:
    assert numbers(await ask(http, f"items.find({criteria})")) == wanted


@pytest.mark.parametrize("query", REFUSED)
async def test_what_is_no_query_is_refused(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.post(AQL, content=query.encode())
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]


def _nested(levels: int, *, of: str, beside: str = "") -> str:
    """Return a criterion within so many others, with something before it on each level."""
    for level in range(levels):
        of = f'"{("$and", "$or")[level % 2]}":[{{{beside}{of}}}]'
    return f"{{{of}}}"


@pytest.mark.parametrize(
    ("criteria", "wanted"),
    [
        ('{"$or":[' + ",".join(f'{{"name":"{n}"}}' for n in range(1500)) + ',{"name":"c.bin"}]}', "5"),
        ("{" + ",".join(f'"name":{{"$ne":"{n}"}}' for n in range(1500)) + ',"name":"c.bin"}', "5"),
        ('{"$msp":[' + ",".join(f'{{"@a":{{"$ne":"{n}"}}}}' for n in range(1500)) + ',{"@color":"red"}]}', "7"),
        ("{" + ",".join(f'"@a":"{n}"' for n in range(70)) + "}", ""),
        ("{" + '"@license":"MIT",' * 69 + '"@license":"MIT"}', "5"),
        (_nested(60, of='"name":"c.bin"'), "5"),
        (_nested(60, of='"name":"c.bin"', beside='"size":300,'), "5"),
        (_nested(60, of='"@license":{"$ne":"GPL"}', beside='"size":300,"@license":"MIT",' * 12), "5"),
        (_nested(60, of=",".join(['"sha256":{"$nmatch":"a*"},"@a":{"$ne":"b"}'] * 600), beside='"name":"c.bin",'), "5"),
        ('{"$msp":[{"@license":"MIT","$or":[{}]}]}', "5"),
        ('{"name":"c.bin","$or":[{}],"$msp":[{}]}', "5"),
    ],
)  # fmt: skip
async def test_large_and_deep_queries_are_answered(http: httpx.AsyncClient, criteria: str, wanted: str) -> None:
    assert numbers(await ask(http, f"items.find({criteria})")) == wanted


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ('items.find({"name":{"$match":"' + "a*" * 30_000 + '"}})', "pattern"),
        ('items.find({"name":{"$matchic":"' + "[" * 20_000 + '*"}})', "pattern"),
        ('items.find({"@a":{"$nmatch":"' + "a*" * 30_000 + '"}})', "pattern"),
        ('items.find({"artifact.' + "module.artifact." * 31 + 'name":"x"})', "tables"),
        ('items.find().include("artifact.' + "module.artifact." * 31 + 'name")', "tables"),
    ],
)
async def test_what_the_database_would_not_take_is_refused(http: httpx.AsyncClient, query: str, reason: str) -> None:
    answer = await http.post(AQL, content=query)
    assert (answer.status_code, reason in answer.json()["errors"][0]["message"]) == (400, True), answer.text


@pytest.mark.parametrize(
    ("query", "rest"),
    [
        ('items.FIND({"repo":"a"})', 'FIND({"repo":"a"})'), ('items.find({"repo":{"$eq":"a","$ne":"b"}})', ',"$ne":"b"}})'),
        ('items.find({"repo":"a",})', "})"), ('items.find({"repo":"a"});', ";"), ('items.find({"$and":[]})', "]})"),
        ('items.find({"repo":"a"}).limit("5")', '"5")'), ('items.find({"repo":"a"}).include("repo","path",)', ")"),
    ],
)  # fmt: skip
async def test_a_fault_is_told_with_the_rest_from_where_it_is(http: httpx.AsyncClient, query: str, rest: str) -> None:
    message = (await http.post(AQL, content=query)).json()["errors"][0]["message"]
    assert (
        message
        == f"Failed to parse query: {query}, it looks like there is syntax error near the following sub-query: {rest}"
    )


@pytest.mark.parametrize(
    ("query", "rest", "why"),
    [
        ('items.find({"REPO":"a"})', 'REPO":"a"})', "item has no field 'REPO'; did you mean 'repo'?"),
        ('items.find({"artifact.nmae":"a"})', 'artifact.nmae":"a"})', "artifact has no field 'nmae'"),
        ('items.find({"properties.key":"a"})', 'properties.key":"a"})', "item has no relation 'properties'"),
        ('items.find({"stat.@a":"a"})', 'stat.@a":"a"})', "'@a' is no property of stat"),
        ('items.find({"@":"a"})', '@":"a"})', "'@' is no property of item"),
        ('items.find().include("nmae")', 'nmae")', "item has no field 'nmae'"),
        ('items.find().sort({"$asc":["creatd"]})', 'creatd"]})', "item has no field 'creatd'; did you mean 'created'?"),
        ('items.find({"repo":{"$in":["a"]}})', '$in":["a"]}})', "there is no comparator '$in'"),
        (f'items.find({{"{"artifact." * 70}name":"a"}})', f'{"artifact." * 70}name":"a"}})', "a name has at most 64 relations"),
    ],
)  # fmt: skip
async def test_what_a_query_names_and_is_unknown_is_told(http: httpx.AsyncClient, query: str, rest: str, why: str) -> None:
    answer = await http.post(AQL, content=query)
    told = f"Failed to parse query: {query}, it looks like there is syntax error near the following sub-query: {rest} ({why})"
    assert (answer.status_code, answer.json()) == (400, {"errors": [{"status": 400, "message": told}]})


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('builds.find({"module.artifact.item.@license":{"$match":"*GPL*"}})', ["1", "2"]),
        ('builds.find({"module.dependency.item.name":"c.bin"})', ["1"]),
        ('builds.find({"module.artifact.item.repo":"ext-cache"})', ["1"]),
        ('builds.find({"promotion.status":"released"})', ["2"]),
        ('builds.find({"promotion.status":{"$ne":"released"}})', []),
        ('builds.find({"@os":"linux"})', ["1"]),
        ('builds.find({"name":"app"}).sort({"$desc":["number"]}).limit(1)', ["2"]),
    ],
)
async def test_builds_are_found_by_what_they_hold(http: httpx.AsyncClient, query: str, names: list[str]) -> None:
    assert sorted(one["build.number"] for one in await ask(http, query)) == names


async def test_other_domains_answer_in_their_own_words(http: httpx.AsyncClient) -> None:
    told = await ask(http, 'stats.find({"downloads":{"$gte":1}}).include("downloads","item.name")')
    assert sorted((one["downloads"], one["items"][0]["name"]) for one in told) == [(1, "c.bin"), (5, "b.jar")]
    assert len(await ask(http, 'properties.find({"item.repo":"libs"})')) == 8
    assert sorted(one["value"] for one in await ask(http, 'properties.find({"key":"color"})')) == ["blue", "red"]
    assert [one["value"] for one in await ask(http, 'properties.find({"color":"red"})')] == ["red"]
    assert [one["module.name"] for one in await ask(http, 'modules.find({"build.number":"2"})')] == ["g:app:2"]
    assert [one["dependency.name"] for one in await ask(http, 'dependencies.find({"module.build.number":"1"})')] == [
        "c.bin"
    ]
    assert [one["artifact.name"] for one in await ask(http, 'artifacts.find({"item.repo":"ext-cache"})')] == ["a.jar"]
    assert (await ask(http, "build.promotions.find()"))[0]["build.promotion.user"] == "bob"
    assert (await ask(http, "build.properties.find()"))[0] == {
        "build.property.key": "os",
        "build.property.value": "linux",
    }
    for empty in ("releases.find()", "release_artifacts.find()", "archive.entries.find()", "module.properties.find()"):
        assert await ask(http, empty) == []


async def test_a_row_has_its_fields_in_order_and_leaves_out_what_is_not_there(http: httpx.AsyncClient) -> None:
    (row,) = await ask(http, 'items.find({"name":"b.jar"})')
    assert list(row) == [
        "repo",
        "path",
        "name",
        "type",
        "size",
        "created",
        "created_by",
        "modified",
        "modified_by",
        "updated",
    ]
    assert (row["size"], row["type"], row["created"]) == (200, "file", "1970-01-01T00:00:04.000Z")
    (row,) = await ask(http, 'items.find({"name":"b.jar"}).include("*")')
    assert {"depth", "actual_md5", "actual_sha1", "sha256", "virtual_repos"} <= set(row)
    assert row["virtual_repos"] == ["both"]


async def test_what_is_included_is_nested(http: httpx.AsyncClient) -> None:
    (row,) = await ask(
        http, 'items.find({"repo":"libs","name":"b.jar"}).include("name","property","stat","artifact.module.build")'
    )
    assert row["properties"] == [{"key": "license", "value": "LGPL-2.1"}, {"key": "license", "value": "GPL-3"}]
    assert row["stats"][0]["downloads"] == 5
    assert row["artifacts"][0]["modules"][0]["builds"][0]["build.number"] == "2"
    (row,) = await ask(http, 'items.find({"name":"dx1.txt"}).include("name","stat","@color")')
    assert row == {
        "name": "dx1.txt",
        "properties": [{"key": "color", "value": "red"}],
        "stats": [{"downloads": 0, "remote_downloads": 0}],
    }
    assert numbers(await ask(http, 'items.find().include("repo","path","name","@color","@version")')) == "3 7"
    (row,) = await ask(http, 'builds.find({"number":"1"}).include("number","module.artifact.name","module.dependency")')
    (module,) = row["modules"]
    assert module["artifacts"] == [{"artifact.name": "a.jar"}]
    assert module["dependencies"][0]["dependency.scope"] == "compile"


async def test_sort_offset_and_limit(http: httpx.AsyncClient) -> None:
    found = 'items.find({"repo":"libs"}).include("name","size","property").sort({"$desc":["size","name"]})'
    assert [one["name"] for one in await ask(http, found)] == ["c.bin", "b.jar", "a.jar", "dx1.txt", "d_1.txt"]
    assert [one["name"] for one in await ask(http, f"{found}.offset(1).limit(2)")] == ["b.jar", "a.jar"]
    assert await ask(http, f"{found}.limit(0)") == []
    assert len(await ask(http, f"{found}.limit(-1)")) == 5
    told = (await http.post(AQL, content=f"{found}.offset(1).limit(2)")).json()["range"]
    assert told == {"start_pos": 1, "end_pos": 2, "total": 2, "limit": 2}
    keys = [one["repo"] for one in await ask(http, 'items.find().include("repo").sort({"$asc":["repo"]})')]
    assert keys == ["ext-cache", "libs"]


async def test_pages_without_a_sort_hold_every_row_once(http: httpx.AsyncClient) -> None:
    for criteria, wanted in (
        ('{"name":{"$gt":"a"}}', "3 4 5 6 7 8"),
        ('{"$or":[{"name":"dx1.txt"},{"name":"c.bin"},{"name":"a.jar"}]}', "3 5 7 8"),
    ):
        pages = [await ask(http, f"items.find({criteria}).offset({offset}).limit(2)") for offset in (0, 2, 4)]
        assert numbers([one for page in pages for one in page]) == wanted


async def test_the_root_of_a_repository_is_a_row_of_its_own(http: httpx.AsyncClient) -> None:
    found = 'items.find({"repo":"libs","type":"any"}).include("path","name","type")'
    up = [one["name"] for one in await ask(http, f'{found}.sort({{"$asc":["name"]}})')]
    down = [one["name"] for one in await ask(http, f'{found}.sort({{"$desc":["name"]}})')]
    assert (up[0], down) == (".", up[::-1])
    pages = [await ask(http, f'{found}.sort({{"$asc":["name"]}}).offset({offset}).limit(2)') for offset in (0, 2, 4, 6)]
    assert [one["name"] for page in pages for one in page] == up


async def test_transitive_asks_one_repository(http: httpx.AsyncClient) -> None:
    either = '{"$or":[{"$and":[{"repo":"libs","name":"a.jar"}]},{"$and":[{"repo":"libs","name":"b.jar"}]}]}'
    found = f'items.find({either}).include("repo","path","name","property").transitive().limit(5)'
    assert numbers(await ask(http, found)) == "3 4"


@pytest.mark.parametrize(
    "sort",
    [
        f'.sort({{"{way}":[{fields}]}})'
        for way in ("$asc", "$desc")
        for fields in ('"repo"', '"repo","path","name"', '"name"', '"path","size"', '"created"', '"sha256"', '"size","name"')
    ]
    + [""],
)  # fmt: skip
async def test_roots_are_where_the_order_has_them_and_on_one_page(http: httpx.AsyncClient, sort: str) -> None:
    found = f'items.find({{"type":"any"}}).include("repo","path","name","size","type","created","sha256"){sort}'
    everything = await ask(http, f"{found}.limit(99)")
    assert sum(one["name"] == "." for one in everything) > 3
    keys = [[one.get(key, "~") for key in re.findall(r'"(\w+)"', sort)] for one in everything]
    assert keys == sorted(keys, reverse="$desc" in sort)
    for size in (1, 3, 4):
        pages = [await ask(http, f"{found}.offset({place}).limit({size})") for place in range(0, 20, size)]
        assert [one for page in pages for one in page] == everything
    assert await ask(http, f"{found}.offset(2)") == everything[2:]
    assert await ask(http, f"{found}.limit(0)") == []


async def test_equal_rows_come_once_unless_told_otherwise(http: httpx.AsyncClient) -> None:
    assert sorted(one["name"] for one in await ask(http, 'items.find({"name":"a.jar"}).include("name")')) == ["a.jar"]
    assert len(await ask(http, 'items.find({"name":"a.jar"}).include("name").distinct(false)')) == 2


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/octet-stream", "application/x-www-form-urlencoded", "application/json"]
)
async def test_the_type_of_the_body_does_not_matter_where_it_is_a_query(
    http: httpx.AsyncClient, kind: str | None
) -> None:
    headers = {"content-type": kind} if kind else {}
    assert (await http.post(AQL, content='items.find({"name":"b.jar"})', headers=headers)).status_code == 200
    refused = await http.post(AQL, content="{}", headers={"content-type": "application/json"})
    assert refused.status_code == 415
    assert (await http.post(f"{AQL}?query=items.find()", content=b"")).status_code == 200
    assert (await http.post(AQL, content=b"\xff\xfe")).status_code == 400


# --- who sees what ----------------------------------------------------------------------------------------------------


async def reader(http: httpx.AsyncClient, name: str, *patterns: str) -> httpx.BasicAuth:
    """Make a user that may read some paths of libs, and nothing else."""
    for everyone in ("Anything", "Any%20Remote"):
        await http.delete(f"/artifactory/api/security/permissions/{everyone}")
    user = {"email": f"{name}@x.test", "password": PASSWORD, "groups": []}
    assert (await http.put(f"/artifactory/api/security/users/{name}", json=user)).status_code == 201
    target = {
        "name": f"t-{name}", "includesPattern": ",".join(patterns), "repositories": ["libs"], "principals": {"users": {name: ["r"]}}
    }  # fmt: skip
    assert (await http.put(f"/artifactory/api/security/permissions/t-{name}", json=target)).status_code == 201
    return httpx.BasicAuth(name, PASSWORD)


async def asked_by(http: httpx.AsyncClient, auth: httpx.BasicAuth, query: str) -> list[dict[str, Any]]:
    answer = await http.post(AQL, content=query, auth=auth)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


async def test_rows_that_may_not_be_read_are_neither_shown_nor_counted(http: httpx.AsyncClient) -> None:
    auth = await reader(http, "narrow", "org/b.*", "dx1.txt")
    assert numbers(await asked_by(http, auth, "items.find()")) == "4 7"
    query = 'items.find().sort({"$asc":["name"]})'
    assert numbers(await asked_by(http, auth, f"{query}.limit(1)")) == "4"
    assert numbers(await asked_by(http, auth, f"{query}.offset(1).limit(5)")) == "7"
    assert await asked_by(http, auth, 'items.find({"repo":"auto-trashcan"})') == []
    assert [one["value"] for one in await asked_by(http, auth, "properties.find()")] != []
    assert {one["key"] for one in await asked_by(http, auth, 'properties.find({"key":"version"})')} == set()
    assert await asked_by(http, auth, "builds.find()") == []
    assert await asked_by(http, auth, 'items.find({"artifact.item.name":"c.bin"})') == []
    (row,) = await asked_by(http, auth, 'items.find({"name":"b.jar"}).include("name","artifact.module.build")')
    assert row == {"name": "b.jar"}


@pytest.fixture
async def released(settings: Settings) -> AsyncIterator[None]:
    """Have node 3 in a release bundle."""
    database = await open_database(settings.home, settings.database_url)
    await write(
        database,
        """INSERT INTO release (id, name, version, status, created, signature, type)
        VALUES (1, 'bundle', '1', 'OPEN', 0, 'signed', 'SOURCE')""",
    )
    await write(
        database, "INSERT INTO release_artifact (id, release_id, item_id, path) VALUES (1, 1, 90003, 'libs:org/a.jar')"
    )
    yield
    await write(database, "DELETE FROM release")
    await database.close()


@pytest.fixture
async def foreign(settings: Settings) -> AsyncIterator[None]:
    """Have a file whose name and property are not of ASCII alone."""
    database = await open_database(settings.home, settings.database_url)
    await write(
        database,
        """INSERT INTO item (id, repo_id, path, name, kind, depth, size, created, created_by, modified, modified_by, updated)
        SELECT 90010, id, 'org', 'ÜBER.Zip', 1, 2, 1, 1, 'ci', 1, 'ci', 1 FROM repository WHERE key = 'libs'""",
    )
    await write(
        database,
        "INSERT INTO prop (item_id, key, value, value_hash) VALUES (90010, 'word', 'ÄRGER', :hash)",
        hash=value_hash("ÄRGER"),
    )
    yield
    await write(database, "DELETE FROM item WHERE id = 90010")
    await database.close()


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ('{"name":{"$eqic":"ÜbeR.zIP"}}', True), ('{"name":{"$eqic":"über.zip"}}', False),
        ('{"name":{"$matchic":"ÜB*.ZIP"}}', True), ('{"name":{"$matchic":"üb*.zip"}}', False),
        ('{"@word":{"$matchic":"Ärg*"}}', True), ('{"@word":{"$eqic":"Ärger"}}', True), ('{"@word":{"$eqic":"ärger"}}', False),
    ],
)  # fmt: skip
async def test_only_capitals_of_ascii_are_as_good_as_small_letters(
    http: httpx.AsyncClient, criteria: str, found: bool
) -> None:
    assert [one["name"] for one in await ask(http, f"items.find({criteria})")] == ["ÜBER.Zip"] * found


@pytest.mark.usefixtures("foreign")
async def test_quick_search_finds_names_that_are_not_of_ascii(http: httpx.AsyncClient) -> None:
    answer = await http.get("/artifactory/api/search/artifact", params={"name": "ÜBER"})
    assert len(answer.json()["results"]) == 1


HIDDEN = [
    '"artifact.module.build.@os":{"$match":"lin*"}', '"artifact.name":"a.jar"', '"artifact.module.name":{"$match":"g*"}',
    '"artifact.module.build.number":"1"', '"artifact.module.build.name":{"$match":"a*"}',
    '"artifact.module.dependency.name":"c.bin"',
    '"artifact.module.build.promotion.created":{"$ne":"0"}', '"$msp":[{"artifact.module.build.@os":"linux"}]',
    '"release_artifact.path":{"$match":"libs*"}', '"release_artifact.release.name":"bundle"',
    '"release_artifact.release.signature":{"$match":"s*"}', '"archive.item.artifact.name":"a.jar"',
]  # fmt: skip


@pytest.mark.usefixtures("released")
async def test_what_may_not_be_seen_is_for_related_rows_as_if_it_were_not_there(http: httpx.AsyncClient) -> None:
    auth = await reader(http, "ann", "**")
    for criterion in HIDDEN:
        found = f'items.find({{"repo":"libs",{criterion}}})'
        assert await asked_by(http, auth, found) == [], criterion
        either = f'items.find({{"name":"c.bin"}},{{"$or":[{{"name":"c.bin"}},{{{criterion}}}]}})'
        assert numbers(await asked_by(http, auth, either)) == "5", criterion
    assert numbers(await ask(http, 'items.find({"release_artifact.release.name":"bundle"})')) == "3"
    assert (
        numbers(await asked_by(http, auth, 'items.find({"name":"a.jar","release_artifact.path":{"$eq":null}})')) == "3"
    )


@pytest.mark.usefixtures("released")
@pytest.mark.parametrize(
    "included",
    [
        "artifact", "artifact.module.property", "artifact.module.build.property", "artifact.module.build.promotion",
        "dependency.module.build", "dependency.module.dependency", "release_artifact", "release_artifact.release",
    ],
)  # fmt: skip
async def test_what_may_not_be_seen_is_not_nested(http: httpx.AsyncClient, included: str) -> None:
    query = f'items.find({{"$or":[{{"name":"a.jar"}},{{"name":"c.bin"}}]}}).include("name","{included}")'
    auth = await reader(http, f"ann-{included.replace('_', '-')}", "**")
    assert all(list(row) == ["name"] for row in await asked_by(http, auth, query))
    assert any(list(row) != ["name"] for row in await ask(http, query))


async def test_the_reader_of_a_repository_sees_all_of_it(http: httpx.AsyncClient) -> None:
    auth = await reader(http, "whole", "**")
    assert numbers(await asked_by(http, auth, "items.find()")) == "3 4 5 6 7"


async def test_nobody_in_particular_is_asked_who_it_is(http: httpx.AsyncClient) -> None:
    nobody = httpx.AsyncClient(transport=http._transport, base_url=http.base_url)
    answer = await nobody.post(AQL, content="items.find()")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
