"""Ranges, chunks and conditions: what each header asks for."""

from __future__ import annotations

import pytest

from entrepot.ranges import Conditions, Span, evaluate, parse_content_range, parse_date, parse_range

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
SECONDS = 784111777
TAGS = ("sha256:ab", "0beec7b5")


class TestRange:
    @pytest.mark.parametrize(
        ("header", "spans"),
        [
            ("bytes=0-0", [(0, 1)]),
            ("bytes=500-1499", [(500, 1500)]),
            ("bytes=500-", [(500, 2000)]),
            ("bytes=-500", [(1500, 2000)]),
            ("bytes=-5000", [(0, 2000)]),
            ("bytes=1000-5000", [(1000, 2000)]),
            ("BYTES= 1-2 ", [(1, 3)]),
            (" bytes=1-2", [(1, 3)]),
            ("bytes=7-9, 1-2,\t-1", [(7, 10), (1, 3), (1999, 2000)]),
            ("bytes=1-2,5000-6000", [(1, 3)]),
            ("bytes=1-" + "9" * 5000, [(1, 2000)]),
            ("bytes=-" + "9" * 5000, [(0, 2000)]),
            ("bytes=0-999999999999999999", [(0, 2000)]),
            ("bytes=0-9223372036854775808", [(0, 2000)]),
        ],
    )
    def test_spans_come_in_the_order_asked_and_end_with_the_bytes(
        self, header: str, spans: list[tuple[int, int]]
    ) -> None:
        assert parse_range(header, 2000) == tuple(Span(*span) for span in spans)

    @pytest.mark.parametrize(
        "header",
        ["bytes=2000-", "bytes=5000-10000", "bytes=500-0", "bytes=-0", "bytes=" + "9" * 30 + "-", "bytes=3-2,2000-"],
    )
    def test_nothing_to_satisfy_is_no_span(self, header: str) -> None:
        assert parse_range(header, 2000) == ()

    @pytest.mark.parametrize(
        "header",
        [
            "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes=1-2-3", "bytes=1-2,", "bytes=1-2,x",
            "items=0-1", "bytes 0-1", "bytes=0x1-2", "bytes=+1-2", "bytes=1 - 2", "bytes=\u0661-\u0662", "bytes=1-2\n3",
        ],
    )  # fmt: skip
    def test_what_is_malformed_is_ignored(self, header: str) -> None:
        assert parse_range(header, 2000) is None

    def test_ranges_longer_than_the_whole_are_answered_with_the_whole(self) -> None:
        assert parse_range("bytes=0-99,0-99", 200) is not None
        assert parse_range("bytes=0-99,0-100", 200) is None

    def test_more_ranges_than_any_client_needs_are_ignored(self) -> None:
        assert len(parse_range("bytes=" + ",".join(["0-0"] * 1024), 2000) or ()) == 1024
        assert parse_range("bytes=" + ",".join(["0-0"] * 1025), 2000) is None

    @pytest.mark.parametrize(("header", "spans"), [("bytes=0-", ()), ("bytes=0-0", ()), ("bytes=-5", None)])
    def test_nothing_has_no_first_byte_but_an_end(self, header: str, spans: tuple[Span, ...] | None) -> None:
        assert parse_range(header, 0) == spans


class TestContentRange:
    @pytest.mark.parametrize(
        "header",
        ["10-19", "bytes 10-19/*", "bytes 10-19/1000", "bytes 10-19", "Bytes=10-19", " 10-19 ", "10-19/*"],
    )
    def test_a_chunk_lies_where_it_says_with_and_without_the_unit(self, header: str) -> None:
        assert parse_content_range(header) == Span(10, 20)

    def test_a_chunk_may_be_a_single_byte(self) -> None:
        assert parse_content_range("0-0") == Span(0, 1)

    @pytest.mark.parametrize(
        "header", ["", "19-10", "10-", "-10", "a-b", "10-19/x", "bytes */100", "10-19-20", "9" * 19 + "-" + "9" * 20]
    )
    def test_what_is_malformed_is_none(self, header: str) -> None:
        assert parse_content_range(header) is None


def none_match(value: str) -> Conditions:
    return Conditions(if_none_match=value)


