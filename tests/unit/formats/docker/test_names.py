"""Names, tags and references: the grammar of the distribution specification, to the letter."""

from __future__ import annotations

import pytest

from entrepot.blobs.digest import Digest, DigestInvalid
from entrepot.formats.docker.errors import NameInvalid, NameUnknown, TagInvalid
from entrepot.formats.docker.names import (
    check_image,
    check_tag,
    is_component,
    parse_digest,
    parse_reference,
    split_name,
)

HEX = "ab" * 32


@pytest.mark.parametrize(
    "name", ["a", "0", "a.b", "a_b", "a__b", "a-b", "a---b", "lib/app", "a/b/c/d", "x86_64/1.2-rc", "blobs/manifests"]
)
def test_lower_case_components_joined_by_slashes_are_names(name: str) -> None:
    assert check_image(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", "/", "a/", "/a", "a//b", "A", "a/B", "_a", "a_", ".a", "a.", "-a", "a-", "a..b", "a___b", "a._b", "a-_b",
        "a b", "a:b", "a@b", "a%2fb", "a\x00", "a\n", "\na", "é", "_uploads", "../a", "a/../b", "a/./b",
        "\udc80", "a\\b", "{a}",
    ],
)  # fmt: skip
def test_every_other_name_is_refused(name: str) -> None:
    with pytest.raises(NameInvalid) as raised:
        check_image(name)
    assert (raised.value.code, raised.value.status) == ("NAME_INVALID", 400)


def test_a_name_has_255_characters_with_the_key_before_it() -> None:
    assert check_image("a" * 255)
    assert check_image("a" * 242, "docker-local")
    for name, key in [("a" * 256, ""), ("a" * 243, "docker-local")]:
        with pytest.raises(NameInvalid):
            check_image(name, key)


def test_an_error_repeats_only_the_beginning_of_a_name_and_only_ascii() -> None:
    with pytest.raises(NameInvalid) as raised:
        check_image("\udc80é" + "X" * 10**6)
    detail = raised.value.detail
    assert isinstance(detail, dict)
    assert detail["name"] == "\\udc80\\xe9" + "X" * 158


def test_the_first_component_is_the_repository() -> None:
    assert split_name("docker-local/lib/app") == ("docker-local", "lib/app")
    assert split_name("d/" + "a" * 253) == ("d", "a" * 253)


def test_one_word_is_a_name_that_nobody_can_know() -> None:
    with pytest.raises(NameUnknown, match="begins with that of a repository here, as docker-local/app does"):
        split_name("app")


@pytest.mark.parametrize("name", ["", "/app", "repo/", "Repo/app", "repo/App", "d/" + "a" * 254, "a/b//c"])
def test_a_name_without_repository_or_image_is_refused(name: str) -> None:
    with pytest.raises(NameInvalid):
        split_name(name)


@pytest.mark.parametrize(
    ("key", "addressable"),
    [("docker-local", True), ("Docker", False), ("a/b", False), ("", False), ("_x", False), ("a" * 255, False)],
)
def test_clients_reach_only_repositories_whose_key_is_a_component(key: str, addressable: bool) -> None:
    assert is_component(key) is addressable


@pytest.mark.parametrize("tag", ["latest", "1", "_", "V1.0-rc_2", "a" * 128, f"sha256-{HEX}.sig"])
def test_tags(tag: str) -> None:
    assert check_tag(tag) == tag
    assert parse_reference(tag).tag == tag
    assert parse_reference(tag).digest is None


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a" * 129, "a b", "a/b", "a+b", "é", "a\n", "a\x00", "..", "%61"])
def test_every_other_tag_is_refused(tag: str) -> None:
    with pytest.raises(TagInvalid) as raised:
        parse_reference(tag)
    assert (raised.value.code, raised.value.status) == ("TAG_INVALID", 400)


@pytest.mark.parametrize("text", [f"sha256:{HEX}", f"sha512:{HEX}{HEX}"])
def test_a_colon_makes_a_reference_a_digest(text: str) -> None:
    reference = parse_reference(text)
    assert reference.digest == Digest.parse(text)
    assert reference.tag is None


@pytest.mark.parametrize("text", ["sha256:baddigeststring", ":", f"md5:{HEX}", f"sha256:{HEX.upper()}", "sha256:"])
def test_a_malformed_digest_is_no_tag(text: str) -> None:
    with pytest.raises(DigestInvalid) as raised:
        parse_reference(text)
    assert (raised.value.code, raised.value.status) == ("DIGEST_INVALID", 400)


def test_a_digest_in_a_url_may_have_its_colon_escaped() -> None:
    assert parse_digest(f"sha256%3A{HEX}") == parse_digest(f"sha256:{HEX}") == Digest("sha256", HEX)
    with pytest.raises(DigestInvalid):
        parse_digest(f"sha256%253A{HEX}")
