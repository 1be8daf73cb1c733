"""Ant patterns once more, written for the eye: slow, recursive, sharing nothing with the product."""

from collections.abc import Sequence


def matches(pattern: str, path: str) -> bool:
    """Whether the whole path fits."""
    tokens, segments = _split(pattern), _split(path)
    if pattern.startswith("/") != path.startswith("/"):
        return False
    if "**" in tokens:
        return _deep(tokens, segments)
    if len(tokens) == len(segments) and pattern.endswith("/") == path.endswith("/"):
        return all(map(_fits, tokens, segments))
    if path.endswith("/") and tokens[-1:] == ["*"] and len(tokens) == len(segments) + 1:
        return all(map(_fits, tokens[:-1], segments))
    return False


def begins(pattern: str, path: str) -> bool:
    """Whether the path could go on to something that fits."""
    tokens, segments = _split(pattern), _split(path)
    if pattern.startswith("/") != path.startswith("/"):
        return False
    for token, segment in zip(tokens, segments, strict=False):
        if token == "**":
            return True
        if not _fits(token, segment):
            return False
    if len(tokens) == len(segments):
        return "**" in tokens or pattern.endswith("/") == path.endswith("/")
    return len(tokens) > len(segments)


def accepts(includes: Sequence[str], excludes: Sequence[str], path: str, *, start: bool = False) -> bool:
    """Whether lists of single patterns accept a path; `start` for folders that are read or made."""
    if any(matches(pattern, path) for pattern in excludes):
        return False
    if not includes or "**" in includes or "**/*" in includes:
        return True
    return any((begins if start else matches)(pattern, path) for pattern in includes)


def _split(text: str) -> list[str]:
    return [one for one in text.split("/") if one]


def _deep(tokens: list[str], segments: list[str]) -> bool:
    if not tokens:
        return not segments
    if tokens[0] == "**":
        return any(_deep(tokens[1:], segments[skipped:]) for skipped in range(len(segments) + 1))
    return bool(segments) and _fits(tokens[0], segments[0]) and _deep(tokens[1:], segments[1:])


def _fits(token: str, segment: str) -> bool:
    if token.startswith("{x}"):
        token = "*" + token[3:]
    if not token:
        return not segment
    if token[0] == "*":
        return any(_fits(token[1:], segment[skipped:]) for skipped in range(len(segment) + 1))
    return bool(segment) and token[0] in ("?", segment[0]) and _fits(token[1:], segment[1:])
