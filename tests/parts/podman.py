"""podman and buildah with a private image store each, and the flags that a plain-HTTP registry needs.

Both store by copying (vfs), which works on every file system; the images of the tests are small.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.parts.presence import root_on_linux, tool
from tests.parts.processes import Finished, Word, run, short_folder, succeeds

# The machine's own limits may be above what an unprivileged container is allowed to set again.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
REMOTE_VERBS = frozenset({"login", "pull", "push"})


@dataclass(frozen=True, slots=True)
class Podman:
    """podman or buildah, bound to one image store and one file of credentials."""

    argv: Sequence[Word]
    auth: Path

    def __call__(self, verb: str, *arguments: Word, stdin: str = "", fails: bool = False) -> Finished:
        """Run `podman VERB ARGUMENTS`. Raises PartError unless it exits as expected."""
        flags = ["--tls-verify=false"] if verb in REMOTE_VERBS else []
        return run([*self.argv, verb, *flags, *arguments], env=self.environment, stdin=stdin, fails=fails)

    @property
    def environment(self) -> dict[str, str]:
        """Where the credentials are; both programs and skopeo read it."""
        return {"REGISTRY_AUTH_FILE": str(self.auth)}

    def push_list(self, name: str, destination: str) -> Finished:
        """Push the manifest list `name` with all its images to `destination`."""
        return run(
            [*self.argv, "manifest", "push", "--all", "--tls-verify=false", name, f"docker://{destination}"],
            env=self.environment,
        )

    def run_image(self, reference: str, *arguments: str) -> str:
        """What the program of the image printed, run with `arguments` in a container without a network of its own."""
        return self("run", "--rm", *LIMITS, "--network", "host", reference, *arguments).out


@contextmanager
def podman(auth: Path) -> Iterator[Podman]:
    """podman with an empty store, keeping its credentials in `auth`."""
    root_on_linux("podman")
    runtime: list[Word] = ["--cgroup-manager", "cgroupfs", "--runtime", tool("runc")]
    with _store("podman", *runtime, auth=auth) as client:
        yield client


@contextmanager
def buildah(auth: Path) -> Iterator[Podman]:
    """buildah with an empty store, keeping its credentials in `auth`."""
    root_on_linux("buildah")
    with _store("buildah", auth=auth) as client:
        yield client


@contextmanager
def _store(program: str, *flags: Word, auth: Path) -> Iterator[Podman]:
    with short_folder(program) as scratch:
        argv = [tool(program), "--root", scratch / "r", "--runroot", scratch / "rr", "--storage-driver", "vfs", *flags]
        yield Podman(argv, auth)
        succeeds([*argv, "rmi", "--all", "--force"])
