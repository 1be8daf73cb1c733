import json
import time
from typing import Any

import pytest

from entrepot.access.actions import Action
from entrepot.access.permissions import RepositoryFacts
from entrepot.auth.audit import SYSTEM
from entrepot.repositories.configuration import create
from tests.rights import grants
from tests.unit.rest.security.support import Site, message

V1 = "/artifactory/api/security/permissions"
V2 = "/artifactory/api/v2/security/permissions"
ACCESS = "/access/api/v2/permissions"
OF_V1 = {
    "name": "dev", "includesPattern": "com/**,org/**", "excludesPattern": "**/secret/**",
    "repositories": ["libs", "ANY REMOTE"], "principals": {"users": {"bob": ["r", "w", "m"]}, "groups": {"devs": ["r"]}},
}  # fmt: skip
OF_ACCESS = {
    "name": "dev",
    "resources": {
        "artifact": {
            "actions": {"users": {"bob": ["READ", "WRITE"]}, "groups": {"devs": ["READ"]}},
            "targets": {
                "libs": {"include_patterns": ["**"], "exclude_patterns": []},
                "ANY LOCAL": {"include_patterns": ["a/**"], "exclude_patterns": ["b"]},
            },
        }
    },
}


async def allowed(site: Site, key: str = "libs", path: str = "com/a", user: str = "bob") -> bool:
    await site.rules.refresh()
    return grants(site.rules(), frozenset({f"u:{user}"}), Action.DEPLOY, RepositoryFacts(key, "local"), path)


async def test_v1_reads_back_what_it_was_told(site: Site) -> None:
    created = await site.ask("PUT", f"{V1}/dev", OF_V1)
    assert (created.status_code, created.content) == (201, b"")
    assert (await site.ask("GET", f"{V1}/dev")).json() == OF_V1
    assert (await site.ask("PUT", f"{V1}/dev", {**OF_V1, "repositories": ["libs"]})).status_code == 201
    assert (await site.ask("GET", f"{V1}/dev")).json()["repositories"] == ["libs"]
    listed = (await site.ask("GET", V1)).json()
    assert listed == [{"name": name, "uri": f"http://site{V1}/{name}"} for name in ("Anything", "dev")]


async def test_a_grant_is_in_force_when_it_is_answered_and_over_when_it_is_taken_back(site: Site) -> None:
    assert not await allowed(site)
    await site.ask("PUT", f"{V1}/dev", OF_V1)
    assert await allowed(site)
    assert not await allowed(site, path="com/secret/a")
    assert not await allowed(site, key="docker-local")
    removed = await site.ask("DELETE", f"{V1}/dev")
    assert removed.text == "Permission Target 'dev' has been removed successfully."
    assert not await allowed(site)


async def test_v1_creates_by_put_alone(site: Site) -> None:
    refused = await site.ask("POST", f"{V1}/dev", OF_V1)
    assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, GET, HEAD, PUT")


async def test_v1_without_principals_grants_nothing(site: Site) -> None:
    assert (await site.ask("PUT", f"{V1}/dev", {"repositories": ["libs"], "principals": None})).status_code == 201
    told = (await site.ask("GET", f"{V1}/dev")).json()
    assert (told["principals"], told["includesPattern"]) == ({"users": {}, "groups": {}}, "**")


async def test_v2_fills_in_what_its_client_compares(site: Site) -> None:
    sent: dict[str, Any] = {
        "name": "dev",
        "repo": {"exclude-patterns": ["dir/*"], "repositories": ["ANY"], "actions": {"users": {"anonymous": ["read"]}}},
        "build": {"repositories": ["artifactory-build-info"], "actions": {"users": {"anonymous": ["annotate"]}}},
    }
    assert (await site.ask("POST", f"{V2}/dev", sent)).status_code == 201
    sent["repo"]["include-patterns"] = ["**"]
    sent["build"] |= {"include-patterns": ["**"], "exclude-patterns": []}
    assert (await site.ask("GET", f"{V2}/dev")).json() == sent
    sent["repo"] |= {"actions": {}, "repositories": ["ANY REMOTE"]}
    assert (await site.ask("PUT", f"{V2}/dev", sent)).status_code == 200
    assert (await site.ask("GET", f"{V2}/dev")).json() == sent
    assert (await site.ask("DELETE", f"{V2}/dev")).status_code == 200
    assert (await site.ask("GET", f"{V2}/dev")).status_code == 404


