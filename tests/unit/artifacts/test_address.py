"""What matrix parameters and the parameter `properties` are read as."""

from collections.abc import Callable

import pytest

from entrepot.artifacts.address import MAX_PROPERTIES, parameters
from entrepot.artifacts.annotate import parse_encoded_properties, parse_properties
from entrepot.errors import Invalid

MANY = range(MAX_PROPERTIES + 1)

READERS = pytest.mark.parametrize(
    ("read", "mark"), [(parameters, ";k="), (parse_properties, ","), (parse_encoded_properties, ",")]
)


@READERS
def test_values_of_a_key_are_kept_in_order_and_each_once(read: Callable[[str], object], mark: str) -> None:
    assert read(f"k=b{mark}a{mark}b;x=1;k=c{mark}a;x") == {"k": ["b", "a", "c"], "x": ["1", ""]}


@READERS
def test_as_many_values_as_one_request_may_state_are_read(read: Callable[[str], object], mark: str) -> None:
    values = [str(n) for n in MANY[:-1]]
    assert read("k=" + mark.join(values * 2)) == {"k": values}


@READERS
def test_reading_ends_at_the_first_value_that_is_too_many(read: Callable[[str], object], mark: str) -> None:
    with pytest.raises(Invalid, match="At most 1000 property values"):
        read("k=" + mark.join(map(str, MANY)) + ";1=%ff")  # what comes then is wrong as well
