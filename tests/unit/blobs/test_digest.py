import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.blobs.digest import ALGORITHMS, Digest, DigestInvalid

A256, A512 = "a" * 64, "0123456789abcdef" * 8
LENGTHS = {"sha256": 64, "sha512": 128}


@pytest.mark.parametrize("text", [f"sha256:{A256}", f"sha512:{A512}"])
def test_a_registered_digest_is_read_and_written_unchanged(text: str) -> None:
    digest = Digest.parse(text)
    assert (str(digest), f"{digest.algorithm}:{digest.hex}") == (text, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256",
        "sha256:",
        A256,
        f":{A256}",
        f"sha256:{A256[1:]}",
        f"sha256:{A256}a",
        f"sha256:{A512}",
        f"sha512:{A256}",
        f"sha256:{A256.upper()}",
        f"SHA256:{A256}",
        f"sha256:{A256[1:]}g",
        f"sha256:{A256}\n",
        f" sha256:{A256}",
        f"sha256: {A256[1:]}",
        f"sha256:{A256[1:]}\u0663",
        f"sha256::{A256[1:]}",
        f"sha384:{'a' * 96}",
        f"md5:{'a' * 32}",
        f"blake3:{A256}",
        f"sha256+b64:{A256}",
    ],
)
def test_anything_else_is_an_invalid_digest(text: str) -> None:
    with pytest.raises(DigestInvalid):
        Digest.parse(text)


def test_no_invalid_digest_can_be_built() -> None:
    for algorithm, digits in (("sha256", "A" * 64), ("md5", "a" * 32), ("sha512", A256)):
        with pytest.raises(DigestInvalid):
            Digest(algorithm, digits)
    with pytest.raises(DigestInvalid):
        Digest.of("sha256", b"short")


def test_the_error_has_the_clients_code_and_shows_what_was_sent_bounded_and_printable() -> None:
    with pytest.raises(DigestInvalid) as told:
        Digest.parse("x:\ud800\n" + "y" * 10_000_000)
    assert (told.value.code, told.value.status) == ("DIGEST_INVALID", 400)
    assert isinstance(told.value.detail, str)
    assert told.value.detail.startswith("x:\\ud800\\nyyy")
    assert len(told.value.detail) < 200
    with pytest.raises(DigestInvalid) as without_colon:
        Digest.parse("nonsense")
    assert without_colon.value.detail == "nonsense"


@settings(deadline=None)
@given(st.sampled_from(ALGORITHMS), st.data())
def test_raw_bytes_and_text_are_the_same_digest(algorithm: str, data: st.DataObject) -> None:
    size = LENGTHS[algorithm] // 2
    raw = data.draw(st.binary(min_size=size, max_size=size))
    digest = Digest.of(algorithm, raw)
    assert digest.raw == raw
    assert Digest.parse(str(digest)) == digest


NEARLY = st.builds(
    lambda algorithm, raw, end: f"{algorithm}:{raw.hex()}{end}",
    st.sampled_from(["sha256", "sha512", "md5", ""]),
    st.sampled_from([31, 32, 33, 63, 64, 65]).map(bytes) | st.binary(min_size=32, max_size=32),
    st.sampled_from(["", "", "a", "A", "\n", " "]),
)


@settings(deadline=None)
@given(st.text(max_size=20) | NEARLY)
def test_whatever_is_sent_is_read_unchanged_or_refused(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except DigestInvalid:
        return
    assert str(digest) == text
    assert len(digest.hex) == LENGTHS[digest.algorithm]
