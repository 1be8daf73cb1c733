from typing import Any

import pytest

from entrepot.access import views
from entrepot.access.actions import EVERY_ACTION, Action
from entrepot.access.permissions import Covered
from entrepot.errors import Invalid

EVERY_LETTER = ["r", "w", "n", "d", "m", "mxm", "x"]
EVERY_WORD = ["read", "write", "annotate", "delete", "manage", "managedXrayMeta", "distribute"]
V1 = {
    "name": "dev", "includesPattern": "a/**,b/*.jar", "excludesPattern": "**/x", "repositories": ["libs", "ANY REMOTE"],
    "principals": {"users": {"bob": ["m", "r"]}, "groups": {"devs": EVERY_LETTER}},
}  # fmt: skip
V2 = {
    "name": "dev",
    "repo": {
        "include-patterns": ["dir/*"], "exclude-patterns": [""], "repositories": ["z", "a", "ANY"],
        "actions": {"users": {"bob": ["write", "read"]}, "groups": {"devs": EVERY_WORD}},
    },
    "build": {
        "include-patterns": ["**"], "exclude-patterns": [], "repositories": ["artifactory-build-info"],
        "actions": {"groups": {"devs": ["manage"]}},
    },
}  # fmt: skip
ACCESS = {
    "name": "dev",
    "resources": {
        "artifact": {
            "actions": {"users": {"bob": ["READ", "WRITE"]}, "groups": {}},
            "targets": {
                "libs": {"include_patterns": ["a/**"], "exclude_patterns": ["a/b"]},
                "ANY LOCAL": {"include_patterns": ["c", "a/**"]},
            },
        },
        "destination": {"actions": {"groups": {"ops": ["EXECUTE"]}}, "targets": {"*": {}}},
    },
}  # fmt: skip


def test_v1_comes_back_as_it_was_sent() -> None:
    assert views.to_v1(views.from_v1("dev", V1)) == V1


def test_v2_comes_back_as_it_was_sent_in_the_same_order() -> None:
    shown = views.to_v2(views.from_v2("dev", V2))
    assert shown == V2
    assert list(shown["repo"]["actions"]) == ["users", "groups"]


def test_each_view_shows_what_another_wrote() -> None:
    assert views.to_v2(views.from_v1("dev", V1)) == {
        "name": "dev",
        "repo": {
            "include-patterns": ["a/**", "b/*.jar"], "exclude-patterns": ["**/x"], "repositories": ["libs", "ANY REMOTE"],
            "actions": {"users": {"bob": ["manage", "read"]}, "groups": {"devs": EVERY_WORD}},
        },
    }  # fmt: skip
    assert views.from_v1("dev", V1)["resources"]["artifact"]["actions"]["users"] == {"bob": ["MANAGE", "READ"]}
    shown = views.to_v1(views.from_v2("dev", V2))
    assert (shown["repositories"], shown["includesPattern"]) == (["z", "a", "ANY"], "dir/*")
    assert shown["principals"] == {"users": {"bob": ["w", "r"]}, "groups": {"devs": EVERY_LETTER}}


def test_patterns_of_several_repositories_are_merged_where_a_view_has_but_one_list() -> None:
    section = views.to_v2(ACCESS)["repo"]
    assert (section["include-patterns"], section["exclude-patterns"]) == (["a/**", "c"], ["a/b"])
    assert section["actions"] == {"users": {"bob": ["read", "write"]}}
    assert "build" not in views.to_v2(ACCESS)
    assert views.to_v1(ACCESS)["includesPattern"] == "a/**,c"


def test_what_is_left_out_has_defaults() -> None:
    resource = views.from_v2("dev", {"repo": {"repositories": ["libs"]}})["resources"]["artifact"]
    assert resource == {"actions": {}, "targets": {"libs": {"include_patterns": ["**"], "exclude_patterns": []}}}
    built = views.from_v2("dev", {"build": {"actions": {"users": {}, "groups": {"devs": ["read"]}}}})
    assert views.to_v2(built)["build"] == {
        "include-patterns": ["**"], "exclude-patterns": [], "repositories": ["artifactory-build-info"],
        "actions": {"groups": {"devs": ["read"]}},
    }  # fmt: skip
    plain = views.from_v1("dev", {"repositories": ["libs", "libs"], "principals": None})
    assert views.to_v1(plain) == {
        "name": "dev", "includesPattern": "**", "excludesPattern": "", "repositories": ["libs"],
        "principals": {"users": {}, "groups": {}},
    }  # fmt: skip


