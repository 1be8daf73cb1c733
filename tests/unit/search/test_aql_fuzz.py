"""AQL against an evaluator that knows nothing of SQL, on the golden rows; and against texts that are hardly AQL."""

import fnmatch
import json
import random
from collections.abc import Mapping
from typing import Any

import httpx

from tests.unit.search.golden import NODES, PROPERTIES

AQL = "/artifactory/api/search/aql"
RANDOM = random.Random(20261126)
SHOWN = {number: row for number, row in NODES.items() if row[0] == "libs"}
COMPARED = {
    "$eq": lambda a, b: a == b, "$ne": lambda a, b: a != b, "$gt": lambda a, b: a > b, "$gte": lambda a, b: a >= b,
    "$lt": lambda a, b: a < b, "$lte": lambda a, b: a <= b,
}  # fmt: skip


def matches(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def fields(number: int) -> dict[str, Any]:
    repo, path, name, kind, size = NODES[number]
    return {
        "repo": repo, "path": path, "name": name, "type": "file" if kind else "folder", "size": size,
        "depth": 1 if path == "." else path.count("/") + 2,
    }  # fmt: skip


def holds(number: int, criterion: Mapping[str, Any]) -> bool:
    """Whether a row meets a criterion; several in one object must all be met."""
    for key, value in criterion.items():
        if key == "$and":
            met = all(holds(number, one) for one in value)
        elif key == "$or":
            met = any(holds(number, one) for one in value)
        elif key.startswith("@"):
            met = any(_property(row, key[1:], value) for row in PROPERTIES if row[0] == number)
        else:
            met = _field(fields(number)[key], value)
        if not met:
            return False
    return True


def _property(row: tuple[int, str, str], key: str, value: Any) -> bool:
    ((operator, wanted),) = (value if isinstance(value, dict) else {"$eq": value}).items()
    return row[1] == key and (matches(row[2], wanted) if operator == "$match" else row[2] == wanted)


def _field(found: Any, value: Any) -> bool:
    for operator, wanted in (value if isinstance(value, dict) else {"$eq": value}).items():
        if operator in ("$match", "$nmatch"):
            met = matches(str(found), wanted) is (operator == "$match")
        else:
            met = COMPARED[operator](found, type(found)(wanted))
        if not met:
            return False
    return True


def criterion(depth: int = 0) -> dict[str, Any]:
    """A random criterion over what the golden rows hold, and what they do not."""
    if depth < 3 and RANDOM.random() < 0.4:
        return {RANDOM.choice(["$and", "$or"]): [criterion(depth + 1) for _ in range(RANDOM.randint(1, 3))]}
    if RANDOM.random() < 0.3:
        _, key, value = RANDOM.choice(PROPERTIES)
        wanted = RANDOM.choice([value, value[:1] + "*", "*", "none"])
        return {f"@{key}": {"$match": wanted} if "*" in wanted else {"$eq": wanted}}
    number = RANDOM.choice([*NODES])
    key = RANDOM.choice(["path", "name", "size", "depth"])  # repositories also mean the virtual ones that they are in
    value = fields(number)[key]
    if isinstance(value, int):
        return {key: {RANDOM.choice([*COMPARED]): RANDOM.choice([value, value + 1])}}
    operator = RANDOM.choice([*COMPARED, "$match", "$nmatch"])
    if operator in ("$match", "$nmatch"):
        value = RANDOM.choice([value, value[:2] + "*", "*" + value[-2:], value.replace("a", "?"), "*_*"])
    return {key: {operator: value}}


async def found(http: httpx.AsyncClient, asked: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    query = f'items.find({json.dumps(asked)}).include("repo","path","name")'
    reply = await http.post(AQL, content=query)
    assert reply.status_code == 200, (query, reply.text)
    return {(row["repo"], row["path"], row["name"]) for row in reply.json()["results"]}


async def test_what_is_found_is_what_the_criteria_say(http: httpx.AsyncClient) -> None:
    await http.post(
        "/artifactory/api/security/permissions/x", json={}
    )  # nothing: only warms what the first request builds
    for _ in range(300):
        asked = {"$and": [{"type": RANDOM.choice(["file", "folder", "any"]), "repo": "libs"}, criterion()]}
        kind = asked["$and"][0]["type"]
        wanted = {
            SHOWN[number][:3]
            for number in SHOWN
            if (kind == "any" or fields(number)["type"] == kind) and holds(number, asked["$and"][1])
        }
        assert {row for row in await found(http, asked) if row[2] != "."} == wanted, asked


SEEDS = (
    'items.find({"repo":"libs","$or":[{"name":{"$match":"*.jar"}},{"@license":"MIT"}]}).include("name","size").sort({"$desc":["size"]})',
    'builds.find({"module.artifact.item.name":{"$match":"*"}}).limit(3).offset(1)',
    'items.find({"created":{"$last":"3d"},"stat.downloads":{"$gt":0},"$msp":[{"@a":"b"},{"@c":{"$ne":"d"}}]}).distinct(false)',
    'archive.entries.find({"archive.item.repo":"libs","name":"x"}).include("name")',
)
PIECES = [
    '"', "{", "}", "[", "]", "(", ")", ",", ":", ".", "$", "@", "*", "$or", "$msp", '"$eq"', "null", "-1", "1e9", "\\", "\\u0000",
    "\0", "é", "find", "include", " ",
]  # fmt: skip


def mutated() -> str:
    text = RANDOM.choice(SEEDS)
    for _ in range(RANDOM.choice([0, 1, 1, 2, 6])):
        place = RANDOM.randrange(len(text) + 1)
        cut = RANDOM.choice([0, 0, 1, 3, 20])
        text = text[:place] + RANDOM.choice([*PIECES, "", text[place : place + 15]]) + text[place + cut :]
    return text


async def test_no_text_breaks_the_reading_or_the_searching(http: httpx.AsyncClient) -> None:
    statuses: dict[int, int] = {}
    for _ in range(1500):
        text = mutated()
        reply = await http.post(AQL, content=text.encode("utf-8", "surrogatepass"))
        assert reply.status_code in {200, 400}, (text, reply.text)
        statuses[reply.status_code] = statuses.get(reply.status_code, 0) + 1
    assert min(statuses.values()) > 50  # both kinds were among them
