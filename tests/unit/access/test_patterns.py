import re

import pytest

from entrepot.access import patterns
from entrepot.access.patterns import (
    MAX_PATTERN,
    MAX_PATTERNS,
    Pattern,
    PatternInvalid,
    PatternSet,
    Place,
    compiled,
    split,
)
from tests.unit.access import reference


def fits(pattern: str, path: str) -> bool:
    return Pattern(pattern).matches(Place.of(path))


def begins(pattern: str, path: str) -> bool:
    return Pattern(pattern).begins(Place.of(path))


# Each line as Spring 4.3.30 judges it: pattern, what fits, what does not.
TABLE = [
    ("**", ["", "a", "a/b", "a/"], ["/a", "/"]),
    ("**/*", ["a", "a/b", "a/"], [""]),
    ("*", ["a"], ["", "a/b", "a/"]),
    ("a/**", ["a", "a/", "a/b/c"], ["ab", "", "/a/b"]),
    ("a/*", ["a/b", "a/"], ["a", "a/b/c", "a/b/"]),
    ("a/*/", ["a/b/", "a/"], ["a/b"]),
    ("a/{x}/", ["a/b/"], ["a/"]),
    ("**/a", ["a", "x/y/a"], ["a/b", "b/xa"]),
    ("**/a/", ["x/a", "x/a/"], ["a/b"]),
    ("**/a/*", ["x/a/b"], ["x/a/"]),
    ("**/a/**", ["x/a", "a/b", "a"], ["ab", ""]),
    ("a/**/b", ["a/b", "a/x/y/b"], ["a/b/c", "a/xb"]),
    ("a/**/b/**/c", ["a/b/c", "a/x/b/b/y/c"], ["a/c", "a/b", "a/c/b"]),
    ("**/a/b/**", ["a/a/b", "a/x/a/b/c"], ["a/x/b"]),
    ("a/**/**/b", ["a/b", "a/x/b"], ["a"]),
    ("a**b", ["aXXb", "ab"], ["a/b"]),
    ("com/**.jar", ["com/y.jar"], ["com/x/y.jar"]),
    ("*.jar", ["y.jar", ".jar"], ["a/y.jar", "y.jarx"]),
    ("**/*.jar", ["y.jar", "a/b/y.jar", "a/y.jar/"], ["", "a/y.jar/b"]),
    ("**/?", ["a", "b/a"], ["", "ab"]),
    ("a/b?", ["a/bc"], ["a/b", "a/bcd"]),
    ("a*c*e", ["ace", "abcde", "acce"], ["aec", "abcd"]),
    ("a*bc*bc", ["abcbc", "axbcxbc"], ["abc"]),
    ("**/", ["a/b", "a", ""], []),
    ("a//b", ["a/b", "a//b"], ["a/b/"]),
    ("a/{x}", ["a/q"], ["a", "a/q/r"]),
    ("a/{x}.jar", ["a/q.jar", "a/.jar"], ["a/q"]),
    ("a/{}", ["a/{}"], ["a/q"]),
    ("a/{b", ["a/{b"], ["a/q"]),
    ("{x}{y}", ["a"], ["a/b"]),
    ("/a/**", ["/a/b", "/a"], ["a/b"]),
    ("/", ["/"], ["", "a"]),
    ("a/b/", ["a/b/"], ["a/b"]),
    ("a/b", ["a/b"], ["a/b/", "A/b"]),
    ("a.b+[c](d)\\", ["a.b+[c](d)\\"], ["axb+[c](d)\\", "a.bb[c](d)\\"]),
    (" a / b ", ["a/b"], ["a /b"]),
]


@pytest.mark.parametrize(("pattern", "path"), [(row[0], path) for row in TABLE for path in row[1]])
def test_a_path_fits(pattern: str, path: str) -> None:
    assert fits(pattern, path)


@pytest.mark.parametrize(("pattern", "path"), [(row[0], path) for row in TABLE for path in row[2]])
def test_a_path_does_not_fit(pattern: str, path: str) -> None:
    assert not fits(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("com/acme/**", ""), ("com/acme/**", "com"), ("com/acme/**", "com/acme"), ("com/acme/**", "com/acme/x/y"),
        ("**/x.jar", "any/thing"), ("com/*/x", "com/foo"), ("a/b/c", "a/b"), ("a/b/c", "a/b/c"), ("a/*", "a/b"),
        ("*b*/x", "abc"), ("?/x", "a"), ("a/{x}/c", "a/q"), ("a/b/", "a/b/"), ("a/b/c", "a/"), ("/a/b", "/a"),
    ],
)  # fmt: skip
def test_a_folder_is_on_the_way(pattern: str, folder: str) -> None:
    assert begins(pattern, folder)


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("com/acme/**", "org"), ("com/acme/**", "co"), ("com/acme/**", "com/other"), ("a/b/c", "a/b/c/d"), ("a/b/", "a/b"),
        ("a/b", "a/b/"), ("*b*/x", "acd"), ("?/x", "aa"), ("/a/b", "a"), ("a/b", "/a"), ("*.jar/x", "y.jarx"),
    ],
)  # fmt: skip
def test_a_folder_is_not_on_the_way(pattern: str, folder: str) -> None:
    assert not begins(pattern, folder)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [(row[0], path) for row in TABLE if not re.search(r"[{ ]", row[0]) for path in row[1] + row[2]],
)
def test_the_reference_of_these_tests_agrees_with_the_table(pattern: str, path: str) -> None:
    assert reference.matches(pattern, path) is fits(pattern, path)
    assert reference.begins(pattern, path) is begins(pattern, path)