def test_a_target_without_rights_on_repositories_looks_empty_in_v1() -> None:
    shown = views.to_v1({"name": "dev", "resources": {"build": {"targets": {}}}})
    assert (shown["repositories"], shown["principals"]) == ([], {"users": {}, "groups": {}})


@pytest.mark.parametrize(
    "resource",
    [
        None, {}, {"targets": None}, {"targets": {"libs": None}}, {"targets": {"libs": {}}, "actions": None},
        {"targets": {"libs": {"include_patterns": None, "exclude_patterns": None}}},
        {"targets": {"libs": {}}, "actions": {"users": None, "groups": {"devs": None}}},
    ],
)  # fmt: skip
def test_what_is_accepted_with_nulls_can_be_shown(resource: Any) -> None:
    body = {"name": "dev", "resources": {"artifact": resource}}
    assert set(views.parse(body).sections) == {"artifact"}
    assert views.to_v1(body)["includesPattern"] == "**"
    section = views.to_v2(body).get("repo", {"include-patterns": ["**"]})
    assert section["include-patterns"] == ["**"]


def test_the_access_shape_becomes_a_permission_target() -> None:
    target = views.parse(ACCESS)
    assert target.name == "dev"
    section = target.sections["artifact"]
    assert section.targets == {"libs": Covered(("a/**",), ("a/b",)), "ANY LOCAL": Covered(("c", "a/**"))}
    assert (section.users, section.groups) == ({"bob": Action.READ | Action.DEPLOY}, {})
    assert target.sections["destination"].groups == {"ops": Action.DISTRIBUTE}
    assert views.parse(views.from_v1("dev", V1)).sections["artifact"].groups == {"devs": EVERY_ACTION}
    assert views.repositories(target) == {"libs"}
    assert views.principals(target) == ({"bob"}, {"ops"})


def test_a_target_for_builds_alone_names_no_repositories() -> None:
    target = views.parse(views.from_v2("dev", {"build": {}}))
    assert views.repositories(target) == set()


@pytest.mark.parametrize("key", ["artifactory-build-info", "team-build-info", "ANY"])
def test_builds_have_repositories_of_their_own(key: str) -> None:
    assert views.from_v2("dev", {"build": {"repositories": [key]}})


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({}, "Must have at least one"), ({"repo": None}, "Must have at least one"), ({"name": "other", "repo": {}}, "name"),
        ({"repo": {"repositories": ["artifactory-build-info"]}}, "section build"), ({"repo": []}, "repo"),
        ({"build": {"repositories": ["libs"]}}, "section build"), ({"repo": {"repositories": "libs"}}, "arrays"),
        ({"repo": {"include-patterns": [1]}}, "arrays"), ({"repo": {"actions": {"users": {"bob": ["READ"]}}}}, "'READ'"),
        ({"repo": {"actions": {"users": ["bob"]}}}, "users"), ({"repo": {"actions": {"users": {"bob": "read"}}}}, "arrays"),
    ],
)  # fmt: skip
def test_v2_says_what_is_wrong(stated: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        views.from_v2("dev", stated)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"principals": {"users": {"bob": ["read"]}}}, "'read'"), ({"principals": {"users": {"bob": "r"}}}, "arrays"),
        ({"principals": []}, "principals"), ({"repositories": "libs"}, "arrays"),
    ],
)  # fmt: skip
def test_v1_says_what_is_wrong(stated: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        views.from_v1("dev", stated)


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (None, "Must have at least one"), ({}, "Must have at least one"), ([], "resources"), ({"artifact": 1}, "artifact"),
        ({"artifact": {"targets": {"libs": 1}}}, "libs"), ({"artifact": {"actions": {"users": {"b": ["read"]}}}}, "'read'"),
        ({"artifact": {"targets": {"libs": {"include_patterns": ["a" * 1025]}}}}, "1024"),
        ({"artifact": {"targets": {"libs": {"exclude_patterns": ["{x:.*}"]}}}}, "expression"),
        ({"artifact": {"targets": {"libs": {"include_patterns": ["a"] * 1001}}}}, "1000"),
    ],
)  # fmt: skip
def test_the_access_shape_says_what_is_wrong(resources: Any, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        views.parse({"name": "dev", "resources": resources})


@pytest.mark.parametrize(
    "name", ["", "a" * 65, "a/b", "a\\b", "a:b", "a|b", "a?b", "a*b", 'a"b', "a<b", "a>b", "a\nb", None]
)
def test_a_target_has_a_name_that_can_be_addressed(name: Any) -> None:
    with pytest.raises(Invalid, match="name"):
        views.parse({"name": name, "resources": {"artifact": {}}})
    assert views.check_name("Any Remote 2.0 (old)") == "Any Remote 2.0 (old)"
