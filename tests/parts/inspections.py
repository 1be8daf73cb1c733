"""The inspections of the product, run as an administrator runs them."""

import json
import os
import subprocess

from tests.parts.entrepot import Entrepot, program


def complaint(server: Entrepot, command: str, *options: str) -> str:
    """Run an inspection that cannot be done, beside the server and told of its home folder only; what it says."""
    done = subprocess.run(
        [str(program()), command, *options, "--home", str(server.home)],
        capture_output=True, text=True, check=False, timeout=120,
        env={name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, ""), done
    return done.stderr


def inspect(server: Entrepot, command: str, *options: str) -> dict[str, object]:
    """Run an inspection; it must find nothing."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")}
    environment |= {name: value for name, value in server.environment.items() if "GRACE" not in name}
    done = subprocess.run(
        [str(program()), command, *options, "--json", "--home", str(server.home)],
        capture_output=True, text=True, check=False, timeout=120, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, f"{command} found something: {done.stdout[:2000]} {done.stderr[:2000]}"
    found: dict[str, object] = json.loads(done.stdout)
    return found
