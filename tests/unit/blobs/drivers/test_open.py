from pathlib import Path

import pytest

from entrepot.blobs.contract import Driver, StoreUnavailable
from entrepot.blobs.drivers.files import Files
from entrepot.blobs.drivers.memory import Memory
from entrepot.blobs.drivers.open import open_driver
from entrepot.blobs.drivers.places import BlobStoreUrlInvalid
from entrepot.blobs.drivers.s3 import S3, Bucket, S3Credentials

KEY = "w/h/x"
SECRET = "very-secret"


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    spaced = tmp_path / "a b%20c"
    for url in (spaced.as_uri(), spaced.as_uri().replace("file://", "file://localhost")):
        driver = open_driver(url)
        assert isinstance(driver, Files)
        assert driver.file(KEY) == spaced / KEY
    assert spaced.is_dir()


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="cannot be used: Not a directory"):
        open_driver((tmp_path / "file/blobs").as_uri())


def test_memory_is_new_each_time() -> None:
    one, other = open_driver("memory:"), open_driver("memory:")
    assert isinstance(one, Memory)
    assert one is not other


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket",
        "s3://bucket/",
        "s3://bucket/a/b/",
        "s3://my.bucket-1/prefix?region=eu-central-1",
        "s3://bucket?endpoint=http://127.0.0.1:9000",
        "s3://bucket?endpoint=http://[::1]:9000",
        "s3://bucket/p?endpoint=https%3A%2F%2Fs3.example.test%2F&region=garage",
    ],
)
def test_an_s3_url_is_a_bucket(url: str) -> None:
    driver: Driver = open_driver(url, S3Credentials("id", SECRET))
    assert isinstance(driver, S3)
    assert driver.file(KEY) is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "write file:///srv/blobs"),
        ("file", "write file:///srv/blobs"),
        ("s3", "write file:///srv/blobs"),
        ("memory", "write file:///srv/blobs"),
        ("/srv/blobs", "write file:///srv/blobs"),
        ("gs://bucket", "write file:///srv/blobs"),
        ("C:\\blobs", "write file:///srv/blobs"),
        ("memory:x", "nothing after the colon"),
        ("file:", "absolute path"),
        ("file:/srv/blobs", "absolute path"),
        ("file://", "absolute path"),
        ("file://srv/blobs", "absolute path"),
        ("file:///srv/%00", "absolute path"),
        ("s3://", "the bucket's name"),
        ("s3:bucket", "the bucket's name"),
        ("s3:///prefix", "the bucket's name"),
        ("s3://b", "the bucket's name"),
        ("s3://bu:cket/x", "the bucket's name"),
        ("s3://[bucket/x", "not a URL"),
        ("s3://bucket?endpoint", "not a URL"),
        ("s3://bucket/a//b", "prefix"),
        ("s3://bucket/../b", "prefix"),
        ("s3://bucket/a%20b", "prefix"),
        ("s3://bucket?endpoint=", "endpoint must be"),
        ("s3://bucket?endpoint=127.0.0.1:9000", "endpoint must be"),
        ("s3://bucket?endpoint=ftp://x", "endpoint must be"),
        (f"s3://bucket?endpoint=http://me:{SECRET}@x", "endpoint must be"),
        ("s3://bucket?endpoint=http://x/y", "endpoint must be"),
        ("s3://bucket?endpoint=http://[x", "endpoint must be"),
        ("s3://bucket?region=", "region must be"),
        ("s3://bucket?region=a%0Ab", "region must be"),
        (f"s3://id:{SECRET}@bucket/x", "credentials do not belong"),
        (f"s3://bucket?secret_access_key={SECRET}", "unknown parameter 'secret_access_key'"),
        ("s3://bucket?regoin=x&endpoint=http://x", "unknown parameter 'regoin'"),
        ("s3://bucket#?endpoint=https://x", "a parameter occurs twice, or it holds #"),
        ("s3://bucket?region=a&region=b", "a parameter occurs twice"),
        ("s3://buc\nket", "cannot be printed"),
    ],
)
def test_any_other_url_is_refused_in_one_line_without_what_may_be_secret(url: str, why: str) -> None:
    with pytest.raises(BlobStoreUrlInvalid) as told:
        open_driver(url)
    assert why in told.value.message
    assert "\n" not in told.value.message
    assert SECRET not in told.value.message


def test_an_environment_that_obstore_refuses_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CHECKSUM_ALGORITHM", "banana")
    with pytest.raises(BlobStoreUrlInvalid, match="the environment's AWS settings"):
        open_driver("s3://bucket")


def test_credentials_are_never_shown() -> None:
    credentials = S3Credentials("id", SECRET, SECRET)
    assert SECRET not in repr(credentials) + str(credentials)
    assert SECRET not in repr(S3(Bucket("bucket"), credentials))
