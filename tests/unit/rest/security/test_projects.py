"""Projects: members, roles, environments, and what they grant on repositories."""

import asyncio

import pytest

from entrepot.access.actions import Action
from entrepot.access.caller import Caller
from entrepot.access.decide import Verdict, decide
from entrepot.auth import accounts, projects
from entrepot.auth.audit import SYSTEM
from entrepot.auth.standing import by_password
from entrepot.metadata.database import Tx
from entrepot.metadata.versions import bump
from entrepot.repositories.catalog import Repositories, insert
from entrepot.repositories.configuration import create
from tests.stores import done_or_waiting
from tests.unit.rest.security.support import Site, message

PROJECTS = "/access/api/v1/projects"
TOKENS = "/access/api/v1/tokens"
APP = {"project_key": "app", "display_name": "App", "storage_quota_bytes": -1}


async def made(site: Site, **repository: object) -> None:
    """A project `app` to which `libs` belongs; nothing else grants anything."""
    await site.ask("DELETE", "/artifactory/api/security/permissions/Anything")
    assert (await site.ask("POST", PROJECTS, APP)).status_code == 201
    assert (await site.ask("PUT", f"{PROJECTS}/_/attach/repositories/libs/app")).status_code == 204
    if repository:
        await site.repositories.update("libs", lambda config: {**config, **repository}, SYSTEM)


async def may(site: Site, action: Action, name: str = "bob", key: str = "libs") -> bool:
    await site.ask("GET", PROJECTS)  # whoever asks next sees what was changed before
    caller: Caller = by_password(await accounts.get(site.database, name))
    found = site.repositories.get(key)
    assert found is not None
    return decide(caller, action, found.facts, "a/b.jar", rules=site.rules()) is Verdict.ALLOWED


async def join(site: Site, *roles: str, kind: str = "users", name: str = "bob") -> int:
    body = {"name": name, "roles": list(roles)}
    return (await site.ask("PUT", f"{PROJECTS}/app/{kind}/{name}", body)).status_code


async def test_a_project_is_echoed_as_it_was_made(site: Site) -> None:
    body = {
        **APP, "description": "d", "soft_limit": False, "storage_quota_email_notification": True,
        "admin_privileges": {"manage_members": True, "manage_resources": True, "index_resources": True},
    }  # fmt: skip
    assert (await site.ask("GET", f"{PROJECTS}/app")).status_code == 404
    assert (await site.ask("POST", PROJECTS, {**body, "storage_quota_bytes": -1.0})).json() == body
    assert (await site.ask("POST", PROJECTS, body)).status_code == 409
    assert (await site.ask("GET", f"{PROJECTS}/app")).json() == body
    assert (await site.ask("PUT", f"{PROJECTS}/app", {"description": "new"})).json() == {**body, "description": "new"}
    assert (await site.ask("GET", PROJECTS)).json() == [{**body, "description": "new"}]
    assert (await site.ask("DELETE", f"{PROJECTS}/app")).status_code == 204
    assert (await site.ask("DELETE", f"{PROJECTS}/app")).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"project_key": "App"},
        {"project_key": "a"},
        {"display_name": ""},
        {"storage_quota_bytes": 5},
        {"project_key": None},
    ],
)
async def test_a_project_that_is_none_is_refused(site: Site, wrong: dict[str, object]) -> None:
    assert (await site.ask("POST", PROJECTS, {**APP, **wrong})).status_code == 400


@pytest.mark.parametrize(
    ("role", "held"),
    [
        ("Viewer", Action.READ),
        ("Contributor", Action.READ | Action.DEPLOY | Action.ANNOTATE),
        ("Developer", Action.READ | Action.DEPLOY | Action.ANNOTATE | Action.DELETE),
        ("Security Manager", Action.READ | Action.SCAN),
        ("Project Admin", Action(127)),
    ],
)
async def test_a_role_grants_what_it_says_in_the_project_and_nowhere_else(site: Site, role: str, held: Action) -> None:
    await made(site)
    assert not await may(site, Action.READ)
    assert await join(site, role) == 200
    for action in Action:
        assert await may(site, action) is (action in held), action
        assert not await may(site, action, key="docker-local")
    assert (await site.ask("DELETE", f"{PROJECTS}/app/users/bob")).status_code == 204
    assert not await may(site, Action.READ)


