"""The parts without I/O: bytes, filters and names, against hostile input."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrepot.auth.directory import ber, filters, names, wire

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@given(st.binary(max_size=200))
def test_hostile_bytes_are_a_message_or_malformed_and_nothing_else(data: bytes) -> None:
    for read in (
        wire.read_message,
        lambda given: wire.outcome(wire.Message(1, ber.Element(0x61, given), ())),
        lambda given: wire.entry(wire.Message(1, ber.Element(0x64, given), ())),
        lambda given: wire.outcome(
            wire.Message(1, ber.Element(0x65, ber.integer(0, 10) + ber.octets("") * 2), (ber.Element(0x30, given),))
        ),
    ):
        try:
            read(data)
        except ber.Malformed:
            continue


@given(st.integers(-(2**40), 2**40), st.binary(max_size=70_000))
def test_what_is_written_is_read_back(number: int, content: bytes) -> None:
    found = list(ber.elements(ber.integer(number) + ber.octets(content)))
    assert found[0].number() == number
    assert found[1].content == content


@given(text)
def test_a_value_in_a_filter_stays_one_value_whatever_it_holds(value: str) -> None:
    encoded = filters.encode(f"(uid={filters.escape(value)})")
    found = next(ber.elements(encoded))
    kind, held = found.parts()
    assert (found.tag, kind.content, held.content) == (0xA3, b"uid", value.encode())


@given(text, text)
def test_a_value_in_a_filter_never_changes_the_filter_around_it(value: str, other: str) -> None:
    around = f"(&(objectClass=person)(|(uid={filters.escape(value)})(mail={filters.escape(other)}))(!(off=*)))"
    parts = next(ber.elements(filters.encode(around))).parts()
    assert [part.tag for part in parts] == [0xA3, 0xA1, 0xA2]


@pytest.mark.parametrize(("value", "escaped"), [("*", r"\2a"), ("()", r"\28\29"), ("\\", r"\5c"), ("\0", r"\00")])
def test_what_means_something_in_a_filter_is_escaped(value: str, escaped: str) -> None:
    assert filters.escape(f"a{value}b") == f"a{escaped}b"


@pytest.mark.parametrize(
    ("text", "encoded"),
    [  # bytes as `ldapsearch -d` shows them
        ("(cn=*)", "8702636e"),
        ("cn=a", "a3070402636e040161"),
        ("(cn=a*b*c)", "a40f0402636e3009800161810162820163"),
        ("(cn>=a)", "a5070402636e040161"),
        ("(cn:dn:2.4.6:=a)", "a9118105322e342e368202636e83016184" + "01ff"),
        ("(!(cn=a))", "a209a3070402636e040161"),
        ("(&(cn=a)(cn=b))", "a012a3070402636e040161a3070402636e040162"),
        ("(&)", "a000"),
    ],
)  # fmt: skip
def test_filters_become_what_the_standard_says(text: str, encoded: str) -> None:
    assert filters.encode(text).hex() == encoded


@pytest.mark.parametrize("bad", ["", "(", "(cn=a", "(cn=a))", "cn", "(=a)", r"(cn=\zz)", "(&(cn=a)", "(!)", "(" * 99])
def test_what_is_no_filter_is_refused(bad: str) -> None:
    with pytest.raises(filters.BadFilter):
        filters.encode(bad)


@given(st.text(alphabet="()&|!=*\\ab: ~<>", max_size=40))
def test_any_text_is_a_filter_or_a_bad_one(wild: str) -> None:
    try:
        filters.encode(wild)
    except filters.BadFilter:
        return


@given(text)
def test_a_value_in_a_name_stays_one_value_whatever_it_holds(value: str) -> None:
    rdns = names.split(f"uid={names.escape(value)},ou=people")
    assert rdns == [[("uid", value)], [("ou", "people")]]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("CN=Bob,OU=People", "cn=bob, ou=people"),
        (r"cn=Smith\, John,ou=x", r"CN=Smith\2c  John,OU=X"),
        ('cn="Smith, John",ou=x', r"cn=smith\, john,ou=x"),
        ("cn=a+uid=b,ou=x", "UID=b+cn=A,ou=x"),
    ],
)
def test_names_are_compared_as_values(left: str, right: str) -> None:
    assert names.normal(left) == names.normal(right)


def test_names_that_differ_are_not_the_same() -> None:
    assert names.normal("cn=a,ou=x") != names.normal(r"cn=a\,ou=x")
    assert names.normal("cn=a") != names.normal("cn=a,dc=b")


@example('2=+"=')
@given(st.text(alphabet='cn=,;+\\"ab 2c<', max_size=40))
def test_any_text_is_a_name_or_a_bad_one(wild: str) -> None:
    try:
        normal = names.normal(wild)
    except names.BadName:
        return
    assert names.normal(normal) == normal


def test_the_groups_above_an_entry_are_those_below_the_base() -> None:
    assert names.values_between("uid=a,ou=eng,ou=People,dc=ent,dc=test", "DC=ent, dc=test") == ["eng", "People"]
    assert names.values_between("uid=a,ou=eng,dc=other", "dc=ent,dc=test") == []
