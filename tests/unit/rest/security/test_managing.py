"""Who manages repositories changes the targets that are about nothing else, and gains nothing for anybody by it."""

from typing import Any

import pytest

from tests.unit.rest.security.support import Site

V1 = "/artifactory/api/security/permissions"
V2 = "/artifactory/api/v2/security/permissions"
ACCESS = "/access/api/v2/permissions"


def target(name: str, *keys: str, users: dict[str, list[str]] | None = None, includes: str = "**") -> dict[str, Any]:
    return {"name": name, "repositories": list(keys), "principals": {"users": users or {}, "groups": {}},
            "includesPattern": includes, "excludesPattern": ""}  # fmt: skip


@pytest.fixture
async def managed(site: Site) -> Site:
    """bob manages all of `libs`, and a part of `docker-local`."""
    for one in (
        target("own", "libs", users={"bob": ["m", "r"]}),
        target("part", "docker-local", users={"bob": ["m"]}, includes="a/**"),
        target("both", "libs", "docker-local"),
        target("any", "ANY"),
    ):
        assert (await site.ask("PUT", f"{V1}/{one['name']}", one)).status_code == 201
    return site


async def test_a_manager_sees_the_targets_that_cover_only_what_it_manages(managed: Site) -> None:
    for path in (V1, V2):
        assert [one["name"] for one in (await managed.ask("GET", path, name="bob")).json()] == ["own"]
    assert [one["name"] for one in (await managed.ask("GET", ACCESS, name="bob")).json()["permissions"]] == ["own"]
    assert (await managed.ask("GET", f"{V1}/own", name="bob")).json() == target(
        "own", "libs", users={"bob": ["m", "r"]}
    )
    for name in ("part", "both", "any", "absent"):
        for path in (V1, V2, ACCESS):
            assert (await managed.ask("GET", f"{path}/{name}", name="bob")).status_code == 403, (path, name)


async def test_a_manager_grants_all_but_managing(managed: Site) -> None:
    shared = target("own", "libs", users={"bob": ["m", "r"], "root": ["r", "w", "d"]})
    assert (await managed.ask("PUT", f"{V1}/own", shared, name="bob")).status_code == 201
    assert (await managed.ask("GET", f"{V1}/own", name="bob")).json() == shared
    more = target("own", "libs", users={"bob": ["m"], "root": ["m"]})
    refused = await managed.ask("PUT", f"{V1}/own", more, name="bob")
    assert refused.status_code == 403
    assert "Only administrators let others manage: root" in refused.text
    assert (
        await managed.ask("PUT", f"{V1}/new", target("new", "libs", users={"root": ["r"]}), name="bob")
    ).status_code == 201
    assert (
        await managed.ask("PUT", f"{V1}/new2", target("new2", "libs", users={"bob": ["m"]}), name="bob")
    ).status_code == 403


@pytest.mark.parametrize(
    "keys", [("docker-local",), ("libs", "docker-local"), ("ANY",), ("ANY LOCAL",), ("libs", "ANY REMOTE"), ()]
)
async def test_no_target_is_made_or_stretched_beyond_what_is_managed(managed: Site, keys: tuple[str, ...]) -> None:
    for name in ("own", "new"):
        assert (await managed.ask("PUT", f"{V1}/{name}", target(name, *keys), name="bob")).status_code == 403, name
    v2 = {"name": "new", "repo": {"repositories": list(keys), "actions": {"users": {"bob": ["read"]}}}}
    assert (await managed.ask("POST", f"{V2}/new", v2, name="bob")).status_code == 403
    for name in ("part", "both", "any"):  # nor taken over by one that would be in order afterwards
        assert (await managed.ask("PUT", f"{V1}/{name}", target(name, "libs"), name="bob")).status_code == 403, name


async def test_a_manager_does_not_learn_which_other_repositories_there_are(managed: Site) -> None:
    told = []
    for key in ("docker-local", "absent"):
        refused = await managed.ask("PUT", f"{V1}/new", target("new", "libs", key), name="bob")
        told.append((refused.status_code, refused.text))
    assert told[0][0] == 403
    assert told[0] == told[1]


async def test_sections_of_builds_and_bundles_are_for_administrators(managed: Site) -> None:
    for section in ("build", "releaseBundle"):
        body = {"name": "own", section: {"repositories": [], "actions": {"users": {"bob": ["read"]}}}}
        assert (await managed.ask("PUT", f"{V2}/own", body, name="bob")).status_code == 403
    resource = {"actions": {"users": {"bob": ["READ"]}}, "targets": {"artifactory-build-info": {}}}
    assert (await managed.ask("PUT", f"{ACCESS}/own/build", resource, name="bob")).status_code == 403
    assert (
        await managed.ask("PATCH", f"{ACCESS}/own/artifact", {"targets": {"docker-local": {}}}, name="bob")
    ).status_code == 403


async def test_a_manager_deletes_no_target(managed: Site) -> None:
    for path in (f"{V1}/own", f"{V2}/own", f"{ACCESS}/own", f"{ACCESS}/own/artifact"):
        assert (await managed.ask("DELETE", path, name="bob")).status_code == 403


async def test_who_is_let_in_no_more_has_nothing_to_do_with_targets(managed: Site) -> None:
    assert (
        await managed.ask("PUT", f"{V1}/own", target("own", "libs"), name="bob")
    ).status_code == 201  # bob left himself out
    for method in ("GET", "PUT"):
        assert (await managed.ask(method, f"{V1}/own", target("own", "libs"), name="bob")).status_code == 403
    assert (await managed.ask("GET", V1, name="bob")).status_code == 403


@pytest.mark.parametrize("scope", ["artifact:libs/**:*", "artifact:*:*", "applied-permissions/groups:readers", "api:*"])
async def test_a_token_of_less_than_all_rights_grants_nothing_that_would_outlast_it(managed: Site, scope: str) -> None:
    for who in ("bob", "root"):
        token = await managed.token(who, scope)
        answer = await managed.ask("PUT", f"{V1}/own", target("own", "libs", users={"bob": ["r"]}), token=token)
        assert answer.status_code == 403, who
    token = await managed.token("bob")
    assert (
        await managed.ask("PUT", f"{V1}/own", target("own", "libs", users={"bob": ["r"]}), token=token)
    ).status_code == 201
