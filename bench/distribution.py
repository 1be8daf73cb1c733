"""The reference registry: Distribution 3 where Go is present, else Debian's docker-registry 2.8. Anonymous."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from bench.content import Content
from bench.process import Process
from bench.registry import Started
from bench.values import Failed, Plan, Unable

MODULE = "github.com/distribution/distribution/v3/cmd/registry@v3.0.0"
CONFIGURATION = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}", secret: bench}}
"""


class Distribution(Started):
    def __init__(self, plan: Plan, content: Content) -> None:
        super().__init__("distribution", "Distribution", plan.scratch / "distribution")
        self.content = content

    def start(self) -> None:
        binary = find_or_build()
        self.title = f"Distribution {version(binary)}"
        settings = self.folder / "registry.yml"
        settings.write_text(CONFIGURATION.format(folder=self.folder, port=self.port))
        command = [binary, "serve", str(settings)]
        self.process = Process(command, self.folder / "log", {"OTEL_TRACES_EXPORTER": "none"})
        self.process.wait_for(f"http://{self.address}/v2/")

    def seed_tags(self, image: str, prefix: str, count: int) -> None:
        """Write the links that a tag consists of; by the API 100,000 tags would take minutes."""
        for number in range(count):
            self.write_tag(image, f"{prefix}{number:09d}")

    def seed_images(self, group: str, prefix: str, first: int, last: int) -> None:
        """Write what the catalog looks at; it never goes below a folder that begins with an underscore."""
        for number in range(first, last):
            image = f"{group}/{prefix}{number:09d}"
            (self.images / image / "_layers").mkdir(parents=True)
            self.write_tag(image, "1")

    @property
    def images(self) -> Path:
        return self.folder / "data" / "docker" / "registry" / "v2" / "repositories"

    def write_tag(self, image: str, tag: str) -> None:
        digest = self.content.tiny.manifest_digest
        folder = self.images / image / "_manifests" / "tags" / tag
        for part in ("current", f"index/{digest.replace(':', '/')}"):
            (folder / part).mkdir(parents=True)
            (folder / part / "link").write_text(digest)


def find_or_build() -> str:
    parts = Path(os.environ.get("ENTREPOT_PARTS") or Path.home() / ".cache" / "entrepot-parts") / "bin"
    if (parts / "registry").exists():
        return str(parts / "registry")
    if shutil.which("go"):
        return build(parts)
    debian = shutil.which("docker-registry")
    if debian is None:
        raise Unable("neither Go nor Debian's docker-registry is here")
    return debian


def build(parts: Path) -> str:
    """Build into a folder of its own and move, so that nobody ever finds half a binary."""
    print("building Distribution, about two minutes ...", flush=True)
    aside = parts / f"registry.{os.getpid()}"
    command = ["nice", "-n", "10", "go", "install", "-ldflags", "-s -w", MODULE]
    done = subprocess.run(command, env={**os.environ, "GOBIN": str(aside)}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"go install {MODULE}: {done.stderr.strip()[-300:]}")
    (aside / "registry").replace(parts / "registry")
    aside.rmdir()
    return str(parts / "registry")


def version(binary: str) -> str:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\bv?(\d+\.\d+\.\d+)", said)
    return found[1] if found else "?"
