"""Challenges and scopes: what is written, and which scopes are read of what others write."""

from __future__ import annotations

from typing import Any

import pytest

from entrepot.access.actions import NOTHING, Action
from entrepot.formats.docker.challenge import (
    CATALOG,
    Challenge,
    ScopeEntry,
    TokenQuery,
    challenge_for,
    parse_scopes,
    parse_token_query,
    scope_for,
)
from entrepot.messages import Request

REALM = "https://art.example/v2/token"
APP = ScopeEntry("repository", "docker-local/app", ("pull", "push"))
BASE = ScopeEntry("repository", "docker-local/base", ("pull",))


def test_a_challenge_holds_all_scopes_in_one_parameter() -> None:
    assert str(Challenge(REALM, "art.example", (APP, BASE))) == (
        'Bearer realm="https://art.example/v2/token",service="art.example",'
        'scope="repository:docker-local/app:pull,push repository:docker-local/base:pull"'
    )


def test_what_a_challenge_does_not_say_is_left_out() -> None:
    assert str(Challenge(REALM)) == f'Bearer realm="{REALM}"'
    assert str(Challenge(REALM, error="insufficient_scope")) == f'Bearer realm="{REALM}",error="insufficient_scope"'


def test_nothing_breaks_out_of_its_quotes() -> None:
    assert str(Challenge('a"b\\c\r\nX: y\u00e9')) == 'Bearer realm="a\\"b\\\\c??X: y?"'


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("repository:docker-local/app:pull,push", APP),
        ("repository:docker-local/app:pull,push,pull", APP),
        ("repository(plugin):docker-local/base:pull", BASE),
        ("registry:catalog:*", CATALOG),
        ("repository:host:5000/app:delete", ScopeEntry("repository", "host:5000/app", ("delete",))),
        ("repository:app:", ScopeEntry("repository", "app", ())),
        ("repository:app:,pull", ScopeEntry("repository", "app", ("pull",))),
    ],
)
def test_a_scope_is_type_name_and_actions(text: str, entry: ScopeEntry) -> None:
    assert parse_scopes([text]) == (entry,)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "repository", "repository:app", ":app:pull", "repository::pull", "Repository:app:pull",
        'repository:a"b:pull', "repository:a\\b:pull", "repository:é:pull", "repository:app:PULL", "a()b:c:pull",
        "repository:app:pull,,push",
        "repository:" + "a" * 513 + ":pull", "repository:app:" + ",".join(["pull"] * 33), "repository:a\x00:pull",
    ],
)  # fmt: skip
def test_what_is_no_scope_asks_for_nothing(text: str) -> None:
    assert parse_scopes([text]) == ()


def test_scopes_come_as_several_parameters_or_as_a_list() -> None:
    asked = ["repository:docker-local/app:pull repository:docker-local/base:pull", "repository:docker-local/app:push"]
    assert parse_scopes(asked) == (APP, BASE)


def test_no_more_than_a_hundred_scopes_are_read() -> None:
    many = " ".join(f"repository:a{number}:pull" for number in range(1000))
    assert len(parse_scopes([many, many])) == 100
    assert len(parse_scopes([f"repository:a{number}:pull" for number in range(1000)])) == 100


def test_a_query_for_a_token_is_read() -> None:
    query = {
        "service": ["art.example"], "account": ["bob"], "client_id": ["docker"], "offline_token": ["true"],
        "scope": ["repository:docker-local/app:pull,push", "repository:docker-local/base:pull"], "other": ["x"],
    }  # fmt: skip
    assert parse_token_query(query) == TokenQuery(offline=True, scopes=(APP, BASE))


@pytest.mark.parametrize(("value", "offline"), [("true", True), ("1", True), ("false", False), ("", False)])
def test_a_refresh_token_is_given_only_on_request(value: str, offline: bool) -> None:
    assert parse_token_query({"offline_token": [value]}).offline is offline


def test_a_login_asks_for_no_scope_at_all() -> None:
    assert parse_token_query({"service": []}) == TokenQuery(offline=False, scopes=())


@pytest.mark.parametrize(
    ("action", "verbs"), [(Action.READ, "pull"), (Action.DEPLOY, "pull,push"), (Action.DELETE, "delete")]
)
def test_what_a_row_needs_says_which_verbs_a_client_asks_for(action: Action, verbs: str) -> None:
    assert [str(entry) for entry in scope_for(action, "docker-local/app")] == [f"repository:docker-local/app:{verbs}"]


def test_a_mount_needs_to_pull_from_its_source() -> None:
    assert scope_for(Action.DEPLOY, "docker-local/app", "docker-local/base") == (APP, BASE)
    assert scope_for(Action.DEPLOY, "docker-local/app", "docker-local/app") == (APP,)


@pytest.mark.parametrize("bad", ["Bad", 'a" b', "a b:pull", "..", "a" * 256])
def test_names_that_are_none_are_not_repeated(bad: str) -> None:
    assert scope_for(Action.DEPLOY, "docker-local/app", bad) == (APP,)
    assert scope_for(Action.READ, bad) == ()


unused: Any = None


def request(
    method: str,
    path: str,
    *,
    words: dict[str, str] | None = None,
    query: dict[str, list[str]] | None = None,
    prefix: str = "",
) -> Request:
    base = "https://art.example:8443"
    made = Request(method, path, {}, unused, unused, id="0", address="", base_of=lambda: base, caller=unused)
    made.words = words or {}
    made.query = query or {}
    made.prefix = prefix
    return made


START = 'Bearer realm="https://art.example:8443/v2/token",service="art.example:8443"'


def test_the_ping_is_challenged_without_a_scope() -> None:
    assert challenge_for(request("GET", "/v2/"), NOTHING) == START


def test_the_catalog_has_a_scope_of_its_own() -> None:
    assert challenge_for(request("GET", "/v2/_catalog"), NOTHING) == f'{START},scope="registry:catalog:*"'


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_image_is_challenged_alike_for_get_and_head(method: str) -> None:
    asked = request(method, "/v2/docker-local/app/manifests/1", words={"name": "docker-local/app"})
    assert challenge_for(asked, Action.READ, "insufficient_scope") == (
        f'{START},scope="repository:docker-local/app:pull",error="insufficient_scope"'
    )


def test_a_challenge_keeps_the_access_prefix_and_the_name_that_the_client_uses() -> None:
    asked = request(
        "PUT", "/v2/app/manifests/1", words={"name": "app", "repo": "d"}, prefix="/artifactory/api/docker/d"
    )
    assert challenge_for(asked, Action.DEPLOY) == (
        'Bearer realm="https://art.example:8443/artifactory/api/docker/d/v2/token",service="art.example:8443",'
        'scope="repository:app:pull,push"'
    )


def test_a_mount_is_challenged_for_its_source_too() -> None:
    words, source = {"name": "docker-local/app"}, {"from": ["docker-local/base"]}
    asked = request("POST", "/v2/docker-local/app/blobs/uploads/", words=words, query={"mount": ["x"], **source})
    assert f'scope="{APP} {BASE}"' in challenge_for(asked, Action.DEPLOY)
    anonymous = request("POST", "/v2/docker-local/app/blobs/uploads/", words=words, query={"mount": ["x"]})
    assert f'scope="{APP}"' in challenge_for(anonymous, Action.DEPLOY)
    upload = request("POST", "/v2/docker-local/app/blobs/uploads/", words=words, query=source)
    assert f'scope="{APP}"' in challenge_for(upload, Action.DEPLOY)