def test_asking_again_gives_the_same_answer() -> None:
    pattern = Pattern("a?/*")
    for _ in range(2):
        assert pattern.matches(Place.of("ab/"))
        assert pattern.matches(Place.of("ab/c"))
        assert pattern.begins(Place.of("ab"))
        assert not pattern.matches(Place.of("ab"))


def test_segments_of_a_path_are_compared_as_they_are_stored() -> None:
    assert not fits("a/b", "a/ b")
    assert not fits("a/b", "a/ /b")
    assert fits("a/*", "a/ b")


@pytest.mark.parametrize("pattern", ["a/{x:[0-9]+}", "{a{b}c}", "{x}{y:.*}"])
def test_an_expression_in_braces_is_refused_rather_than_taken_for_anything(pattern: str) -> None:
    with pytest.raises(PatternInvalid, match="expression"):
        compiled(pattern)


def test_a_pattern_has_a_greatest_length() -> None:
    assert compiled("a" * MAX_PATTERN).matches(Place.of("a" * MAX_PATTERN))
    with pytest.raises(PatternInvalid, match=str(MAX_PATTERN)):
        compiled("a" * (MAX_PATTERN + 1))


def test_a_set_has_a_greatest_number_of_patterns() -> None:
    assert len(PatternSet.of("a," * MAX_PATTERNS).includes) == MAX_PATTERNS
    with pytest.raises(PatternInvalid, match=str(MAX_PATTERNS)):
        PatternSet.of("a," * (MAX_PATTERNS + 1))


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 500 + "b", "a" * 255),
        ("**/a/" * 200 + "b", "a/" * 999 + "a"),
        ("**/" + "a/" * 300 + "b/**", "a/" * 999 + "a"),
        ("**/" + "*a*/" * 200 + "b", "aaaaaaa/" * 249 + "a"),
        ("**/*/" * 170 + "b", "a/" * 999 + "a"),
        ("*?" * 400, "a" * 255),
        ("{" * 500 + "}" * 499, "a"),
        ("{" + "{a}" * 300 + "x", "a"),
    ],
)
def test_a_hostile_pattern_is_answered(pattern: str, path: str) -> None:
    # Any of these takes longer than the universe when what has matched is tried again.
    try:
        assert not fits(pattern, path)
        begins(pattern, path)
    except PatternInvalid as error:
        assert "expression" in error.message  # noqa: PT017


def test_patterns_are_split_at_commas_and_trimmed_before_matching() -> None:
    assert split(" a/** ,, b/*.jar,\n") == ["a/**", "b/*.jar"]
    assert split(["a,b", "", "c"]) == ["a", "b", "c"]
    assert PatternSet.of("a/**,b").includes == ("a/**", "b")
    assert PatternSet(("a/**, b",), ("c,d",)) == PatternSet.of(["a/**", "b"], "c , d")


def test_only_blanks_of_ascii_are_trimmed() -> None:
    assert split("\u3000a\u00a0") == ["\u3000a\u00a0"]


@pytest.mark.parametrize("includes", [(), ("",), ("**",), ("a", "**"), ("**/*",)])
def test_everything_is_accepted(includes: tuple[str, ...]) -> None:
    patterns = PatternSet(includes)
    assert patterns.everything
    assert patterns.accepts("")
    assert patterns.accepts("a/b")


def test_excludes_come_first_and_need_a_full_match_also_for_folders() -> None:
    patterns = PatternSet(("**",), ("a/secret/**", "*.key"))
    assert not patterns.everything
    assert patterns.accepts("a/b")
    assert not patterns.accepts("x.key")
    assert not patterns.accepts("a/secret/x")
    assert not patterns.accepts("a/secret", folder=True, start=True)
    assert patterns.accepts("a", folder=True, start=True)


def test_a_folder_on_the_way_is_accepted_only_when_asked_for() -> None:
    patterns = PatternSet(("com/acme/**",))
    assert patterns.accepts("com", folder=True, start=True)
    assert patterns.accepts("", folder=True, start=True)
    assert not patterns.accepts("com", folder=True)
    assert not patterns.accepts("com", start=True)
    assert not patterns.accepts("org", folder=True, start=True)
    assert patterns.accepts("com/acme/x")


def test_a_pattern_is_compiled_once() -> None:
    assert compiled("once/**") is compiled("once/**")
    assert PatternSet(("once/**",)).including == (compiled("once/**"),)


def test_common_shapes_need_no_expression(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns._matcher.cache_clear()
    monkeypatch.setattr(patterns.re, "compile", lambda *_: pytest.fail("compiled an expression"))
    assert fits("a/b/**", "a/b/c")
    assert fits("**/*.jar", "a/b.jar")
    assert fits("**/lib*", "a/lib.jar")
    assert fits("**/lib.jar", "a/lib.jar")
    assert begins("a/*.d/x", "a/b.d")
