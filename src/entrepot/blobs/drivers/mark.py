"""The mark of a store of files: by it a volume that is not mounted is told from a store that is empty."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from entrepot.blobs.contract import StoreUnavailable
from entrepot.blobs.drivers.disk import flush_path
from entrepot.clock import new_id

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "@entrepot"
"""The file with the mark; no object can have this name."""


class NotThisStore(StoreUnavailable):
    """The folder of the blob store is not that of this database; is the volume mounted? See docs/howto/lost-bytes.md."""


class Mark:
    """What the file in a store's root must say; nothing is asked of it until that is known."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.expected = ""

    def check(self) -> None:
        """Raise NotThisStore when the root is not that of the store. Raises OSError."""
        if self.expected and self.read() != self.expected:
            file = self._root / NAME  # for the log: clients are not told where it is
            raise NotThisStore from FileNotFoundError(
                errno.ENOENT, f"there should be a file with the line {self.expected}", str(file)
            )

    def read(self) -> str:
        """Return what the file says, empty when there is none. Raises OSError."""
        try:
            return (self._root / NAME).read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            return ""

    def write(self, mark: str) -> str:
        """Make the file durably unless there is one; return what it says. Raises OSError."""
        draft = self._root / f"{NAME}.{new_id()}"
        draft.write_text(f"{mark}\n", encoding="utf-8")
        try:
            flush_path(draft)
            _name(draft, self._root / NAME)
            flush_path(self._root)
        finally:
            draft.unlink(missing_ok=True)
        return self.read()


def _name(draft: Path, file: Path) -> None:
    try:
        file.hardlink_to(draft)
    except FileExistsError:
        return  # another process or node was first
    except OSError:  # a volume without hard links
        draft.rename(file)