async def test_groups_hold_roles_and_lose_them_with_the_group(site: Site) -> None:
    await made(site)
    await join(site, "Viewer", kind="groups", name="devs")
    assert not await may(site, Action.READ)
    await site.ask("PATCH", "/access/api/v2/users/bob/groups", {"add": ["devs"]})
    assert await may(site, Action.READ)
    await site.ask("DELETE", "/access/api/v2/groups/devs")
    await site.ask("POST", "/access/api/v2/groups", {"name": "devs", "members": ["bob"]})
    assert not await may(site, Action.READ)


async def test_a_role_grants_in_its_environments_only(site: Site) -> None:
    await made(site, environments=["PROD"])
    await join(site, "Developer")
    assert not await may(site, Action.READ)
    await join(site, "Release Manager")
    assert await may(site, Action.READ)


async def test_own_roles_are_made_changed_and_taken_away(site: Site) -> None:
    await made(site)
    role = {"name": "qa", "environments": ["DEV"], "actions": ["READ_REPOSITORY"]}
    assert await join(site, "qa") == 400
    assert (await site.ask("POST", f"{PROJECTS}/app/roles", role)).status_code == 201
    assert (await site.ask("POST", f"{PROJECTS}/app/roles", role)).status_code == 409
    assert (await site.ask("POST", f"{PROJECTS}/app/roles", {**role, "name": "Viewer"})).status_code == 400
    assert (await site.ask("POST", f"{PROJECTS}/app/roles", {**role, "type": "ADMIN", "name": "x"})).json()[
        "type"
    ] == "CUSTOM"
    await join(site, "qa")
    assert (await may(site, Action.READ), await may(site, Action.DEPLOY)) == (True, False)
    more = {**role, "actions": ["READ_REPOSITORY", "DEPLOY_CACHE_REPOSITORY"]}
    assert (await site.ask("PUT", f"{PROJECTS}/app/roles/qa", more)).status_code == 200
    assert await may(site, Action.DEPLOY)
    assert (await site.ask("DELETE", f"{PROJECTS}/app/roles/qa")).status_code == 204
    assert not await may(site, Action.READ)
    assert (await site.ask("GET", f"{PROJECTS}/app/users/bob")).json() == {"name": "bob", "roles": []}


async def test_global_roles_are_those_of_all_projects(site: Site) -> None:
    await made(site)
    role = {"name": "auditor", "environments": ["DEV"], "actions": ["READ_REPOSITORY"]}
    assert (await site.ask("POST", "/access/api/v1/roles", role)).status_code == 201
    await join(site, "auditor")
    assert await may(site, Action.READ)
    assert "auditor" in [one["name"] for one in (await site.ask("GET", f"{PROJECTS}/app/roles")).json()]
    assert (await site.ask("DELETE", "/access/api/v1/roles/auditor")).status_code == 204
    assert not await may(site, Action.READ)
    assert (await site.ask("POST", "/access/api/v1/roles", role)).status_code == 201
    assert not await may(site, Action.READ)  # who had the old one has not the new one


async def test_a_deleted_role_of_all_projects_leaves_a_project_s_own_of_its_name(site: Site) -> None:
    await made(site)
    role = {"name": "auditor", "environments": ["DEV"], "actions": ["READ_REPOSITORY"]}
    for path in (f"{PROJECTS}/app/roles", "/access/api/v1/roles"):
        assert (await site.ask("POST", path, role)).status_code == 201
    await join(site, "auditor")
    assert (await site.ask("DELETE", "/access/api/v1/roles/auditor")).status_code == 204
    assert await may(site, Action.READ)


