import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.auth.credentials import BadCredentials, Basic, Token, classify, parse, sent

REFERENCE = "cmVmd" + "A" * 59
JWT = "eyJhIjoxfQ.eyJiIjoyfQ.c2ln"


class Headers:
    def __init__(self, **values: str) -> None:
        self._values = {name.replace("_", "-"): value for name, value in values.items()}

    def get(self, name: str, default: str | None = None) -> str | None:
        return self._values.get(name.lower(), default)

    def get_all(self, name: str) -> list[str]:
        return [value for key, value in self._values.items() if key == name]


def basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def test_a_request_without_credentials_sends_none() -> None:
    assert sent(Headers(host="x")) is None
    assert sent(Headers(authorization="")) is None


def test_a_token_may_come_in_three_headers() -> None:
    for headers in (
        Headers(authorization=f"Bearer {REFERENCE}"),
        Headers(authorization=f"bearer  {REFERENCE} "),
        Headers(x_jfrog_art_api=REFERENCE),
        Headers(x_api_key=REFERENCE),
    ):
        text = sent(headers)
        assert text is not None
        assert parse(text) == Token(REFERENCE)


def test_authorization_goes_before_the_key_headers() -> None:
    assert sent(Headers(authorization=basic("bob:x"), x_jfrog_art_api=REFERENCE)) == basic("bob:x")


def test_a_name_is_lower_cased_and_a_password_kept_as_it_is() -> None:
    assert parse(basic("Bob:Pass:Word ")) == Basic("bob", "Pass:Word ")
    assert parse(basic("bob:pässwörd")) == Basic("bob", "pässwörd")
    assert parse(basic("bob:pässwörd".encode("latin-1"))) == Basic("bob", "pässwörd")
    assert parse(basic(":")) == Basic("", "")


def test_a_password_in_the_shape_of_a_token_is_one() -> None:
    assert parse(basic(f"bob:{REFERENCE}")) == Token(REFERENCE, "bob")
    assert classify("", JWT) == Token(JWT, "")
    assert classify("Bob", JWT + "!") == Basic("bob", JWT + "!")
    assert Token(REFERENCE).is_reference
    assert not Token(JWT).is_reference


@pytest.mark.parametrize(
    "text",
    [
        "Basic", "Basic !", "Basic é", "Bearer", "Bearer ", "api-key ", "Digest x", "x", " ", basic("no colon"),
        basic("bob\0:x"), basic("bob:x\0"), basic("bo\nb:x"), "Basic Ym9iOng",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadCredentials) as refused:
        parse(text)
    assert refused.value.message == "Bad Credentials"


@settings(deadline=None)
@given(st.text(st.characters(codec="latin-1")))
def test_no_header_does_worse_than_being_refused(text: str) -> None:
    for header in (text, f"Basic {text}", f"Bearer {text}", basic(text.encode("latin-1"))):
        try:
            parse(header)
        except BadCredentials:
            continue


def test_the_name_beside_a_token_is_its_subject_or_nobody_s() -> None:
    assert all(Token(JWT, name).may_belong_to("bob") for name in (None, "", "_token", "token", "bob", "BOB"))
    assert not Token(JWT, "ann").may_belong_to("bob")
