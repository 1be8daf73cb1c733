"""Find a real client or server, or say which one is absent.

A machine without Docker should still pass the suite, and see in the report what it did not prove. Our own CI sets
`ENTREPOT_REQUIRE_PARTS=1`: there an absent part fails the test, so that nothing is lost without notice.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest

SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")


def parts_folder() -> Path:
    """Where `.ci/install` keeps what it built: `ENTREPOT_PARTS`, else a folder in the user's cache."""
    return Path(os.environ.get("ENTREPOT_PARTS") or Path.home() / ".cache" / "entrepot-parts")


def missing(reason: str) -> NoReturn:
    """Skip the running test or fixture with `reason`; fail it where all parts are required."""
    if os.environ.get("ENTREPOT_REQUIRE_PARTS") == "1":
        pytest.fail(f"a required part is missing: {reason}", pytrace=False)
    pytest.skip(reason)


def tool(name: str) -> Path:
    """The program called `name`: ours if `.ci/install` built it, else the system's; `missing` when there is none."""
    path = os.pathsep.join([str(parts_folder() / "bin"), os.environ.get("PATH", ""), *SYSTEM_FOLDERS])
    found = shutil.which(name, path=path)
    if found is None:
        missing(f"{name} is not installed (.ci/install obtains it)")
    return Path(found)


def root_on_linux(what: str) -> None:
    """Go on only where `what`, which mounts and unshares, can work."""
    if not sys.platform.startswith("linux"):
        missing(f"{what} needs Linux")
    if os.getuid() != 0:
        missing(f"{what} needs root")