async def test_a_target_may_be_as_long_as_the_configuration_of_many_repositories(site: Site) -> None:
    body = json.dumps({"repo": {"repositories": ["libs"]}}).encode() + b" " * (3 << 20)
    assert (await site.ask("PUT", f"{V2}/long", content=body)).status_code == 201


async def test_v2_creates_once(site: Site) -> None:
    body = {"repo": {"repositories": ["libs"], "actions": {"groups": {"devs": ["read", "write"]}}}}
    assert (await site.ask("POST", f"{V2}/dev", body)).status_code == 201
    again = await site.ask("POST", f"{V2}/dev", body)
    assert again.status_code == 409
    assert "dev" in message(again)
    assert (await site.ask("PUT", f"{V2}/new", body)).status_code == 201
    assert [one["name"] for one in (await site.ask("GET", V2)).json()] == ["Anything", "dev", "new"]


async def test_a_section_that_is_not_sent_stays(site: Site) -> None:
    repo = {"repositories": ["libs"], "actions": {"groups": {"devs": ["read"]}}}
    await site.ask("POST", f"{V2}/dev", {"repo": repo, "build": {"actions": {"groups": {"devs": ["read"]}}}})
    await site.ask("PUT", f"{V2}/dev", {"repo": {**repo, "repositories": ["docker-local"]}})
    told = (await site.ask("GET", f"{V2}/dev")).json()
    assert (told["repo"]["repositories"], "build" in told) == (["docker-local"], True)


async def test_the_access_api_reads_back_word_for_word(site: Site) -> None:
    created = await site.ask("POST", ACCESS, OF_ACCESS)
    assert (created.status_code, created.json()) == (201, OF_ACCESS)
    assert (await site.ask("GET", f"{ACCESS}/dev")).json() == OF_ACCESS
    assert (await site.ask("POST", ACCESS, OF_ACCESS)).status_code == 409
    listed = (await site.ask("GET", ACCESS, params={"limit": 1})).json()
    assert listed == {
        "permissions": [{"name": "Anything", "uri": f"http://site{ACCESS}/Anything"}],
        "cursor": "Anything",
    }
    rest = (await site.ask("GET", ACCESS, params={"limit": 2, "cursor": "Anything"})).json()
    assert rest == {"permissions": [{"name": "dev", "uri": f"http://site{ACCESS}/dev"}]}
    other = {"name": "dev", "resources": {"build": {"actions": {}, "targets": {"artifactory-build-info": {}}}}}
    assert (await site.ask("PUT", f"{ACCESS}/dev", other)).json() == other
    assert (await site.ask("DELETE", f"{ACCESS}/dev")).status_code == 204
    assert (await site.ask("DELETE", f"{ACCESS}/dev")).status_code == 404


async def test_the_three_views_show_one_store(site: Site) -> None:
    await site.ask("POST", ACCESS, OF_ACCESS)
    assert (await site.ask("GET", f"{V1}/dev")).json() == {
        "name": "dev", "includesPattern": "**,a/**", "excludesPattern": "b", "repositories": ["libs", "ANY LOCAL"],
        "principals": {"users": {"bob": ["r", "w"]}, "groups": {"devs": ["r"]}},
    }  # fmt: skip
    assert (await site.ask("GET", f"{V2}/dev")).json()["repo"]["actions"] == {
        "users": {"bob": ["read", "write"]}, "groups": {"devs": ["read"]},
    }  # fmt: skip


async def test_a_resource_is_set_changed_and_removed_on_its_own(site: Site) -> None:
    await site.ask("POST", ACCESS, OF_ACCESS)
    build = {
        "actions": {"groups": {"devs": ["READ"]}},
        "targets": {"artifactory-build-info": {"include_patterns": ["**"]}},
    }
    assert (await site.ask("GET", f"{ACCESS}/dev/build")).status_code == 404
    set_ = await site.ask("PUT", f"{ACCESS}/dev/build", build)
    assert (set_.status_code, set_.json()) == (200, build)
    changed = await site.ask("PATCH", f"{ACCESS}/dev/build", {"actions": {"users": {"bob": ["READ"]}}})
    assert changed.json() == {**build, "actions": {"users": {"bob": ["READ"]}}}
    assert (await site.ask("GET", f"{ACCESS}/dev/artifact")).json() == OF_ACCESS["resources"]["artifact"]  # type: ignore[index]
    assert (await site.ask("DELETE", f"{ACCESS}/dev/build")).status_code == 204
    assert (await site.ask("DELETE", f"{ACCESS}/dev/build")).status_code == 404
    assert (await site.ask("GET", f"{ACCESS}/dev")).json() == OF_ACCESS
    assert (await site.ask("DELETE", f"{ACCESS}/dev/artifact")).status_code == 204
    assert (await site.ask("GET", f"{ACCESS}/dev")).status_code == 404
    assert (await site.ask("PUT", f"{ACCESS}/dev/build", build)).status_code == 404
    assert (await site.ask("GET", f"{ACCESS}/Anything/nonsense")).status_code == 400


