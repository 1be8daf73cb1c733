"""Patterns against a slow matcher that shares nothing with them; the index against asking each pattern set in turn."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrepot.access.coverage import ON_THE_WAY, Coverage
from entrepot.access.patterns import Pattern, PatternInvalid, PatternSet, Place
from tests.unit.access import reference

fuzz = settings(deadline=None)

SEGMENT = st.text("ab", min_size=1, max_size=3)
TOKEN = st.one_of(
    SEGMENT, st.just("**"), st.just("*"), st.text("ab*?", min_size=1, max_size=5), st.sampled_from(["{x}", "{x}b", "a**b"])
)  # fmt: skip
SLASHES = st.sampled_from(["", "", "", "/"])


def joined(parts: st.SearchStrategy[str], most: int) -> st.SearchStrategy[str]:
    return st.tuples(SLASHES, st.lists(parts, max_size=most).map("/".join), SLASHES).map("".join)


PATTERN, PATH = joined(TOKEN, 5), joined(SEGMENT, 6)
RELATIVE = st.lists(TOKEN, min_size=1, max_size=4).map("/".join)
PLACE = st.lists(SEGMENT, max_size=4).map("/".join)
SETS = st.lists(
    st.tuples(st.lists(RELATIVE, max_size=3), st.lists(RELATIVE, max_size=1), st.integers(1, 15)), max_size=5
)
SOME = st.lists(RELATIVE, min_size=1, max_size=3)


@fuzz
@given(PATTERN, PATH)
@example("**/a/*", "a/")
@example("a/*/", "a/")
@example("*/{x}", "a/")
def test_a_pattern_fits_what_the_reference_says(pattern: str, path: str) -> None:
    compiled = Pattern(pattern)
    assert compiled.matches(Place.of(path)) is reference.matches(pattern, path)
    assert compiled.begins(Place.of(path)) is reference.begins(pattern, path)


@fuzz
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_a_pattern_or_is_refused(pattern: str, path: str) -> None:
    try:
        compiled = Pattern(pattern)
    except PatternInvalid:
        return
    place = Place.of(path)
    if compiled.matches(place):
        assert compiled.begins(place)


@fuzz
@given(st.text("ab./+[\\(", max_size=12))
def test_a_pattern_without_wildcards_fits_itself_alone(text: str) -> None:
    assert Pattern(text).matches(Place.of(text))
    assert not Pattern(text).matches(Place.of(f"{text}/c"))


@fuzz
@given(st.lists(PATTERN, max_size=3), st.lists(PATTERN, max_size=2), PATH, st.booleans())
def test_a_set_accepts_what_the_reference_says(
    includes: list[str], excludes: list[str], path: str, start: bool
) -> None:
    wanted, unwanted = [one for one in includes if one], [one for one in excludes if one]
    patterns = PatternSet(tuple(includes), tuple(excludes))
    assert patterns.accepts(path, folder=start, start=start) is reference.accepts(wanted, unwanted, path, start=start)
    if patterns.everything:
        assert patterns.accepts(path)


def plainly(sets: list[tuple[list[str], list[str], int]], path: str, *, folder: bool) -> int:
    found = 0
    for includes, excludes, mask in sets:
        if reference.accepts(includes, excludes, path):
            found |= mask
        elif folder and reference.accepts(includes, excludes, path, start=True):
            found |= mask & ON_THE_WAY
    return found


def index(sets: list[tuple[list[str], list[str], int]]) -> Coverage:
    return Coverage((PatternSet(tuple(includes), tuple(excludes)), mask) for includes, excludes, mask in sets)


@fuzz
@given(SETS, PLACE, st.booleans(), st.integers(0, 15))
def test_the_index_allows_what_the_sets_accept(
    sets: list[tuple[list[str], list[str], int]], path: str, folder: bool, need: int
) -> None:
    assert index(sets).at(Place.of(path), need, folder=folder) == plainly(sets, path, folder=folder) & need


@fuzz
@given(SETS, PLACE, PLACE, st.booleans())
def test_what_is_said_of_a_folder_holds_at_each_path_below(
    sets: list[tuple[list[str], list[str], int]], folder: str, rest: str, is_folder: bool
) -> None:
    sure, possible = index(sets).below(folder)
    path = "/".join(filter(None, (folder, rest)))
    found = plainly(sets, path, folder=is_folder)
    assert not sure & ~found
    assert not found & ~possible
