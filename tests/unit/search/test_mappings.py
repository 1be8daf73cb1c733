"""Patterns of paths, which are matched as regular expressions would, in time that does not explode."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.search.mappings import Mapping, NotUnderstood

PARTS = st.sampled_from(["a", "b", "/", ".", r"\.", "[ab]", "[^a]", r"\d", "(", ")", "1"])
PATTERNS = st.lists(st.tuples(PARTS, st.sampled_from(["", "*", "+", "?"])), max_size=8).map(
    lambda parts: "".join(part if part in "()" else part + times for part, times in parts)
)


@given(PATTERNS, st.text("ab/.1", max_size=12))
def test_what_is_understood_matches_as_a_regular_expression(pattern: str, text: str) -> None:
    try:
        expected = re.fullmatch(pattern, text, re.DOTALL) is not None
        ours = Mapping(pattern)
    except (re.error, NotUnderstood):
        return
    assert ours.matches(text) is expected


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(.+)/(.+)-sources\.jar", "libs/org/acme/app-1.0-sources.jar"), (r"^libs/[^/\s]*$", "libs/a"), (r"[]a-c]+", "ab]"),
        (r"(?:a)b?", "a"), (r"\$\(", "$("),
    ],
)  # fmt: skip
def test_patterns_of_scripts_fit(pattern: str, text: str) -> None:
    assert Mapping(pattern).matches(text)
    assert not Mapping(pattern).matches(f"{text}\n")


@pytest.mark.parametrize(
    "pattern", ["(a)+", "a|b", "a{2}", "(?=a)", r"\1", "[b-a]", "[[a]", "[a--b]", "*", "a**", "[", "\\", "x" * 1001]
)
def test_what_is_not_understood_is_refused(pattern: str) -> None:
    with pytest.raises(NotUnderstood):
        Mapping(pattern)


def test_many_repetitions_take_no_time() -> None:
    assert not Mapping(".*a" * 300).matches("a" * 250)
