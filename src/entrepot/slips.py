"""Names in what people write that are unknown, and nearly one that is known.

Fields that nobody knows are passed over by the APIs we speak. Not those: a pattern or a policy that is not in force because
of a slip must not look as if it were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from typing import Final

from entrepot.errors import Invalid

_ALIKE: Final = 0.8  # of difflib: `lenght` and `length`
_LONGEST: Final = 100  # characters; no known name is nearly as long
_MOST: Final = 100  # names: each that is unknown is compared with all that are known


def meant(name: str, known: Iterable[str]) -> str:
    """Return the known name that is nearly this one; empty when none is."""
    return next(iter(get_close_matches(name[:_LONGEST], list(known), n=1, cutoff=_ALIKE)), "")


def slips(stated: Iterable[object], known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each name that is not known, and nearly one that is and is not stated beside it, with that one.

    Of very many that are not known the first are looked at.
    """
    names = _texts(stated)
    for name in sorted(names.difference(known))[:_MOST]:
        if close := meant(name, (one for one in known if one not in names)):
            yield name[:_LONGEST], close


def check_names(stated: Iterable[object], known: Collection[str]) -> None:
    """Raise Invalid for the first of the `slips`, and for far too many names that are not known."""
    names = _texts(stated)
    if len(names.difference(known)) > _MOST:
        raise Invalid(f"There are more than {_MOST} fields that nobody knows.")
    for name, close in slips(names, known):
        raise Invalid(f"There is no field '{name}'; did you mean '{close}'?")


def _texts(stated: Iterable[object]) -> set[str]:
    return {name for name in stated if isinstance(name, str)}
