"""Patches of the configuration as clients write them, in YAML; apart, for its library is loaded by those only who read one."""

from __future__ import annotations

from typing import Any, Final

import yaml

from entrepot.configuration.elements import plain
from entrepot.errors import Invalid

_TOKENS: Final = 20_000  # of YAML: what is read on the loop takes no more than some tenths of a second
_DEPTH: Final = 20
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # of libyaml, ten times as fast, where PyYAML has it
_BEGINNINGS: Final = (
    yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken, yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken,
)  # fmt: skip
_ENDS: Final = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)


def parse(body: bytes) -> dict[str, Any]:
    """Read a YAML patch. Aliases are refused: a few bytes of them stand for gigabytes. Raises Invalid."""
    try:
        _check_tokens(body)
        value = plain(yaml.load(body, Loader=_LOADER))  # noqa: S506 - it is a safe one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Invalid(f"The configuration is not valid YAML: {str(error)[:300]}") from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise Invalid("The configuration must be a map of elements, like security: {anonAccessEnabled: true}.")
    return value


def _check_tokens(body: bytes) -> None:
    depth = 0
    for number, token in enumerate(yaml.scan(body, Loader=_LOADER)):
        if isinstance(token, (yaml.AliasToken, yaml.AnchorToken)):
            raise Invalid("Anchors and aliases are not allowed in a configuration.")
        if isinstance(token, _BEGINNINGS):
            depth += 1
        elif isinstance(token, _ENDS):
            depth -= 1
        if number > _TOKENS or depth > _DEPTH:
            raise Invalid("The configuration is too large, or nested too deeply; send it in parts.")
