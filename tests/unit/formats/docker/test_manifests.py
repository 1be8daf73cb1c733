"""Manifests: what each kind says, and every document that could mean two things."""

from __future__ import annotations

import json
from typing import Any

import pytest

from entrepot.blobs.digest import Digest
from entrepot.formats.docker.errors import ManifestInvalid, ManifestTooLarge
from entrepot.formats.docker.manifests import Descriptor, Manifest, index_of, labels, parse
from entrepot.formats.docker.media_types import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    ORAS_ARTIFACT,
    SCHEMA1,
    SCHEMA1_SIGNED,
    essence,
    is_foreign,
)

LIMIT = 4 << 20
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
GENERIC = [None, "", "application/json", "Application/JSON; charset=utf-8", "application/octet-stream", "text/plain"]


def hexes(number: int) -> str:
    return f"{number:064x}"


def described(number: int, media_type: str = LAYER_TYPE, **rest: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{hexes(number)}", "size": number, **rest}


def image(**changes: object) -> dict[str, Any]:
    made = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described(1, CONFIG_TYPE),
        "layers": [described(2), described(3)],
    }
    return {key: value for key, value in {**made, **changes}.items() if value is not ...}


def index(**changes: object) -> dict[str, Any]:
    made = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [described(4, OCI_MANIFEST)]}
    return {key: value for key, value in {**made, **changes}.items() if value is not ...}


def read(document: object, content_type: str | None = None, *, block_schema1: bool = True) -> Manifest:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return parse(body, content_type, limit=LIMIT, block_schema1=block_schema1)


def refused(document: object, content_type: str | None = None) -> str:
    with pytest.raises(ManifestInvalid) as raised:
        read(document, content_type)
    assert (raised.value.code, raised.value.status) == ("MANIFEST_INVALID", 400)
    return raised.value.message


def numbers(descriptors: tuple[Descriptor, ...]) -> list[int]:
    return [int(one.digest.hex, 16) for one in descriptors]


class TestShapes:
    def test_an_image_has_a_configuration_and_layers(self) -> None:
        manifest = read(image(), OCI_MANIFEST)
        assert manifest.media_type == OCI_MANIFEST
        assert manifest.config == Descriptor(CONFIG_TYPE, Digest("sha256", hexes(1)), 1)
        assert numbers(manifest.layers) == [2, 3]
        assert manifest.children == ()
        assert manifest.required() == tuple(Digest("sha256", hexes(number)) for number in (1, 2, 3))

    def test_an_index_has_children_and_no_blobs(self) -> None:
        manifest = read(index(), OCI_INDEX)
        assert manifest.media_type == OCI_INDEX
        assert numbers(manifest.children) == [4]
        assert (manifest.config, manifest.layers, manifest.required()) == (None, (), ())

    def test_what_an_index_lists_that_is_no_manifest_is_a_layer(self) -> None:
        cache = [described(5, LAYER_TYPE), described(4, OCI_MANIFEST), described(6, "application/vnd.buildkit.cacheconfig.v0")]
        manifest = read(index(manifests=cache), OCI_INDEX)
        assert (numbers(manifest.children), numbers(manifest.layers)) == ([4], [5, 6])
        assert manifest.required() == tuple(Digest("sha256", hexes(number)) for number in (5, 6))

    @pytest.mark.parametrize(
        ("document", "media_type", "held"), [(image(), DOCKER_MANIFEST, (3, 0)), (index(), DOCKER_LIST, (0, 1))]
    )
    def test_docker_has_the_same_shapes(self, document: dict[str, Any], media_type: str, held: tuple[int, int]) -> None:
        manifest = read({**document, "mediaType": media_type}, media_type)
        assert manifest.media_type == media_type
        assert (len(manifest.blobs()), len(manifest.children)) == held

    @pytest.mark.parametrize("media_type", [OCI_ARTIFACT, ORAS_ARTIFACT])
    def test_artifacts_of_old_are_images_of_blobs(self, media_type: str) -> None:
        body = {"mediaType": media_type, "artifactType": "x/y", "blobs": [described(5)], "subject": described(6)}
        manifest = read(body)
        assert (numbers(manifest.blobs()), manifest.config) == ([5], None)
        assert manifest.artifact_type == "x/y"
        assert manifest.subject is not None
        assert manifest.subject.digest.hex == hexes(6)

    def test_an_artifact_of_old_may_have_no_blobs(self) -> None:
        assert read({}, ORAS_ARTIFACT).layers == ()

    @pytest.mark.parametrize("layers", [..., None, []])
    def test_an_image_without_layers_is_one(self, layers: object) -> None:
        assert read(image(layers=layers), OCI_MANIFEST).layers == ()

    @pytest.mark.parametrize("manifests", [None, []])
    def test_an_index_without_children_is_one(self, manifests: object) -> None:
        assert read(index(manifests=manifests), OCI_INDEX).children == ()

    def test_fields_of_go_that_are_null_are_as_good_as_absent(self) -> None:
        document = image(manifests=None, fsLayers=None, subject=None, annotations=None, artifactType=None)
        manifest = read(document)
        assert (manifest.subject, manifest.annotations) == (None, {})

    @pytest.mark.parametrize("extra", [{"x": [1.5, None, True, {"a": {}}]}, 10**30, "x", [[]], -1.5e300])
    def test_fields_that_nobody_knows_are_passed_over(self, extra: object) -> None:
        assert read(image(**{"org.example": extra, "Custom": extra, "blobs": extra})).media_type == OCI_MANIFEST

    def test_a_descriptor_says_all_that_it_can(self) -> None:
        layer = described(2, urls=["https://h/x"], annotations={"a": "b"}, artifactType="x/y", data="e30=", platform={})
        (found,) = read(image(layers=[layer])).layers
        expected = Descriptor(
            LAYER_TYPE, Digest("sha256", hexes(2)), 2, ("https://h/x",), annotations={"a": "b"}, artifact_type="x/y"
        )
        assert found == expected

    def test_an_empty_artifact_type_is_none(self) -> None:
        assert read(image(layers=[described(2, artifactType="")])).layers[0].artifact_type is None

    def test_a_sha512_digest_stays_one(self) -> None:
        layer = {"mediaType": LAYER_TYPE, "digest": "sha512:" + hexes(7) * 2, "size": 0}
        assert read(image(layers=[layer])).layers[0].digest.algorithm == "sha512"


