"""What holds for all tests."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # This worker is measured; the servers and clients that it starts are not: it would slow them down.
    os.environ.pop("COVERAGE_PROCESS_START", None)
