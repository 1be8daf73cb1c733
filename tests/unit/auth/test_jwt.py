import base64
import hmac
import json
from dataclasses import replace as _replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import RSAKey

from entrepot.auth.jwt import LONGEST, Claims, Entry, TokenExpired, TokenUnknown, payload, sign, verify
from entrepot.auth.keys import SigningKey

NOW = 1_700_000_000
ISSUER = "jfac@01abc"


def made_key() -> SigningKey:
    key = RSAKey.generate_key(2048)
    return SigningKey(key.thumbprint(), key)


KEY = made_key()
CLAIMS = Claims(
    sub=f"{ISSUER}/users/bob",
    scp="applied-permissions/user",
    aud="*@*",
    iss=ISSUER,
    iat=NOW,
    jti="id",
    exp=NOW + 60,
    ext='{"revocable":"true"}',
)


def forged(header: dict[str, object], claims: Claims = CLAIMS, signature: bytes = b"") -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    return f"{part(json.dumps(header).encode())}.{part(payload(claims))}.{part(signature)}"


def accepted(token: str, key: SigningKey = KEY, now: int = NOW) -> Claims:
    return verify(key, token, issuer=ISSUER, now=now)[1]


def test_a_token_says_what_was_signed() -> None:
    token = sign(KEY, CLAIMS)
    assert verify(KEY, token, issuer=ISSUER, now=NOW) == ("JWT", CLAIMS)
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert header == {"ver": "2", "typ": "JWT", "alg": "RS256", "kid": KEY.kid}
    assert CLAIMS.name == "bob"


def test_a_docker_token_is_told_apart_by_its_signed_type() -> None:
    claims = msgspec.structs.replace(CLAIMS, access=[Entry("repository", "a/b", ["pull"])], aud=["x", "y"])
    assert verify(KEY, sign(KEY, claims, "docker+jwt"), issuer=ISSUER, now=NOW) == ("docker+jwt", claims)


@settings(deadline=None)
@given(st.text(), st.text(), st.integers(-(2**31), 2**40))
def test_the_payload_reads_the_same_in_both_base64_alphabets(name: str, scope: str, time: int) -> None:
    claims = msgspec.structs.replace(CLAIMS, sub=f"{ISSUER}/users/{name}", scp=scope, iat=time)
    text = payload(claims)
    assert base64.b64encode(text) == base64.urlsafe_b64encode(text)
    assert json.loads(text)["scp"] == scope
    assert msgspec.json.decode(text, type=Claims) == claims


def test_a_token_ends_at_its_second() -> None:
    token = sign(KEY, CLAIMS)
    accepted(token, now=NOW + 59)
    with pytest.raises(TokenExpired):
        accepted(token, now=NOW + 60)


def test_a_token_without_an_end_does_not_end() -> None:
    accepted(sign(KEY, msgspec.structs.replace(CLAIMS, exp=None)), now=NOW * 2)


def test_a_token_begins_when_it_says_give_or_take_a_minute() -> None:
    token = sign(KEY, msgspec.structs.replace(CLAIMS, nbf=NOW + 60))
    accepted(token)
    with pytest.raises(TokenUnknown):
        accepted(token, now=NOW - 1)


@pytest.mark.parametrize(
    "claims",
    [
        msgspec.structs.replace(CLAIMS, iss="jfac@another"),
        msgspec.structs.replace(CLAIMS, sub="bob"),
    ],
)
def test_a_token_of_another_issuer_or_for_no_user_is_unknown(claims: Claims) -> None:
    with pytest.raises(TokenUnknown):
        accepted(sign(KEY, claims))


def test_a_token_signed_with_another_key_is_unknown() -> None:
    other = made_key()
    with pytest.raises(TokenUnknown):
        accepted(sign(other, CLAIMS))
    with pytest.raises(TokenUnknown):
        accepted(sign(_replace(KEY, kid=other.kid), CLAIMS))


def test_no_other_algorithm_is_accepted() -> None:
    for algorithm in ("none", "None", "NONE", "", "HS256"):
        with pytest.raises(TokenUnknown):
            accepted(forged({"ver": "2", "typ": "JWT", "alg": algorithm, "kid": KEY.kid}))
    for secret in (KEY.key.as_pem(private=False), KEY.key.as_der(private=False), b""):
        unsigned = forged({"typ": "JWT", "alg": "HS256", "kid": KEY.kid}).rpartition(".")[0]
        signature = hmac.digest(secret, unsigned.encode(), "sha256")
        with pytest.raises(TokenUnknown):
            accepted(forged({"typ": "JWT", "alg": "HS256", "kid": KEY.kid}, signature=signature))
    for algorithm in ("RS384", "RS512", "PS256"):
        header = {"typ": "JWT", "alg": algorithm, "kid": KEY.kid}
        with pytest.raises(TokenUnknown):
            accepted(jws.serialize_compact(header, payload(CLAIMS), KEY.key, algorithms=[algorithm]))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT", "alg": "RS256"},
        {"typ": "at+jwt", "alg": "RS256", "kid": KEY.kid},
        {"alg": "RS256", "kid": KEY.kid},
        {"typ": "JWT", "alg": "RS256", "kid": "../../dev/null"},
    ],
)
def test_a_header_that_is_not_ours_is_refused_even_when_signed_by_us(header: dict[str, object]) -> None:
    with pytest.raises(TokenUnknown):
        accepted(jws.serialize_compact(header, payload(CLAIMS), KEY.key, algorithms=["RS256"]))


def test_a_signed_payload_of_another_shape_is_unknown() -> None:
    header = {"typ": "JWT", "alg": "RS256", "kid": KEY.kid}
    for text in (b"", b"[]", b"{}", b'{"sub":1}', b"\xff", b"[" * 500):
        with pytest.raises(TokenUnknown):
            accepted(jws.serialize_compact(header, text, KEY.key, algorithms=["RS256"]))


def test_a_blank_or_missing_signature_is_refused() -> None:
    head, body, _ = sign(KEY, CLAIMS).split(".")
    for token in (f"{head}.{body}.", f"{head}.{body}", f"{head}..", "..", "", f"{head}.{body}.AAAA"):
        with pytest.raises(TokenUnknown):
            accepted(token)


def test_a_token_of_any_length_costs_little() -> None:
    with pytest.raises(TokenUnknown):
        accepted(sign(KEY, CLAIMS) + "A" * LONGEST)


@settings(deadline=None)
@given(st.text(st.characters(codec="latin-1")) | st.text("eyJ.abc-_=", max_size=200))
def test_no_text_breaks_the_verification(text: str) -> None:
    with pytest.raises(TokenUnknown):
        accepted(text)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.characters(codec="ascii"))
def test_a_changed_character_is_noticed(place: int, character: str) -> None:
    token = sign(KEY, CLAIMS)
    place %= len(token)
    if token[place] == character or place == len(token) - 1:  # the last one holds bits that nobody reads
        return
    with pytest.raises(TokenUnknown):
        accepted(token[:place] + character + token[place + 1 :])
