"""What the registries have in common: content arrives by the API, as from a client."""

from abc import ABC, abstractmethod
from pathlib import Path

from bench import wire
from bench.process import Process, free_port
from bench.values import Failed


class Started(ABC):
    """A server that runs as one child process on a free port, everything it writes below one new folder."""

    is_registry = True

    def __init__(self, key: str, title: str, folder: Path) -> None:
        self.key = key
        self.title = title
        self.folder = folder
        self.port = free_port()
        self.process: Process | None = None
        folder.mkdir(parents=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        if self.process is None or self.process.child.poll() is not None:
            said = self.process.last_words() if self.process else "never started"
            raise Failed(f"{self.title} is not running: {said}")
        return self.process.child.pid

    @abstractmethod
    def start(self) -> None: ...

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def repository(self, image: str) -> str:
        return image

    def token(self, image: str | None) -> str:  # noqa: ARG002 - peers are anonymous
        return ""

    def password(self) -> str:
        return ""

    def put_blob(self, image: str, digest: str, body: bytes) -> None:
        wire.push_blob(self.address, self.repository(image), digest, body, self.password())

    def put_manifest(self, image: str, reference: str, body: bytes) -> None:
        target = f"/v2/{self.repository(image)}/manifests/{reference}"
        wire.push_manifest(self.address, target, body, self.password())
