"""`python -m entrepot`: the program `entrepot`, where its script is not on the PATH."""

from __future__ import annotations

import sys

from entrepot.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