async def test_project_administrators_manage_their_project_and_no_other(site: Site) -> None:
    await made(site)
    await site.ask("POST", PROJECTS, {**APP, "project_key": "other"})
    await join(site, "Project Admin")
    member = {"name": "root", "roles": ["Viewer"]}
    assert (await site.ask("PUT", f"{PROJECTS}/app/users/root", member, name="bob")).status_code == 200
    assert (await site.ask("PUT", f"{PROJECTS}/other/users/root", member, name="bob")).status_code == 403
    assert [one["project_key"] for one in (await site.ask("GET", PROJECTS, name="bob")).json()] == ["app"]
    assert (await site.ask("DELETE", f"{PROJECTS}/app", name="bob")).status_code == 403
    narrow = await site.token("bob", "applied-permissions/groups:readers")
    assert (await site.ask("GET", f"{PROJECTS}/app", token=narrow)).status_code == 403
    await site.ask("PUT", f"{PROJECTS}/app", {"admin_privileges": {"manage_members": False}})
    assert (await site.ask("PUT", f"{PROJECTS}/app/users/root", member, name="bob")).status_code == 403


@pytest.mark.parametrize(
    "lifted",
    [{"admin_privileges": {"manage_members": True}}, {"storage_quota_bytes": -1}, {"soft_limit": True}],
)
async def test_project_administrators_do_not_lift_what_binds_them(site: Site, lifted: dict[str, object]) -> None:
    bound = {**APP, "storage_quota_bytes": 1 << 30, "admin_privileges": {"manage_members": False}}
    whole = (await site.ask("POST", PROJECTS, bound)).json()
    await join(site, "Project Admin")
    assert (await site.ask("PUT", f"{PROJECTS}/app", {**whole, **lifted}, name="bob")).status_code == 403
    renamed = await site.ask("PUT", f"{PROJECTS}/app", {**whole, "display_name": "Ours"}, name="bob")
    assert (renamed.status_code, renamed.json()) == (200, {**whole, "display_name": "Ours"})
    assert (await site.ask("PUT", f"{PROJECTS}/app", lifted)).status_code == 200


async def test_shared_repositories_are_used_by_other_projects(site: Site) -> None:
    await made(site)
    await join(site, "Developer")
    share = f"{PROJECTS}/_/share/repositories/docker-local/app"
    assert (await site.ask("PUT", f"{share}?readOnly=true")).status_code == 204
    assert (await may(site, Action.READ, key="docker-local"), await may(site, Action.DEPLOY, key="docker-local")) == (
        True,
        False,
    )
    told = (await site.ask("GET", f"{PROJECTS}/_/repositories/docker-local")).json()
    assert (told["assigned_to"], told["shared_with_projects"], told["shared_read_only"]) == ("", ["app"], True)
    await site.ask("PUT", share)
    assert await may(site, Action.DEPLOY, key="docker-local")
    assert (await site.ask("DELETE", share)).status_code == 204
    assert not await may(site, Action.READ, key="docker-local")


async def test_a_repository_is_shared_with_all_projects(site: Site) -> None:
    await made(site)
    await join(site, "Developer")
    share = f"{PROJECTS}/_/share/repositories/docker-local"
    assert (await site.ask("DELETE", share)).status_code == 404
    assert (await site.ask("PUT", f"{share}?readOnly=true")).status_code == 204
    rights = [await may(site, action, key="docker-local") for action in (Action.READ, Action.DEPLOY)]
    assert rights == [True, False]
    told = (await site.ask("GET", f"{PROJECTS}/_/repositories/docker-local")).json()
    assert (told["shared_with_all_projects"], told["shared_read_only"], told["shared_with_projects"]) == (
        True,
        True,
        [],
    )
    assert (await site.ask("PUT", share)).status_code == 204
    assert await may(site, Action.DEPLOY, key="docker-local")
    assert (await site.ask("DELETE", share)).status_code == 204
    assert not await may(site, Action.READ, key="docker-local")


@pytest.mark.parametrize("share", ["docker-local/app", "docker-local"])
async def test_who_administers_a_project_does_not_manage_what_is_shared_with_it(site: Site, share: str) -> None:
    await made(site)
    await join(site, "Project Admin")
    assert (await site.ask("PUT", f"{PROJECTS}/_/share/repositories/{share}")).status_code == 204
    assert await may(site, Action.DELETE, key="docker-local")
    assert not await may(site, Action.MANAGE, key="docker-local")


@pytest.mark.parametrize("share", ["docker-local/app", "docker-local"])
async def test_a_role_grants_on_shared_repositories_in_its_environments_only(site: Site, share: str) -> None:
    await made(site)
    await site.repositories.update("docker-local", lambda config: {**config, "environments": ["PROD"]}, SYSTEM)
    assert (await site.ask("PUT", f"{PROJECTS}/_/share/repositories/{share}")).status_code == 204
    await join(site, "Developer")
    assert not await may(site, Action.READ, key="docker-local")
    await join(site, "Release Manager")
    assert await may(site, Action.READ, key="docker-local")


