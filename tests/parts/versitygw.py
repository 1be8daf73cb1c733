"""An S3-compatible server: versitygw over a folder, with one bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.parts.presence import tool
from tests.parts.processes import Server, Word, answers, free_port


@dataclass(slots=True)
class S3:
    """Where the server is and how to sign in. It speaks plain HTTP, with the bucket in the path."""

    folder: Path
    port: int
    access_key: str = "ak0000"
    secret_key: str = "secretsecret"
    bucket: str = "entrepot"
    region: str = "us-east-1"
    _server: Server | None = None

    @property
    def endpoint(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """The bucket as a folder: an object is the file of its name."""
        return self.folder / "data" / self.bucket

    @property
    def server(self) -> Server:
        """The process group of the server; an error in the test when it was never started."""
        assert self._server is not None, "versitygw was not started"
        return self._server

    def start(self) -> None:
        """Start, and return when it answers."""
        side = self.folder / "side"
        for folder in (self.data, side):
            folder.mkdir(parents=True, exist_ok=True)
        address = f"127.0.0.1:{self.port}"
        argv: list[Word] = [
            tool("versitygw"),
            "--port",
            address,
            "--region",
            self.region,
            "--health",
            "/health",
            "--quiet",
        ]
        argv += ["posix", "--sidecar", side, self.data.parent]
        keys = {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}
        self._server = Server("versitygw", argv, self.folder / "log", keys)
        self._server.start(lambda: answers(f"{self.endpoint}/health"))

    def stop(self) -> None:
        """Stop it; what was stored stays for the next start."""
        self.server.stop()

    def kill9(self) -> None:
        """Kill it at once."""
        self.server.kill9()

    def restart(self) -> None:
        """Stop and start: requests under way fail once."""
        self.stop()
        self.start()


@contextmanager
def versitygw(folder: Path) -> Iterator[S3]:
    """A running server with an empty bucket, keeping all its data below `folder`."""
    server = S3(folder, free_port())
    server.start()
    try:
        yield server
    finally:
        server.kill9()
