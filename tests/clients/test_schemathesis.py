"""Schemathesis against the API's own description: no 5xx, and no answer but those that are described."""

import sys
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.entrepot import entrepot
from tests.parts.processes import run, short_folder

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
SHUTS_OUT = "expirePassword|expire_password|basic_auth|system/configuration|security/logout"
"""Operations that would lock the tester itself out, or let it change what the others depend on."""


@pytest.mark.parametrize("examples", [4, pytest.param(100, marks=pytest.mark.long)])
def test_the_api_answers_what_it_describes(registry: Registry, entrepot_only: None, examples: int) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    with (
        short_folder("st") as folder,
        entrepot(folder / "home") as server,
    ):  # of its own: what it does to it is its business
        argv = [  # one worker: Python 3.11 fails at times when two threads parse source at once
            program, "run", f"{server.url}/artifactory/api/openapi.json", "-a", f"{server.user}:{server.password}",
            "--checks", CHECKS, "--phases", "coverage,fuzzing", "-n", str(examples), "--seed", "1", "--no-shrink",
            "--continue-on-failure", "-w", "1", "--exclude-path-regex", SHUTS_OUT,
        ]  # fmt: skip
        assert " passed" in run(argv, cwd=folder, seconds=1200).out