async def test_names_of_users_and_groups_are_lower_case(site: Site) -> None:
    await site.ask("PUT", f"{V1}/dev", {**OF_V1, "principals": {"users": {"BOB": ["w"]}, "groups": {"Devs": ["r"]}}})
    assert await allowed(site)
    assert (await site.ask("GET", f"{V1}/dev")).json()["principals"] == {
        "users": {"bob": ["w"]},
        "groups": {"devs": ["r"]},
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("PUT", f"{V1}/dev", {**OF_V1, "repositories": ["absent"]}, 400, "'absent'"),
        ("PUT", f"{V1}/dev", {**OF_V1, "principals": {"users": {"nobody": ["r"]}}}, 400, "'nobody'"),
        ("PUT", f"{V1}/dev", {**OF_V1, "principals": {"groups": {"nobody": ["r"]}}}, 400, "'nobody'"),
        ("PUT", f"{V1}/dev", {**OF_V1, "principals": {"users": {"bob": ["q"]}}}, 400, "'q'"),
        ("PUT", f"{V1}/dev", {**OF_V1, "includesPattern": "x" * 1025}, 400, "1024"),
        ("PUT", f"{V1}/{'a' * 65}", {**OF_V1, "name": None}, 400, "name"),
        ("PUT", f"{V1}/a%2Fb", {**OF_V1, "name": None}, 400, "name"),
        ("PUT", f"{V1}/dev", {**OF_V1, "repositories": "libs"}, 400, "arrays"),
        ("PUT", f"{V1}/dev", {**OF_V1, "principals": []}, 400, "principals"),
        ("POST", f"{V2}/dev", {"name": "dev"}, 400, "Must have at least one"),
        ("POST", f"{V2}/dev", {"name": "other", "repo": {"repositories": ["libs"]}}, 409, "name"),
        ("POST", f"{V2}/dev", {"repo": {"repositories": ["artifactory-build-info"]}}, 400, "artifactory-build-info"),
        ("POST", f"{V2}/dev", {"repo": {"repositories": ["absent"]}}, 400,
         "Permission target contains a reference to a non-existing repository 'absent'."),
        ("POST", ACCESS, {"name": "dev"}, 400, "Must have at least one"),
        ("POST", ACCESS, {"resources": OF_ACCESS["resources"]}, 400, "name"),
        ("POST", ACCESS, {"name": 1, "resources": OF_ACCESS["resources"]}, 400, "name"),
        ("POST", ACCESS, {"name": "dev", "resources": {"nonsense": {}}}, 400, "artifact"),
        ("POST", ACCESS, {"name": "dev", "resources": {"artifact": {"actions": {"users": {"bob": ["READ", "X"]}}}}}, 400,
         "'X'"),
        ("POST", ACCESS, {"name": "dev", "resources": {"artifact": []}}, 400, "objects"),
        ("PUT", f"{V1}/dev", {"repositories": ["libs"], "includePattern": "a/**"}, 400, "did you mean 'includesPattern'"),
        ("PUT", f"{V1}/dev", {"repositories": ["libs"], "principals": {"user": {}}}, 400, "did you mean 'users'"),
        ("POST", f"{V2}/dev", {"repo": {"repositories": ["libs"], "include-paterns": ["a/**"]}}, 400,
         "did you mean 'include-patterns'"),
        ("POST", ACCESS, {"name": "dev", "resources": {"artifact": {"targets": {"libs": {"include_paterns": ["a"]}}}}}, 400,
         "did you mean 'include_patterns'"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_refused_and_says_so(
    site: Site, method: str, path: str, body: Any, status: int, words: str
) -> None:
    refused = await site.ask(method, path, body)
    assert refused.status_code == status
    assert words in message(refused)
    assert len((await site.ask("GET", V1)).json()) == 1
    assert await site.audit() == []


async def test_the_default_target_can_be_removed_and_then_grants_nothing(site: Site) -> None:
    await site.rules.refresh()
    facts = RepositoryFacts("libs", "local")
    assert grants(site.rules(), frozenset({"u:bob"}), Action.READ, facts, "a")
    assert (await site.ask("DELETE", f"{ACCESS}/Anything")).status_code == 204
    await site.rules.refresh()
    assert not grants(site.rules(), frozenset({"u:bob"}), Action.READ, facts, "a")


async def test_every_change_is_in_the_audit_trail(site: Site) -> None:
    await site.ask("PUT", f"{V1}/dev", OF_V1)
    await site.ask("DELETE", f"{V2}/dev")
    await site.ask("POST", ACCESS, OF_ACCESS)
    await site.ask("PUT", f"{ACCESS}/dev/build", {"targets": {}})
    await site.ask("DELETE", f"{ACCESS}/dev/build")
    await site.ask("DELETE", f"{ACCESS}/dev")
    assert [row[0].removeprefix("permission.") for row in await site.audit()] == [
        "replace", "delete", "create", "update", "update", "delete",
    ]  # fmt: skip


async def test_a_node_whose_polling_process_hangs_goes_on_and_still_sees_every_change(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.monotonic_ns
    monkeypatch.setattr(time, "monotonic_ns", lambda: real() + 60_000_000_000)
    assert (await site.ask("GET", V1)).status_code == 200
    monkeypatch.setattr(time, "monotonic_ns", lambda: real() + 120_000_000_000)
    assert (await site.ask("PUT", f"{V1}/dev", OF_V1)).status_code == 201
    assert await allowed(site)


async def test_a_new_repository_of_an_old_name_is_in_no_permission_target(site: Site) -> None:
    await site.ask("DELETE", f"{V1}/Anything")
    repo = {"repositories": ["libs", "docker-local"], "actions": {"users": {"bob": ["read"]}}}
    assert (await site.ask("POST", f"{V2}/both", {"name": "both", "repo": repo})).status_code == 201
    assert (
        await site.ask("POST", f"{V2}/one", {"name": "one", "repo": {**repo, "repositories": ["libs"]}})
    ).status_code == 201
    await site.repositories.delete("libs", SYSTEM)
    for name, left in (("both", ["docker-local"]), ("one", [])):
        shown = (await site.ask("GET", f"{V2}/{name}")).json()
        assert shown["repo"]["repositories"] == left
        assert (await site.ask("PUT", f"{V2}/{name}", shown)).status_code == 200
    again = create("libs", {"rclass": "local", "packageType": "generic"}, lambda _: None)
    await site.repositories.create(again, SYSTEM)
    effective = (await site.ask("GET", "/artifactory/api/security/permissions/users/bob", name="bob")).json()
    assert "libs" not in str(effective)
    assert "docker-local" in str(effective)


async def test_names_of_targets_differ_by_more_than_case(site: Site) -> None:
    repo = {"repositories": ["libs"], "actions": {}}
    assert (await site.ask("POST", f"{V2}/Java", {"repo": repo})).status_code == 201
    for method, path, body in (
        ("POST", f"{V2}/java", {"repo": repo}),
        ("PUT", f"{V2}/java", {"repo": repo}),
        ("PUT", f"{V1}/JAVA", {"repositories": ["libs"]}),
        ("POST", ACCESS, {**OF_ACCESS, "name": "jAVA"}),
    ):
        refused = await site.ask(method, path, body)
        assert (refused.status_code, "'Java' already exists" in refused.text) == (409, True), path
    assert (await site.ask("PUT", f"{V2}/Java", {"repo": repo})).status_code == 200


@pytest.mark.parametrize("base", [V1, V2])
async def test_a_body_that_names_another_target_is_refused(site: Site, base: str) -> None:
    for method in ("PUT",) if base == V1 else ("PUT", "POST"):
        assert (await site.ask(method, f"{base}/one", {"name": "other"})).status_code == 409


async def test_a_star_is_no_repository(site: Site) -> None:
    refused = await site.ask("PUT", f"{V1}/star", {"name": "star", "repositories": ["*"]})
    assert (refused.status_code, "non-existing repository '*'" in message(refused)) == (400, True)
