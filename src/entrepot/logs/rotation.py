"""Put full log files aside: `x.log` becomes `x.log.1`, that `x.log.2`, and the last one goes.

One process of a node does it, the supervisor; the writers notice by the file's identity and open a new one.
"""

from __future__ import annotations

from pathlib import Path


def rotate(folder: Path, *, most_bytes: int, files: int) -> list[str]:
    """Put aside every log of the folder beyond `most_bytes`, keeping `files` of each; return their names."""
    full = [path for path in sorted(folder.glob("*.log")) if path.stat().st_size > most_bytes]
    for path in full:
        _numbered(path, files - 1).unlink(missing_ok=True)
        for number in range(files - 2, -1, -1):
            older = _numbered(path, number)
            if older.exists():
                older.replace(_numbered(path, number + 1))
    return [path.name for path in full]


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path
