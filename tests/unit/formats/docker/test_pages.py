"""Pages: bounds of n and last, and links that lead on."""

from __future__ import annotations

import pytest

from entrepot.formats.docker.errors import PaginationNumberInvalid
from entrepot.formats.docker.pages import LastInvalid, Page, link, parse_page


def page(**query: str) -> Page:
    return parse_page({key: [value] for key, value in query.items()}, default=100, most=1000)


@pytest.mark.parametrize(("n", "count"), [("0", 0), ("1", 1), ("1000", 1000), ("007", 7), ("", 100)])
def test_n_is_a_number_up_to_the_most_there_may_be(n: str, count: int) -> None:
    assert page(n=n) == Page(count, "")


@pytest.mark.parametrize("n", ["-1", "1001", "x", "1.0", "1e3", "+1", " 1", "1\n", "1_0", "\u0661", "9" * 5000])
def test_every_other_n_is_refused(n: str) -> None:
    with pytest.raises(PaginationNumberInvalid) as raised:
        page(n=n)
    assert (raised.value.code, raised.value.status) == ("PAGINATION_NUMBER_INVALID", 400)


def test_what_is_not_asked_is_the_default_from_the_beginning() -> None:
    assert parse_page({}, default=100, most=1000) == Page(100, "")
    assert parse_page({"n": [], "last": []}, default=100, most=1000) == Page(100, "")


def test_of_a_repeated_parameter_the_first_counts() -> None:
    assert parse_page({"n": ["2", "x"], "last": ["a", "b"]}, default=100, most=1000) == Page(2, "a")


@pytest.mark.parametrize("last", ["v1", "docker-local/lib/app", "not-a-tag+", "é", "a" * 255])
def test_last_may_be_anything_that_a_list_could_hold(last: str) -> None:
    assert page(last=last).last == last


@pytest.mark.parametrize("last", ["a" * 256, "a\x00", "\n", "\x7f", "\x80", "\udc80"])
def test_last_is_bounded_and_holds_no_control_characters(last: str) -> None:
    with pytest.raises(LastInvalid):
        page(last=last)


def test_the_link_keeps_the_access_prefix_and_escapes_what_it_carries() -> None:
    assert link("/v2/lib/app/tags/list", n=2, last="v2") == '</v2/lib/app/tags/list?n=2&last=v2>; rel="next"'
    assert (
        link("/artifactory/api/docker/d%2Fx/v2/_catalog", n=1, last='a/b&c>"é +')
        == '</artifactory/api/docker/d%2Fx/v2/_catalog?n=1&last=a%2Fb%26c%3E%22%C3%A9%20%2B>; rel="next"'
    )


def test_a_target_cannot_break_out_of_the_link() -> None:
    assert link('/v2/>; rel="x"\r\nA: b/', n=1) == '</v2/%3E;%20rel=%22x%22%0D%0AA:%20b/?n=1>; rel="next"'