async def test_a_new_repository_of_an_old_name_is_shared_with_nobody(site: Site) -> None:
    await made(site)
    await join(site, "Developer")
    for share in (f"{PROJECTS}/_/share/repositories/docker-local", f"{PROJECTS}/_/share/repositories/docker-local/app"):
        assert (await site.ask("PUT", share)).status_code == 204
    await site.repositories.delete("docker-local", SYSTEM)
    await site.repositories.create(
        create("docker-local", {"rclass": "local", "packageType": "docker"}, lambda _: None), SYSTEM
    )
    assert not await may(site, Action.READ, key="docker-local")


async def test_a_project_with_repositories_stays_and_a_repository_changes_projects_by_force(site: Site) -> None:
    await made(site)
    refused = await site.ask("DELETE", f"{PROJECTS}/app")
    assert (refused.status_code, "project containing resources can't be removed" in message(refused)) == (400, True)
    await site.ask("POST", PROJECTS, {**APP, "project_key": "other"})
    move = f"{PROJECTS}/_/attach/repositories/libs/other"
    assert (await site.ask("PUT", move)).status_code == 409
    assert (await site.ask("PUT", f"{move}?force=true")).status_code == 204
    assert (await site.ask("DELETE", f"{PROJECTS}/app")).status_code == 204


async def test_a_token_for_a_role_holds_what_the_role_does_and_never_more_than_its_owner(site: Site) -> None:
    await made(site)
    await join(site, "Viewer")
    scope = "applied-permissions/roles:app:Developer"
    assert (await site.ask("POST", "/access/api/v1/tokens", {"scope": scope}, name="bob")).status_code == 403
    made_for = {"scope": scope, "username": "bob"}
    token = (await site.ask("POST", "/access/api/v1/tokens", made_for)).json()["access_token"]
    robot = (await site.ask("POST", "/access/api/v1/tokens", {"scope": scope, "username": "robot"})).json()[
        "access_token"
    ]
    found = site.repositories.get("libs")
    assert found is not None
    for text, held in ((token, Action.READ), (robot, Action.READ | Action.DEPLOY | Action.ANNOTATE | Action.DELETE)):
        caller = (await site.authenticator.password("", text, "192.0.2.1")).caller
        for action in Action:
            allowed = decide(caller, action, found.facts, "a", rules=site.rules()) is Verdict.ALLOWED
            assert allowed is (action in held), (text[:9], action)


async def test_environments_are_listed_added_renamed_and_removed(site: Site) -> None:
    path = "/access/api/v1/environments"
    assert (await site.ask("POST", path, {"name": "QA"})).status_code == 201
    assert (await site.ask("POST", path, {"name": "QA"})).status_code == 409
    assert (await site.ask("POST", path, {"name": "DEV"})).status_code == 409
    assert (await site.ask("POST", f"{path}/QA/rename", {"new_name": "STAGE"})).json() == {"name": "STAGE"}
    assert (await site.ask("GET", path, name="bob")).json() == [{"name": "DEV"}, {"name": "PROD"}, {"name": "STAGE"}]
    assert (await site.ask("DELETE", f"{path}/STAGE")).status_code == 204
    assert (await site.ask("DELETE", f"{path}/DEV")).status_code == 404


