"""What processes remember of upload sessions."""

import hashlib
import itertools

from hypothesis import given
from hypothesis import strategies as st

from entrepot.blobs.ingest import Hashes
from entrepot.clock import SystemClock
from entrepot.formats.docker.tickets import Tickets

WORKERS = st.integers(0, 1)
# A chunk that a worker appends, all of one length so that sizes tell nothing; None: the session is lost, and nobody hears.
STEPS = st.lists(st.tuples(WORKERS, st.none() | st.sampled_from([b"x", b"y"])), max_size=30)


@given(STEPS)
def test_what_a_process_remembers_is_of_the_bytes_of_the_session_as_it_stands_or_nothing(
    steps: list[tuple[int, bytes | None]],
) -> None:
    workers = [Tickets(b"k", SystemClock(), 1000) for _ in range(2)]
    keys = map(str, itertools.count())
    content, last = b"", ""
    for worker, chunk in steps:
        if chunk is None:
            content, last = b"", ""
            continue
        hashes = workers[worker].recall("id", last) if content else Hashes()
        if hashes is not None:
            assert hashes.sha256 == hashlib.sha256(content).digest()
            hashes.update(chunk)
        content, last = content + chunk, next(keys)
        workers[worker].remember("id", last, hashes)
