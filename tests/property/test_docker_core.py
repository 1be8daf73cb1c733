"""The pure core of the Docker format under arbitrary input: only the named errors, one meaning for what passes."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from entrepot.access.actions import Action
from entrepot.blobs.digest import Digest, DigestInvalid
from entrepot.clock import http_date
from entrepot.formats.docker import wire
from entrepot.formats.docker.challenge import (
    Challenge,
    ScopeEntry,
    parse_scopes,
    parse_token_query,
    scope_for,
)
from entrepot.formats.docker.errors import (
    ManifestInvalid,
    ManifestTooLarge,
    NameInvalid,
    NameUnknown,
    PaginationNumberInvalid,
    TagInvalid,
    shown,
)
from entrepot.formats.docker.layout import File, blob_file_name, digest_folder, folder_of, manifest_path, place_of
from entrepot.formats.docker.manifests import labels, parse
from entrepot.formats.docker.media_types import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    ORAS_ARTIFACT,
    SCHEMA1,
)
from entrepot.formats.docker.names import (
    check_image,
    check_tag,
    is_component,
    parse_digest,
    parse_reference,
    split_name,
)
from entrepot.formats.docker.pages import link, parse_page
from entrepot.formats.docker.references import parse_fallback
from entrepot.paths import MAX_PATH, MAX_SEGMENT, PathInvalid, RepoKey, RepoKeyInvalid, RepoPath
from entrepot.ranges import Conditions, Span, evaluate, parse_content_range, parse_date, parse_range

fuzz = settings(deadline=None, max_examples=150)

anything = st.text(st.characters(), max_size=60)  # surrogates too
pathlike = st.text(st.sampled_from("aB1._-~:@+;=/\\ %2eF0\x00\x1f\x7f\x85é\u0308\udc80"), max_size=40)
component = st.from_regex(r"[a-z0-9]{1,3}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}", fullmatch=True)
image_name = st.lists(component, min_size=1, max_size=4).map("/".join)
tag_name = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", fullmatch=True)
sha256 = st.binary(min_size=32, max_size=32).map(lambda raw: Digest.of("sha256", raw))


# --- paths and keys ---------------------------------------------------------------------------------------------------


@fuzz
@given(st.one_of(anything, pathlike))
def test_an_address_becomes_a_safe_path_or_is_refused(raw: str) -> None:
    try:
        path = RepoPath.parse(raw)
    except PathInvalid:
        return
    segments = path.text.split("/") if path.text else []
    assert path.depth == len(segments)
    assert not {"", ".", ".."} & set(segments)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\\]", path.text)
    assert len(path.text.encode()) <= MAX_PATH
    assert all(len(segment.encode()) <= MAX_SEGMENT for segment in segments)
    assert segments == [segment for segment in unquote(raw, errors="strict").split("/") if segment]


@fuzz
@given(pathlike)
def test_a_path_that_is_encoded_is_read_back(text: str) -> None:
    try:
        path = RepoPath(text)
    except PathInvalid:
        return
    assert RepoPath.parse(quote(text, safe="/")) == RepoPath.parse(quote(text, safe="")) == path
    folder, name = path.split()
    if name:
        assert RepoPath(name if folder == "." else f"{folder}/{name}") == path


@fuzz
@given(anything, st.sampled_from(["local", "remote"]))
def test_a_key_is_an_xml_name_without_slashes_or_is_refused(text: str, rclass: str) -> None:
    try:
        key = RepoKey(text)
        key.check_new(rclass)
    except RepoKeyInvalid:
        return
    assert 0 < len(key.text) <= 64
    assert not set(key.text) & set('/\\:|?*"<>& \t\n\x00')
    assert key.text.encode()


# --- names ------------------------------------------------------------------------------------------------------------


def follows_the_grammar(name: str) -> bool:
    """Whether it is a name, read off the grammar with no regular expression of ours."""
    alphabet = set("abcdefghijklmnopqrstuvwxyz0123456789")
    for part in name.split("/"):
        if not part or part[0] not in alphabet or part[-1] not in alphabet:
            return False
        for separator in re.findall(r"[^a-z0-9]+", part):
            if separator not in {".", "_", "__"} and set(separator) != {"-"}:
                return False
    return len(name) <= 255


@fuzz
@given(st.one_of(image_name, st.text(st.sampled_from("ab1._-/A"), max_size=12), anything))
def test_exactly_the_names_of_the_grammar_are_names(name: str) -> None:
    try:
        assert check_image(name) == name
        passed = True
    except NameInvalid:
        passed = False
    assert passed is follows_the_grammar(name)
    try:
        key, image = split_name(name)
    except NameInvalid:
        assert not passed
    except NameUnknown:
        assert passed
        assert "/" not in name
    else:
        assert passed
        assert f"{key}/{image}" == name
        assert is_component(key)


@fuzz
@given(st.one_of(tag_name, sha256.map(str), anything))
def test_a_reference_is_a_tag_or_a_digest_or_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except (TagInvalid, DigestInvalid):
        return
    assert (reference.tag is None) is not (reference.digest is None)
    assert (reference.tag or str(reference.digest)) == text


@fuzz
@given(anything)
def test_tags_and_digests_raise_nothing_else(text: str) -> None:
    for check, error in ((check_tag, TagInvalid), (parse_digest, DigestInvalid)):
        try:
            check(text)
        except error as raised:
            json.dumps(raised.detail).encode()
    assert shown(text).isascii()


# --- layout -----------------------------------------------------------------------------------------------------------


@fuzz
@given(image_name, st.one_of(tag_name, sha256), st.sampled_from([OCI_MANIFEST, OCI_INDEX, DOCKER_LIST]), sha256)
def test_every_place_in_the_tree_is_found_again(
    image: str, reference: str | Digest, media_type: str, blob: Digest
) -> None:
    stated = digest_folder(reference) if isinstance(reference, Digest) else reference
    place = place_of(manifest_path(image, stated, media_type))
    assert place is not None
    assert (place.image, place.reference, place.is_tag) == (image, stated, isinstance(reference, str))
    assert place.file is (File.MANIFEST if media_type == OCI_MANIFEST else File.LIST)
    held = place_of(f"{folder_of(image, stated)}/{blob_file_name(blob.raw)}")
    assert held is not None
    assert (held.image, held.reference, held.blob) == (image, stated, blob)
    assert RepoPath(manifest_path(image, stated)).text


@fuzz
@given(st.one_of(anything, pathlike, st.tuples(pathlike, st.just("manifest.json")).map("/".join)))
def test_a_place_is_read_from_no_other_path_than_it_has(path: str) -> None:
    place = place_of(path)
    if place is not None:
        assert path == f"{folder_of(place.image, place.reference)}/{path.rpartition('/')[2]}"


# --- manifests --------------------------------------------------------------------------------------------------------

FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar"
json_value = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)
media_type = st.sampled_from(
    [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST, ORAS_ARTIFACT, SCHEMA1, "text/plain", ""]
)
sound_descriptor = st.fixed_dictionaries(
    {
        "mediaType": st.sampled_from(["a/b", OCI_MANIFEST, FOREIGN]),
        "digest": sha256.map(str),
        "size": st.integers(0, 2**63 - 1),
    },
    optional={"urls": st.lists(st.text(max_size=5), max_size=1), "data": st.text(max_size=5), "x": json_value},
)
unsound_descriptor = st.fixed_dictionaries(
    {"mediaType": st.sampled_from(["a/b", ""]), "digest": st.sampled_from(["sha256:x", ""]), "size": st.integers()},
    optional={"annotations": json_value, "artifactType": st.text(max_size=5), "Digest": st.text(max_size=5)},
)
descriptors = st.lists(sound_descriptor, max_size=3)
sound_image = st.fixed_dictionaries({"schemaVersion": st.just(2), "config": sound_descriptor, "layers": descriptors})
sound_index = st.fixed_dictionaries({"schemaVersion": st.just(2), "manifests": descriptors})
sound_artifact = st.fixed_dictionaries({"mediaType": st.just(ORAS_ARTIFACT), "blobs": descriptors})
sound_schema1 = st.fixed_dictionaries(
    {"schemaVersion": st.just(1), "fsLayers": st.lists(st.fixed_dictionaries({"blobSum": sha256.map(str)}), max_size=3)}
)
mischief = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.sampled_from([1, "2", None]),
        "mediaType": media_type,
        "config": st.one_of(unsound_descriptor, json_value),
        "layers": st.one_of(descriptors, st.lists(unsound_descriptor, max_size=3), json_value),
        "manifests": st.one_of(descriptors, json_value),
        "subject": st.one_of(st.none(), sound_descriptor, unsound_descriptor),
        "annotations": st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
        "artifactType": st.text(max_size=5),
        "Layers": json_value,
        "x": json_value,
    },
)
manifest_like = st.tuples(
    st.one_of(sound_image, sound_index, sound_artifact, sound_schema1), st.one_of(st.just({}), mischief)
).map(lambda pair: {**pair[0], **pair[1]})
document_like = st.one_of(st.binary(max_size=200), json_value.map(lambda value: json.dumps(value).encode()))


def reread(body: bytes, key: str) -> list[str]:
    """Return the digests that a client reads under a key: the last of equal ones, whatever its case (as Go does)."""
    tree = json.loads(body, object_pairs_hook=lambda pairs: {name.casefold(): value for name, value in pairs})
    return [entry.get("digest", entry.get("blobsum")) for entry in tree.get(key.casefold()) or []]


def check_manifest(body: bytes, content_type: str | None) -> None:
    try:
        manifest = parse(body, content_type, limit=100_000, block_schema1=False)
    except (ManifestInvalid, ManifestTooLarge) as error:
        json.dumps({"message": error.message, "detail": error.detail}).encode()
        return
    assert manifest.media_type in wire.SHAPES
    key = {ORAS_ARTIFACT: "blobs", SCHEMA1: "fsLayers"}.get(manifest.media_type, "layers")
    if manifest.media_type not in {OCI_INDEX, DOCKER_LIST}:
        assert [str(layer.digest) for layer in manifest.layers] == reread(body, key)
        assert reread(body, "manifests") == []
    else:
        assert sorted(str(one.digest) for one in (*manifest.children, *manifest.layers)) == sorted(reread(body, "manifests"))
        assert all(not child.media_type or child.media_type in wire.SHAPES for child in manifest.children)
        assert reread(body, "layers") == []
    needed = [*(layer for layer in manifest.layers if not layer.is_foreign), *filter(None, [manifest.config])]
    assert {blob.digest for blob in manifest.blobs()} == {one.digest for one in needed}


@fuzz
@given(document_like, st.none() | anything)
def test_arbitrary_bytes_are_no_manifest(body: bytes, content_type: str | None) -> None:
    check_manifest(body, content_type)


@settings(deadline=None, max_examples=500)
@given(manifest_like, st.one_of(st.none(), media_type), st.booleans())
def test_what_passes_means_the_same_to_everyone(
    document: dict[str, Any], content_type: str | None, ascii_only: bool
) -> None:
    check_manifest(json.dumps(document, ensure_ascii=ascii_only).encode(), content_type)


@fuzz
@given(descriptors, st.data())
def test_a_damaged_manifest_is_refused_or_means_one_thing(layers: list[dict[str, Any]], data: st.DataObject) -> None:
    config = {"mediaType": "a/b", "digest": "sha256:" + "0" * 64, "size": 1}
    body = bytearray(json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    check_manifest(bytes(body), OCI_MANIFEST)


@fuzz
@given(document_like)
def test_configurations_and_fallback_indexes_never_raise(body: bytes) -> None:
    assert isinstance(labels(body), dict)
    assert isinstance(parse_fallback(body), tuple)
    for wrapped in (b'{"config":{"Labels":%b}}', b'{"config":{"Labels":{"a":%b}}}'):
        for name, values in labels(wrapped % body).items():
            assert name
            assert all(isinstance(value, str) for value in values)
    assert isinstance(parse_fallback(b'{"manifests":[%b]}' % body), tuple)


# --- pages and challenges ---------------------------------------------------------------------------------------------


@fuzz
@given(st.one_of(anything, st.integers().map(str)), anything)
def test_pages_are_bounded_or_refused(n: str, last: str) -> None:
    try:
        page = parse_page({"n": [n], "last": [last]}, default=100, most=1000)
    except PaginationNumberInvalid as error:
        json.dumps(error.detail).encode()
        return
    assert 0 <= page.n <= 1000
    assert page.last.encode() == last.encode()


@fuzz
@given(anything, st.text(max_size=20), st.integers(0, 10**6))
def test_a_link_is_one_header_and_leads_to_the_page_after_last(target: str, last: str, n: int) -> None:
    assume(not re.search("[\ud800-\udfff]", target))
    value = link("/" + target, n=n, last=last)
    assert re.fullmatch(r'</[!-;=?-~]*>; rel="next"', value)
    query = value.partition("?")[2].removesuffix('>; rel="next"')
    assert dict(parse_qsl(query, keep_blank_values=True)) == {"n": str(n), "last": last}


ascii_text = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30)
scope_name = ascii_text.map(lambda text: re.sub(r'[ "\\]', "x", text))
scope_entry = st.builds(
    ScopeEntry,
    st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
    scope_name,
    st.lists(st.sampled_from(["pull", "push", "delete", "*"]), unique=True).map(tuple),
)


@fuzz
@given(st.lists(scope_entry, max_size=4))
def test_scopes_that_are_written_are_read_back(scopes: list[ScopeEntry]) -> None:
    merged = parse_scopes([" ".join(map(str, scopes))])
    assert {(one.type, one.name) for one in merged} == {(one.type, one.name) for one in scopes}
    assert parse_scopes([" ".join(map(str, merged))]) == merged


@fuzz
@given(st.one_of(anything, st.text(st.sampled_from('Bearer realm="x\\",=: \t'), max_size=60)), anything)
def test_challenges_and_scopes_of_others_never_raise(text: str, other: str) -> None:
    assert len(parse_token_query({"scope": [text, other], "service": [other]}).scopes) <= 100
    for entry in scope_for(Action.DEPLOY, text, other):
        assert follows_the_grammar(entry.name)
    header = str(Challenge(text, other, error=other))
    assert header.isascii()
    assert header.isprintable()


# --- ranges -----------------------------------------------------------------------------------------------------------

position = st.one_of(st.integers(0, 30), st.integers(0, 10**40))
one_range = st.one_of(
    st.tuples(position, position).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    position.map("{}-".format),
    position.map("-{}".format),
)


def asked(text: str, size: int) -> range:
    """Return the positions that one range means, by the words of RFC 9110."""
    first, _, last = text.partition("-")
    if not first:
        return range(max(size - int(last), 0), size)
    return range(min(int(first), size), min(int(last) + 1, size) if last else size)


@fuzz
@given(st.lists(one_range, min_size=1, max_size=4), st.integers(1, 25))
def test_spans_are_the_positions_that_the_ranges_mean(ranges: list[str], size: int) -> None:
    expected = [positions for text in ranges if (positions := asked(text, size))]
    spans = parse_range("bytes=" + ",".join(ranges), size)
    if sum(map(len, expected)) > size:
        assert spans is None
    else:
        assert spans == tuple(Span(positions.start, positions.stop) for positions in expected)


@fuzz
@given(st.one_of(anything, st.text(st.sampled_from("bytes=0123456789-, /*"), max_size=40)), st.integers(0, 2**63))
def test_headers_of_ranges_never_raise(header: str, size: int) -> None:
    for span in parse_range(header, size) or ():
        assert 0 <= span.start < span.stop <= size
    chunk = parse_content_range(header)
    assert chunk is None or chunk.start < chunk.stop


@fuzz
@given(st.integers(0, 253402300799))
def test_our_own_dates_are_read_back(seconds: int) -> None:
    assert parse_date(http_date(seconds * 1000)) == seconds


@fuzz
@given(st.one_of(anything, st.text(st.sampled_from('W/"ab, *'), max_size=30)), anything)
def test_conditions_never_raise(text: str, other: str) -> None:
    conditions = Conditions(text, other, other)
    assert evaluate(conditions, ("ab",), 0) in {True, False}
    assert evaluate(Conditions(None, other), ("ab",), 0) in {True, False}
    assert conditions.range_applies(("ab",), 0) in {True, False}


@fuzz
@given(
    st.lists(st.sampled_from(['"ab"', "ab", 'W/"ab"', '"x,y"', "x", 'W/"x"']), min_size=1),
    st.sampled_from([",", ", ", " , "]),
)
def test_a_tag_matches_exactly_when_it_is_listed(tags: list[str], between: str) -> None:
    assert evaluate(Conditions(between.join(tags)), ("ab",), None) is any("ab" in tag for tag in tags)
