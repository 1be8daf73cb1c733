"""The tree layout, there and back."""

from __future__ import annotations

import pytest

from entrepot.blobs.digest import Digest, DigestInvalid
from entrepot.formats.docker.layout import (
    File,
    Place,
    blob_file_name,
    digest_folder,
    folder_of,
    manifest_file_name,
    manifest_path,
    place_of,
)
from entrepot.formats.docker.names import check_image

HEX = "0a" * 32
SHA256 = Digest("sha256", HEX)
SHA512 = Digest("sha512", HEX + HEX)
APP = check_image("lib/app")
LISTS = [
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
]
MANIFESTS = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.artifact.manifest.v1+json",
    "",
]


@pytest.mark.parametrize("media_type", LISTS)
def test_an_index_is_called_list_manifest(media_type: str) -> None:
    assert manifest_file_name(media_type) == "list.manifest.json"
    assert manifest_path(APP, "1", media_type) == "lib/app/1/list.manifest.json"


@pytest.mark.parametrize("media_type", MANIFESTS)
def test_everything_else_is_called_manifest(media_type: str) -> None:
    assert manifest_file_name(media_type) == "manifest.json"
    assert manifest_path(APP, "1", media_type) == manifest_path(APP, "1") == "lib/app/1/manifest.json"


def test_folders_and_blobs_are_named_as_artifactory_names_them() -> None:
    assert folder_of(APP, "1.0") == "lib/app/1.0"
    assert folder_of(APP, digest_folder(SHA256)) == f"lib/app/sha256:{HEX}"
    assert blob_file_name(SHA256.raw) == f"sha256__{HEX}"


def test_only_sha256_names_a_place_in_the_tree() -> None:
    with pytest.raises(DigestInvalid):
        digest_folder(SHA512)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("lib/app/1/manifest.json", Place(APP, "1", File.MANIFEST)),
        ("lib/app/1/list.manifest.json", Place(APP, "1", File.LIST)),
        (f"lib/app/1/sha256__{HEX}", Place(APP, "1", File.BLOB, SHA256)),
        (f"lib/app/sha256:{HEX}/manifest.json", Place(APP, f"sha256:{HEX}", File.MANIFEST)),
        (f"lib/app/sha256:{HEX}/sha256__{HEX}", Place(APP, f"sha256:{HEX}", File.BLOB, SHA256)),
        ("a/manifest.json/manifest.json", Place(check_image("a"), "manifest.json", File.MANIFEST)),
    ],
)
def test_a_path_says_which_file_of_which_image_it_is(path: str, place: Place) -> None:
    assert place_of(path) == place
    assert place.is_manifest is (place.file is not File.BLOB)
    assert place.is_tag is (":" not in path.split("/")[-2])


@pytest.mark.parametrize(
    "path",
    [
        "", "manifest.json", "1/manifest.json", "lib/app/1",
        "lib/app/1/", "lib/app/1/x.json", "Lib/app/1/manifest.json",
        "lib/app/-x/manifest.json", "/1/manifest.json", "lib/app//manifest.json", "lib/app/_uploads/x",
        f"lib/app/sha512:{HEX}{HEX}/manifest.json", f"lib/app/sha256:{HEX[:-1]}/manifest.json",
        f"lib/app/1/sha256__{HEX}.marker", f"lib/app/1/sha256__{HEX.upper()}", f"lib/app/1/sha256:{HEX}",
        "a" * 256 + "/1/manifest.json", "lib/app/1/MANIFEST.json", "repository.catalog",
    ],
)  # fmt: skip
def test_every_other_path_is_just_a_path(path: str) -> None:
    assert place_of(path) is None
