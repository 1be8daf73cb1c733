"""Names that were probably meant."""

import pytest

from entrepot.errors import Invalid
from entrepot.slips import check_names, slips


@pytest.mark.parametrize(
    ("stated", "meant"), [("lenght", "length"), ("include-paterns", "include-patterns"), ("Enabled", "enabled")]
)
def test_a_slip_is_refused_with_what_was_meant(stated: str, meant: str) -> None:
    with pytest.raises(Invalid, match=f"no field '{stated}'; did you mean '{meant}'"):
        check_names({stated: 1}, ("length", "include-patterns", "exclude-patterns", "enabled"))


@pytest.mark.parametrize("stated", [["length", "lenght"], ["colour"], [], [1], ["x" * 10_000]])
def test_other_unknown_names_are_passed_over(stated: list[object]) -> None:
    check_names(stated, ("length", "include-patterns"))


def test_names_that_nobody_knows_are_compared_only_while_they_are_few() -> None:
    check_names([f"length-{number:x}-of-it" for number in range(100)], ("length",))
    with pytest.raises(Invalid, match="more than 100 fields"):
        check_names([f"length{number}" for number in range(101)], ("length",))
    assert [*slips(["lenght", *(f"x{number}" for number in range(10_000))], ("length",))] == [("lenght", "length")]
