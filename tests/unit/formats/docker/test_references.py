"""Referrers and the tags that stood in for them."""

from __future__ import annotations

import json

import pytest

from entrepot.blobs.digest import Digest
from entrepot.formats.docker.manifests import Descriptor, index_of
from entrepot.formats.docker.media_types import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST
from entrepot.formats.docker.names import check_tag
from entrepot.formats.docker.references import fallback_tag, of_type, parse_fallback

HEX = "0f" * 32
SUBJECT = Digest("sha256", HEX)
ONE = Descriptor(OCI_MANIFEST, Digest("sha256", "1" * 64), 10, annotations={"a": "b"}, artifact_type="x/y")
TWO = Descriptor(OCI_INDEX, Digest("sha256", "2" * 64), 20)


def test_referrers_are_filtered_by_artifact_type() -> None:
    assert of_type([ONE, TWO], "x/y") == [ONE]
    assert of_type([ONE, TWO], "x/z") == []
    assert of_type([ONE, TWO], "") == [ONE, TWO]


def test_the_tag_of_a_subject_is_its_digest_with_a_dash() -> None:
    assert fallback_tag(SUBJECT) == f"sha256-{HEX}"


def test_the_tag_of_a_longer_digest_is_cut() -> None:
    tag = fallback_tag(Digest("sha512", HEX + "a" * 64))
    assert tag == f"sha512-{HEX}"
    assert check_tag(tag)


def test_the_entries_of_a_fallback_index_are_read_each_once() -> None:
    assert parse_fallback(index_of([ONE, TWO, ONE])) == (ONE, TWO)


@pytest.mark.parametrize("media_type", [None, "", OCI_INDEX])
def test_an_index_may_leave_its_type_unsaid(media_type: str | None) -> None:
    document = {**json.loads(index_of([TWO])), "mediaType": media_type}
    assert parse_fallback(json.dumps(document).encode()) == (TWO,)


def test_entries_that_are_no_descriptors_are_passed_over() -> None:
    good = json.loads(index_of([ONE]))["manifests"][0]
    bad = [None, 1, {}, {**good, "digest": "x"}, {**good, "size": -1}, {**good, "mediaType": ""}]
    document = json.dumps({"manifests": [*bad, good]}).encode()
    assert parse_fallback(document) == (ONE,)
    not_utf8 = b'[{"digest":"\xff","mediaType":"a","size":1},'
    assert parse_fallback(document.replace(b"[null,", not_utf8)) == (ONE,)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"x", b"{}", b'{"manifests":null}', b'{"manifests":{}}', b"\xff", b'{"manifests":[' * 3000,
        b'{"mediaType":1,"manifests":[]}', index_of([ONE]).replace(OCI_INDEX.encode(), DOCKER_LIST.encode()),
        b'{"x":' + b"[" * 3000, b'{"mediaType":"\xff"}', index_of([ONE])[:-2] + b",{}" * 100_000 + b"]}",
        index_of([ONE]) + b" " * (4 << 20),
    ],
)  # fmt: skip
def test_what_is_no_index_lists_nothing(body: bytes) -> None:
    assert parse_fallback(body) == ()


def test_no_more_entries_are_read_than_a_manifest_may_have() -> None:
    entries = [{"mediaType": "a/b", "digest": f"sha256:{number:064x}", "size": 1} for number in range(10_001)]
    assert len(parse_fallback(json.dumps({"manifests": entries}).encode())) == 10_000
