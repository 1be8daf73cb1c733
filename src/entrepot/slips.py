"""Names in what people write that are unknown, and nearly one that is known.

Fields that nobody knows are passed over by the APIs we speak. Not those: a pattern or a policy that is not in force because
of a slip must not look as if it were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final

from entrepot.errors import Invalid

_ALIKE: Final = 0.8  # of difflib: `lenght` and `length`
_LONGEST: Final = 100  # characters; no known name is nearly as long
_MOST: Final = 100  # names: each that is unknown is compared with all that are known


def meant(name: str, known: Iterable[str]) -> str:
    """Return the known name that is nearly this one; empty when none is."""
    return next(iter(get_close_matches(name[:_LONGEST], list(known), n=1, cutoff=_ALIKE)), "")


def check_names(stated: Iterable[object], known: Collection[str]) -> None:
    """Raise Invalid for a name that is not known, and nearly one that is and is not stated beside it; and for far too many."""
    names = {name for name in stated if isinstance(name, str)}
    unknown = names.difference(known)
    if len(unknown) > _MOST:
        raise Invalid(f"There are more than {_MOST} fields that nobody knows.")
    for name in sorted(unknown):
        if close := meant(name, (one for one in known if one not in names)):
            raise Invalid(f"There is no field '{name[:_LONGEST]}'; did you mean '{close}'?")
