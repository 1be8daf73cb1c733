"""What is Granian's alone: HTTP/2."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.unit.cluster.test_doors import opened


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
async def test_a_client_that_still_sends_what_nobody_wants_gets_the_whole_answer(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(20 << 20))
    async with opened("granian") as made:
        address = f"http://127.0.0.1:{made.address[1]}/unread"
        for _ in range(10):
            curl = await asyncio.create_subprocess_exec(
                *("curl", "--silent", "--http2-prior-knowledge", "--write-out", " %{http_code} %{exitcode}"),
                *("--max-time", "10", "--upload-file", str(large), address),
                stdout=asyncio.subprocess.PIPE,
            )
            assert (await curl.communicate())[0] == b"no 401 0"