class TestNotModified:
    @pytest.mark.parametrize(
        "value",
        [
            '"sha256:ab"', "sha256:ab", 'W/"sha256:ab"', "W/sha256:ab", "*", " * ", '"x", "sha256:ab"', "x,0beec7b5",
            ',, "x" ,W/"0beec7b5",', '"a,b","0beec7b5"',
        ],
    )  # fmt: skip
    def test_any_listed_tag_matches_quoted_bare_or_weak(self, value: str) -> None:
        assert evaluate(none_match(value), TAGS, None)

    @pytest.mark.parametrize("value", ["", '""', '"', '"x"', "x", "sha256:a", '"*"', '"sha256:ab', ",,,", "W/", 'x"y'])
    def test_other_tags_do_not_match(self, value: str) -> None:
        assert not evaluate(none_match(value), TAGS, None)

    @pytest.mark.parametrize(
        ("since", "modified", "same"),
        [
            (DATE, SECONDS * 1000, True),
            (DATE, SECONDS * 1000 + 999, True),
            (DATE, SECONDS * 1000 + 1000, False),
            (DATE, 0, True),
            (DATE, None, False),
            (f" {DATE} ", SECONDS * 1000, True),
            ("yesterday", 0, False),
        ],
    )
    def test_the_date_counts_in_whole_seconds(self, since: str, modified: int | None, same: bool) -> None:
        assert evaluate(Conditions(if_modified_since=since), TAGS, modified) is same

    def test_a_tag_given_leaves_the_date_no_say(self) -> None:
        assert not evaluate(Conditions('"x"', DATE), TAGS, 0)

    def test_without_a_condition_everything_is_sent(self) -> None:
        assert not evaluate(Conditions(), TAGS, 0)


class TestIfRange:
    @pytest.mark.parametrize(
        ("value", "applies"),
        [
            (None, True), ('"sha256:ab"', True), ("sha256:ab", True), (' "0beec7b5" ', True), ('W/"sha256:ab"', False),
            ("W/sha256:ab", False),
            ('"x"', False), ("", False), (DATE, True), ("Sun, 06 Nov 1994 08:49:38 GMT", False),
            ("Sun, 06 Nov 1994 08:49:36 GMT", False),
        ],
    )  # fmt: skip
    def test_only_the_very_version_is_continued(self, value: str | None, applies: bool) -> None:
        assert Conditions(if_range=value).range_applies(TAGS, SECONDS * 1000 + 500) is applies

    def test_a_date_says_nothing_of_what_has_none(self) -> None:
        assert not Conditions(if_range=DATE).range_applies(TAGS, None)


class Lines:
    def __init__(self, *lines: tuple[str, str]) -> None:
        self.lines = lines

    def get(self, name: str, default: str | None = None) -> str | None:
        return next(iter(self.get_all(name)), default)

    def get_all(self, name: str) -> list[str]:
        return [value for key, value in self.lines if key == name]


def test_a_304_needs_a_condition() -> None:
    assert Conditions(if_none_match="").any
    assert Conditions(if_modified_since="").any
    assert not Conditions(if_range='"a"').any


def test_conditions_are_read_from_headers_and_lines_of_tags_are_one_list() -> None:
    lines = Lines(("if-none-match", '"a"'), ("if-none-match", "b"), ("if-modified-since", "c"), ("if-range", "d"))
    assert Conditions.of(lines) == Conditions('"a",b', "c", "d")
    assert Conditions.of(Lines()) == Conditions(None, None, None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("if-none-match", Conditions('"a"', None, None)),
        ("if-modified-since", Conditions(None, '"a"', None)),
        ("if-range", Conditions(None, None, '"a"')),
    ],
)
def test_each_condition_is_read_also_where_it_is_the_only_one(name: str, expected: Conditions) -> None:
    assert Conditions.of(Lines((name, '"a"'))) == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (DATE, SECONDS),
        ("Sunday, 06-Nov-94 08:49:37 GMT", SECONDS),
        ("Sun Nov  6 08:49:37 1994", SECONDS),
        ("Sun Nov 16 08:49:37 1994", SECONDS + 864000),
        ("Wednesday, 01-Jan-69 00:00:00 GMT", 3124224000),
        ("Thursday, 01-Jan-70 00:00:00 GMT", 0),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1483228799),
        ("Sun, 06 Nov 1994 08:49:61 GMT", None),
        ("Sun, 31 Feb 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 0000 08:49:37 GMT", None),
        ("Sun, 06 Xyz 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 CET", None),
        ("Sun, 06 Nov 1994 08:49:37 +0000", None),
        ("784111777", None),
        ("", None),
    ],
)
def test_dates_come_in_three_forms(text: str, seconds: int | None) -> None:
    assert parse_date(text) == seconds