async def test_a_repository_that_leaves_while_the_rules_are_compiled_is_out_of_reach_at_the_next_request(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(site)
    await join(site, "Viewer")
    assert await may(site, Action.READ)
    elsewhere = Repositories(site.database, bump=bump, announce=site.epochs.announce)
    refresh = site.rules.refresh

    async def detached(*words: int) -> None:  # by another process, after this one has read the repositories
        monkeypatch.setattr(site.rules, "refresh", refresh)
        await elsewhere.update("libs", lambda config: {**config, "projectKey": ""}, SYSTEM)
        await refresh(*words)

    monkeypatch.setattr(site.rules, "refresh", detached)
    await site.ask("POST", "/access/api/v2/groups", {"name": "whatever"})
    assert (await site.ask("GET", PROJECTS)).status_code == 200
    assert not await may(site, Action.READ)


async def test_a_repository_that_has_just_come_keeps_its_project(site: Site) -> None:
    await site.ask("POST", PROJECTS, APP)
    new = create("new", {"rclass": "local", "packageType": "generic", "projectKey": "app"}, lambda _: None)
    await site.database.transact(lambda tx: insert(tx, new))  # by another process, of which this one has not heard yet
    refused = await site.ask("DELETE", f"{PROJECTS}/app")
    assert (refused.status_code, "1 repositories, like new" in message(refused)) == (400, True)
    assert (await site.ask("GET", f"{PROJECTS}/app")).status_code == 200


@pytest.mark.parametrize("how", ["attached", "created"])
async def test_no_repository_comes_to_a_project_that_is_being_deleted(
    site: Site, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    await site.ask("POST", PROJECTS, APP)
    elsewhere = Repositories(site.database, bump=bump, announce=site.epochs.announce)
    new = create("new", {"rclass": "local", "packageType": "generic", "projectKey": "app"}, lambda _: None)
    delete = projects.delete

    async def come() -> None:
        if how == "created":
            await elsewhere.create(new, SYSTEM)
        else:
            await elsewhere.update("libs", lambda config: {**config, "projectKey": "app"}, SYSTEM)

    async def held(tx: Tx, key: str) -> None:
        await delete(tx, key)
        coming.append(asyncio.create_task(come()))
        await done_or_waiting(site.database, coming[0])

    coming: list[asyncio.Task[None]] = []
    if site.database.engine == "postgresql":  # on SQLite it is one transaction at a time
        monkeypatch.setattr(projects, "delete", held)
    assert (await site.ask("DELETE", f"{PROJECTS}/app")).status_code == 204
    with pytest.raises(projects.ProjectUnknown):
        await (coming[0] if coming else come())


async def test_tokens_of_a_deleted_project_are_none_of_the_next_of_its_key(site: Site) -> None:
    await site.ask("POST", PROJECTS, APP)
    of_role = await site.token("ci", "applied-permissions/roles:app:Viewer")
    of_both = await site.token("ci", "applied-permissions/roles:app:Viewer member-of-groups:readers")
    others = [await site.token("ci", f"applied-permissions/roles:{key}:Viewer") for key in ("apples", "ap")]
    assert (await site.ask("DELETE", f"{PROJECTS}/app")).status_code == 204
    await site.ask("POST", PROJECTS, APP)
    assert (await site.ask("GET", TOKENS, token=of_role)).status_code == 401
    assert (await site.ask("GET", f"{TOKENS}/me", token=of_both)).json()["scope"] == "member-of-groups:readers"
    for other in others:
        assert (await site.ask("GET", TOKENS, token=other)).status_code == 200


@pytest.mark.parametrize("path", [f"{PROJECTS}/app/roles", "/access/api/v1/roles"])
async def test_tokens_of_a_deleted_role_are_none_of_the_next_of_its_name(site: Site, path: str) -> None:
    other = {"project_key": "other", "display_name": "Other"}
    role = {"name": "qa", "environments": ["DEV"], "actions": ["READ_REPOSITORY"]}
    for one in (APP, other):
        await site.ask("POST", PROJECTS, one)
    assert (await site.ask("POST", f"{PROJECTS}/other/roles", role)).status_code == 201
    assert (await site.ask("POST", path, role)).status_code == 201
    of_role = await site.token("ci", "applied-permissions/roles:app:qa")
    of_two = await site.token("ci", "applied-permissions/roles:app:qa,Viewer")
    others = [await site.token("ci", f"applied-permissions/{one}") for one in ("roles:app:Viewer", "roles:other:qa", "groups:qa")]
    assert (await site.ask("DELETE", f"{path}/qa")).status_code == 204
    await site.ask("POST", path, role)
    assert (await site.ask("GET", TOKENS, token=of_role)).status_code == 401
    assert (await site.ask("GET", f"{TOKENS}/me", token=of_two)).json()["scope"] == "applied-permissions/roles:app:Viewer"
    for other_token in others:
        assert (await site.ask("GET", TOKENS, token=other_token)).status_code == 200