class TestBlobs:
    @pytest.mark.parametrize(
        "layer",
        [
            described(9, "application/vnd.oci.image.layer.nondistributable.v1.tar"),
            described(9, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
            described(9, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
            described(9, urls=["https://h/x"]),
        ],
    )
    def test_layers_from_elsewhere_need_not_be_here(self, layer: dict[str, object]) -> None:
        manifest = read(image(layers=[described(2), layer, layer]))
        assert numbers(manifest.blobs()) == [1, 2]

    @pytest.mark.parametrize("urls", [None, []])
    def test_no_urls_lead_nowhere_else(self, urls: object) -> None:
        assert numbers(read(image(layers=[described(2, urls=urls)])).blobs()) == [1, 2]

    def test_a_configuration_must_be_here_wherever_else_it_is(self) -> None:
        assert numbers(read(image(config=described(1, CONFIG_TYPE, urls=["https://h/x"]))).blobs()) == [1, 2, 3]

    def test_each_digest_is_told_once_in_order(self) -> None:
        layers = [described(number) for number in (3, 1, 3, 2)]
        assert numbers(read(image(layers=layers)).blobs()) == [1, 3, 2]

    def test_only_the_types_that_are_foreign_are(self) -> None:
        assert not is_foreign(LAYER_TYPE)
        assert not is_foreign("application/vnd.docker.image.rootfs.diff.tar.gzip")


class TestMediaType:
    @pytest.mark.parametrize("content_type", GENERIC)
    def test_a_header_that_says_nothing_leaves_it_to_the_body(self, content_type: str | None) -> None:
        assert read(index(mediaType=DOCKER_LIST), content_type).media_type == DOCKER_LIST

    @pytest.mark.parametrize("content_type", [OCI_MANIFEST, f"{OCI_MANIFEST}; charset=utf-8", OCI_MANIFEST.upper()])
    def test_the_header_says_it_for_a_body_that_does_not(self, content_type: str) -> None:
        assert read(image(mediaType=...), content_type).media_type == OCI_MANIFEST

    @pytest.mark.parametrize(
        ("document", "media_type"), [(image(mediaType=...), OCI_MANIFEST), (index(mediaType=""), OCI_INDEX)]
    )
    def test_where_neither_says_it_the_fields_do(self, document: dict[str, Any], media_type: str) -> None:
        assert read(document, "application/json").media_type == media_type

    @pytest.mark.parametrize(
        "document", [{}, {"schemaVersion": 2}, image(mediaType=..., config=...), image(mediaType=..., layers=...)]
    )
    def test_and_where_nothing_says_it_nothing_is_stored(self, document: dict[str, Any]) -> None:
        assert "which media type" in refused(document)

    @pytest.mark.parametrize(
        ("document", "content_type"),
        [(image(), DOCKER_MANIFEST), (index(), OCI_MANIFEST), (image(mediaType=OCI_MANIFEST.upper()), OCI_MANIFEST)],
    )
    def test_header_and_body_may_not_contradict_each_other(self, document: dict[str, Any], content_type: str) -> None:
        assert "calls itself" in refused(document, content_type)

    @pytest.mark.parametrize("media_type", ["application/x-tar", "text/html", "x" * 1000, "a\x00b\u00e9", "{limit}"])
    def test_an_unknown_type_is_named_and_refused(self, media_type: str) -> None:
        told = refused(image(mediaType=media_type))
        assert "is not supported" in told
        assert ascii(media_type[:100])[1:-1] in told
        assert len(told) < 300

    @pytest.mark.parametrize("stated", [1, True, [], {}])
    def test_a_type_is_text(self, stated: object) -> None:
        assert "must be a string" in refused(image(mediaType=stated))

    @pytest.mark.parametrize("stated", [..., "", None])
    @pytest.mark.parametrize(("document", "media_type"), [(image(), DOCKER_MANIFEST), (index(), DOCKER_LIST)])
    def test_docker_manifests_state_their_type(self, document: dict[str, Any], media_type: str, stated: object) -> None:
        changed = {**document, "mediaType": stated}
        if stated is ...:
            del changed["mediaType"]
        assert "must state its mediaType" in refused(changed, media_type)

    def test_a_content_type_is_reduced_to_its_essence(self) -> None:
        assert essence(" Application/X ; charset=utf-8") == "application/x"
        assert [essence(one) for one in GENERIC] == [""] * len(GENERIC)


class TestOneMeaning:
    @pytest.mark.parametrize(
        ("document", "key"),
        [
            (image(manifests=[]), "manifests"),
            (image(fsLayers=[]), "fsLayers"),
            (index(layers=[]), "layers"),
            (index(config={}), "config"),
            (index(fsLayers=[]), "fsLayers"),
            ({"mediaType": OCI_ARTIFACT, "config": {}}, "config"),
            ({"mediaType": OCI_ARTIFACT, "layers": []}, "layers"),
            ({"mediaType": OCI_ARTIFACT, "manifests": []}, "manifests"),
            ({"mediaType": OCI_ARTIFACT, "fsLayers": []}, "fsLayers"),
        ],
    )
    def test_a_document_of_two_shapes_is_refused(self, document: dict[str, Any], key: str) -> None:
        assert f"must not hold '{key}'" in refused(document)

    @pytest.mark.parametrize(
        "body",
        [
            b'{"schemaVersion":2,"schemaVersion":2}',
            b'{"x":{"a":1,"a":1}}',
            b'{"layers":[],"l\\u0061yers":[]}',
            b'{"annotations":{"a":"1","a":"2"}}',
            b'{"layers":[{"digest":"a","digest":"b"}]}',
        ],
    )
    def test_equal_keys_are_refused_wherever_they_are(self, body: bytes) -> None:
        assert "two equal keys" in refused(body)

    @pytest.mark.parametrize(
        "document",
        [
            image(Layers=[]), image(MANIFESTS=[]), image(mediatype=OCI_INDEX), image(SchemaVersion=1),
            {**image(), "\u017fubject": {}}, image(Blobs=[]), image(FSLayers=[]),
            image(config={**described(1), "Digest": "x"}), image(layers=[{**described(1), "SIZE": 1}]),
            index(manifests=[{**described(1), "URLs": []}]), image(subject={**described(1), "mediatype": "x"}),
        ],
    )  # fmt: skip
    def test_keys_that_some_clients_take_for_others_are_refused(self, document: dict[str, Any]) -> None:
        assert "some clients take for another" in refused(document)

    def test_keys_of_annotations_may_look_like_any(self) -> None:
        layer = described(2, annotations={"Digest": "x", "SIZE": "1"})
        assert read(image(annotations={"Layers": "x", "mediatype": "y"}, layers=[layer])).annotations["Layers"] == "x"


class TestRefusals:
    @pytest.mark.parametrize(
        "body",
        [
            b"", b"x", b"{", b"{}x", b'{"a":}', b"{'a':1}", b'{"a":01}', b"\xef\xbb\xbf{}", b'{"a":"\x00"}',
            b'{"a":"\n"}',
            b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b'{"\xc0\x80":1}', "{}".encode("utf-16"), b"[" * 100_000,
            b'{"a":' * 100_000, b'{"a":' + b"9" * 5000 + b"}",
        ],
    )  # fmt: skip
    def test_what_cannot_be_read_is_refused(self, body: bytes) -> None:
        assert "not JSON" in refused(body, OCI_MANIFEST)

    @pytest.mark.parametrize("depth", [5000, 45_000])
    def test_what_is_nested_deep_is_refused_whatever_depth_this_python_reads(self, depth: int) -> None:
        assert refused(b'{"a":' + b"[" * depth + b"]" * depth + b"}", OCI_MANIFEST)

    @pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"x"', b"true"])
    def test_what_is_no_object_is_refused(self, body: bytes) -> None:
        assert "not a JSON object" in refused(body, OCI_MANIFEST)

    @pytest.mark.parametrize(
        "value",
        [b"NaN", b"Infinity", b"-Infinity", b'"\\ud800"', b'"\\udc00"', b'{"\\ud800":1}'],
    )
    def test_what_only_some_parsers_read_is_refused(self, value: bytes) -> None:
        body = json.dumps(image()).encode()
        assert "not valid" in refused(body[:-1] + b',"x":' + value + b"}")

    @pytest.mark.parametrize("value", [b"[],", b"{},", b"1,"])
    def test_more_values_than_any_manifest_has_are_not_even_read(self, value: bytes) -> None:
        assert "too many values" in refused(b'{"x":[' + value * 100_000 + b"1]}")

    def test_a_body_beyond_the_limit_is_refused_with_413(self) -> None:
        body = json.dumps(image()).encode()
        assert parse(body, None, limit=len(body), block_schema1=True)
        with pytest.raises(ManifestTooLarge, match=f"limit of {len(body) - 1} bytes") as raised:
            parse(body, None, limit=len(body) - 1, block_schema1=True)
        assert (raised.value.code, raised.value.status) == ("MANIFEST_INVALID", 413)

    def test_a_large_manifest_of_few_values_is_fine(self) -> None:
        annotations = {f"org.example.{number}": "x" * 10_000 for number in range(390)}
        assert read(image(annotations=annotations)).annotations == annotations

    def test_there_are_at_most_ten_thousand_layers(self) -> None:
        assert len(read(image(layers=[described(1)] * 10_000)).layers) == 10_000
        assert "10000" in refused(image(layers=[described(1)] * 10_001))

    @pytest.mark.parametrize("version", [..., None, 1, 3, "2", 2.0, True])
    @pytest.mark.parametrize("made", [image, index])
    def test_the_schema_is_version_two(self, made: Any, version: object) -> None:
        assert "schemaVersion" in refused(made(schemaVersion=version))

    @pytest.mark.parametrize(
        "layer",
        [
            {}, [], "x", None, 1,
            {"digest": f"sha256:{hexes(1)}", "size": 1},
            {"mediaType": LAYER_TYPE, "size": 1},
            {"mediaType": LAYER_TYPE, "digest": f"sha256:{hexes(1)}"},
            {**described(1), "mediaType": ""},
            {**described(1), "mediaType": "x" * 256},
            {**described(1), "mediaType": "a\r\nb"},
            {**described(1), "mediaType": "a\n"},
            {**described(1), "mediaType": "\u00e9"},
            {**described(1), "mediaType": 1},
            {**described(1), "digest": 1},
            {**described(1), "size": -1},
            {**described(1), "size": 2**63},
            {**described(1), "size": 10**40},
            {**described(1), "size": 1.0},
            {**described(1), "size": "1"},
            {**described(1), "size": True},
            {**described(1), "size": None},
            {**described(1), "urls": "x"},
            {**described(1), "urls": [1]},
            {**described(1), "annotations": {"a": 1}},
            {**described(1), "annotations": []},
            {**described(1), "artifactType": "a\x00"},
        ],
    )  # fmt: skip
    def test_a_malformed_descriptor_is_refused_wherever_it_is(self, layer: object) -> None:
        refused(image(layers=[layer]))
        refused(index(manifests=[layer]))
        if layer is not None:
            refused(image(subject=layer))
        refused(image(config=layer))

    @pytest.mark.parametrize(
        "digest", ["", "sha256:", "sha256:x", hexes(1), f"SHA256:{hexes(1)}", f"sha256:{hexes(10).upper()}", "md5:a"]
    )
    def test_a_digest_that_is_none_is_refused_and_shown(self, digest: str) -> None:
        with pytest.raises(ManifestInvalid, match="a digest that is not valid") as raised:
            read(image(layers=[{**described(1), "digest": digest}]))
        assert digest[:20] in str(raised.value.detail)

    @pytest.mark.parametrize(
        "changes",
        [{"config": ...}, {"config": None}, {"layers": {}}, {"layers": "x"}, {"annotations": {"a": None}},
         {"annotations": 1}, {"artifactType": 1}, {"artifactType": "a\nb"}, {"artifactType": "x" * 256},
         {"subject": []}],
    )  # fmt: skip
    def test_a_field_of_another_type_is_refused_with_its_place(self, changes: dict[str, object]) -> None:
        assert "The manifest is not valid: " in refused(image(**changes), OCI_MANIFEST)

    def test_a_text_that_is_none_is_refused_in_words(self) -> None:
        told = refused(image(artifactType="a\nb"), OCI_MANIFEST)
        assert told == "The manifest is not valid: Expected `str` of at most 255 printable ASCII characters - at `$.artifactType`."

    def test_an_index_without_its_list_is_refused(self) -> None:
        assert "manifests" in refused(index(manifests=...), OCI_INDEX)


class TestReferring:
    def test_subject_and_annotations_are_read(self) -> None:
        manifest = read(image(subject=described(8), annotations={"a": "b"}))
        assert manifest.subject is not None
        assert manifest.subject.digest.hex == hexes(8)
        assert manifest.annotations == {"a": "b"}

    @pytest.mark.parametrize(
        ("document", "artifact_type"),
        [
            (image(artifactType="x/y"), "x/y"),
            (image(), CONFIG_TYPE),
            (image(artifactType=""), CONFIG_TYPE),
            (index(artifactType="x/y"), "x/y"),
            (index(), None),
            ({"mediaType": OCI_ARTIFACT}, None),
        ],
    )
    def test_the_artifact_type_is_the_stated_one_or_that_of_the_configuration(
        self, document: dict[str, Any], artifact_type: str | None
    ) -> None:
        assert read(document).artifact_type == artifact_type

    def test_docker_types_refer_to_nothing(self) -> None:
        rest = {"subject": described(8), "annotations": {"a": "b"}, "artifactType": "x/y"}
        one = read(image(mediaType=DOCKER_MANIFEST, **rest))
        assert (one.subject, one.annotations, one.artifact_type) == (None, {}, CONFIG_TYPE)
        other = read(index(mediaType=DOCKER_LIST, **rest))
        assert (other.subject, other.annotations, other.artifact_type) == (None, {}, None)


class TestSchema1:
    DOCUMENT: dict[str, Any] = {  # noqa: RUF012
        "schemaVersion": 1,
        "fsLayers": [{"blobSum": f"sha256:{hexes(1)}"}, {"blobSum": f"sha256:{hexes(1)}"}],
    }

    @pytest.mark.parametrize("media_type", [SCHEMA1, SCHEMA1_SIGNED])
    def test_it_is_refused_by_name_where_it_is_blocked(self, media_type: str) -> None:
        assert f"'{media_type}' (schema 1) is not supported" in refused(self.DOCUMENT, media_type)

    def test_it_is_known_by_its_fields_too(self) -> None:
        assert f"'{SCHEMA1}'" in refused(self.DOCUMENT, "application/json")
        assert f"'{SCHEMA1_SIGNED}'" in refused({**self.DOCUMENT, "signatures": []})

    def test_where_it_is_not_blocked_it_is_an_image_of_layers(self) -> None:
        manifest = read(self.DOCUMENT, SCHEMA1_SIGNED, block_schema1=False)
        assert (manifest.config, manifest.subject) == (None, None)
        assert [one.digest.hex for one in manifest.layers] == [hexes(1)] * 2
        assert manifest.required() == (Digest("sha256", hexes(1)),)

    @pytest.mark.parametrize(
        "changes", [{"schemaVersion": 2}, {"fsLayers": None}, {"fsLayers": [{}]}, {"fsLayers": [{"blobSum": "x"}]},
                    {"layers": []}, {"fsLayers": [{"blobsum": "x"}]}]
    )  # fmt: skip
    def test_and_has_its_own_shape(self, changes: dict[str, object]) -> None:
        with pytest.raises(ManifestInvalid):
            read({**self.DOCUMENT, **changes}, SCHEMA1, block_schema1=False)


class TestLabels:
    def test_labels_of_the_configuration_are_read(self) -> None:
        config = {"os": "linux", "config": {"Env": [], "Labels": {"a.b/c d": "1", "\u00e9": "", "list": ["x", "y"]}}}
        assert labels(json.dumps(config).encode()) == {"a.b/c d": ["1"], "\u00e9": [""], "list": ["x", "y"]}

    @pytest.mark.parametrize(
        "config",
        [
            b"", b"{}", b"[]", b"null", b'{"config":null}', b'{"config":{}}', b'{"config":{"Labels":null}}', b"\xff",
            b'{"config":{"Labels":[]}}', b'{"config":{"Labels":{"a":1}}}', b'{"config":{"Labels":{"a":null,"b":{}}}}',
            b'{"config":{"Labels":{"":"x"}}}', b'{"config":{"Labels":{"a\\u0000":"x"}}}',
            b'{"config":{"Labels":{"a":[]}}}',
            b'{"config":{"Labels":{"a":"\\u0000"}}}', b'{"config":{"Labels":{"a":"\\ud800"}}}', b'{"config":' * 50_000,
            b'{"config":{"Labels":{"a":"\xff"}}}', b'{"x":' + b"[" * 5000, b'{"config":{"labels":{"a":"x"}}}',
            b'{"config":{"Labels":{"a":"b"}},"x":[' + b"1," * 200_000 + b"1]}",
            b'{"config":{"Labels":{"a":"b"}}}' + b" " * (4 << 20),
        ],
    )  # fmt: skip
    def test_everything_else_has_none(self, config: bytes) -> None:
        assert labels(config) == {}

    def test_what_no_property_could_hold_is_left_out(self) -> None:
        stated = {"k" * 242: "v" * 4000, "k" * 243: "x", "long": "v" * 4001, "some": ["a", 1, "\x00"]}
        found = labels(json.dumps({"config": {"Labels": stated}}).encode())
        assert found == {"k" * 242: ["v" * 4000], "some": ["a"]}

    def test_there_are_at_most_five_hundred(self) -> None:
        stated = {f"k{number}": "x" for number in range(501)}
        assert len(labels(json.dumps({"config": {"Labels": stated}}).encode())) == 500


class TestIndexOf:
    def test_it_is_an_index_of_descriptors(self) -> None:
        full = Descriptor("a/b", Digest("sha256", hexes(1)), 1, annotations={"x": "y"}, artifact_type="c/d")
        bare = Descriptor("a/b", Digest("sha256", hexes(2)), 2)
        assert json.loads(index_of([full, bare])) == {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [
                {
                    "mediaType": "a/b",
                    "digest": f"sha256:{hexes(1)}",
                    "size": 1,
                    "artifactType": "c/d",
                    "annotations": {"x": "y"},
                },
                {"mediaType": "a/b", "digest": f"sha256:{hexes(2)}", "size": 2},
            ],
        }

    def test_of_nothing_it_is_an_empty_index(self) -> None:
        assert read(index_of([]), OCI_INDEX).children == ()
