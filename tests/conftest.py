"""What holds for all tests."""

import gc
import os
from collections.abc import Iterator

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # This worker is measured; the servers and clients that it starts are not: it would slow them down.
    os.environ.pop("COVERAGE_PROCESS_START", None)


@pytest.fixture(scope="module", autouse=True)
def _what_is_left_open_is_found_where_it_was_opened() -> Iterator[None]:
    """Without this a socket that one file forgets fails an innocent test of another, whenever the collector runs."""
    yield
    gc.collect()
