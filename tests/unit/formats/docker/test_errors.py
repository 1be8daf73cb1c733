"""Errors of registries: exactly the codes, statuses and words that clients know."""

from __future__ import annotations

import pytest

from entrepot.auth import jwt
from entrepot.blobs.digest import DigestInvalid
from entrepot.errors import Conflict, Denied, EntrepotError, Invalid, NotFound, TooMany, Unauthenticated, Unavailable
from entrepot.formats.docker import errors
from entrepot.formats.docker.errors import ManifestBlobUnknown, entries, shown
from entrepot.repositories.granted import BlackedOut


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        (errors.BlobUnknown, "BLOB_UNKNOWN", 404),
        (errors.BlobUploadUnknown, "BLOB_UPLOAD_UNKNOWN", 404),
        (DigestInvalid, "DIGEST_INVALID", 400),
        (errors.ManifestInvalid, "MANIFEST_INVALID", 400),
        (errors.ManifestTooLarge, "MANIFEST_INVALID", 413),
        (errors.ManifestUnknown, "MANIFEST_UNKNOWN", 404),
        (errors.NameInvalid, "NAME_INVALID", 400),
        (errors.NameUnknown, "NAME_UNKNOWN", 404),
        (errors.PaginationNumberInvalid, "PAGINATION_NUMBER_INVALID", 400),
        (errors.RangeInvalid, "RANGE_INVALID", 416),
        (errors.SizeInvalid, "SIZE_INVALID", 400),
        (errors.TagInvalid, "TAG_INVALID", 400),
        (jwt.TokenUnknown, "UNAUTHORIZED", 401),
        (jwt.TokenExpired, "UNAUTHORIZED", 401),
        (jwt.TokenRevoked, "UNAUTHORIZED", 401),
        (Denied, "DENIED", 403),
        (TooMany, "TOOMANYREQUESTS", 429),
        (Unavailable, "UNAVAILABLE", 503),
        (EntrepotError, "UNKNOWN", 500),
    ],
)
def test_each_error_has_its_code_and_status(kind: type[EntrepotError], code: str, status: int) -> None:
    assert (kind.code, kind.status) == (code, status)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (errors.ManifestUnknown, "The named manifest is not known to the registry."),
        (jwt.TokenUnknown, "Props Authentication Token not found"),
        (jwt.TokenExpired, "Token failed verification: expired"),
        (jwt.TokenRevoked, "Token failed verification: revoked"),
    ],
)
def test_where_artifactory_has_words_they_are_ours(kind: type[EntrepotError], text: str) -> None:
    assert kind().message == text


@pytest.mark.parametrize(
    ("kind", "code"),
    [(Invalid, "UNSUPPORTED"), (Conflict, "DENIED"), (NotFound, "NAME_UNKNOWN"), (BlackedOut, "NAME_UNKNOWN")],
)
def test_an_error_that_registries_have_no_code_for_gets_one_that_clients_do_not_repeat(
    kind: type[EntrepotError], code: str
) -> None:
    [told] = entries(kind(key="r", path="a"))
    assert told["code"] == code


def test_who_must_say_who_asks_is_told_so_in_the_words_of_registries() -> None:
    assert entries(Unauthenticated())[0]["message"] == "authentication required"


def test_a_manifest_beyond_the_limit_is_told_the_limit() -> None:
    assert errors.ManifestTooLarge(limit=4194304).message == "The manifest is larger than the limit of 4194304 bytes."


def test_an_envelope_lists_one_error_with_its_detail() -> None:
    error = errors.ManifestUnknown(detail={"manifest": "lib/app"})
    assert entries(error) == [
        {
            "code": "MANIFEST_UNKNOWN",
            "message": "The named manifest is not known to the registry.",
            "detail": {"manifest": "lib/app"},
        }
    ]


def test_each_missing_blob_is_an_error_of_its_own() -> None:
    error = ManifestBlobUnknown(["sha256:a", "sha256:b"])
    assert (error.code, error.status) == ("MANIFEST_BLOB_UNKNOWN", 400)
    assert error.detail == ["sha256:a", "sha256:b"]
    assert [(entry["code"], entry["detail"]) for entry in entries(error)] == [
        ("MANIFEST_BLOB_UNKNOWN", "sha256:a"),
        ("MANIFEST_BLOB_UNKNOWN", "sha256:b"),
    ]


def test_a_single_missing_blob_is_the_detail_itself() -> None:
    assert ManifestBlobUnknown(["sha256:a"]).detail == "sha256:a"


def test_no_more_than_a_hundred_missing_blobs_are_listed() -> None:
    error = ManifestBlobUnknown(str(number) for number in range(1000))
    assert len(entries(error)) == 100
    assert len(error.digests) == 1000


def test_what_was_sent_is_repeated_short_and_printable() -> None:
    assert shown("a\x00\udc80é" + "b" * 200) == "a\\x00\\udc80\\xe9" + "b" * 156
