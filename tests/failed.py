"""Name the files with failed tests in a report; status 1 where there are none, or more than a few: `failed.py REPORT FEW`."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def failed(report: Path) -> list[str]:
    """Return the files of the tests that failed or could not be set up."""
    found = set()
    for case in ET.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            found.add(_file(case.get("classname", "")))
    return sorted(found)


def _file(name: str) -> str:
    """Return the file of `tests.unit.test_x`, or of `tests.unit.test_x.TestClass`."""
    path = Path(*name.split("."))
    while path.name and not path.with_suffix(".py").is_file():
        path = path.parent
    return str(path.with_suffix(".py")) if path.name else name


if __name__ == "__main__":
    files = failed(Path(sys.argv[1]))
    sys.stdout.write(" ".join(files))
    sys.exit(not 0 < len(files) <= int(sys.argv[2]))
