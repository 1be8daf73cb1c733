"""Images made without a client: an OCI image layout on disk, which every client here can read and push.

Layout and documents follow the OCI image specification, image-layout.md and config.md. Contents are random, so that
no two tests share a layer unless they mean to.
"""

import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.parts.presence import missing, parts_folder

CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
"""This machine's, in the words of Go and of image indexes."""

Json = dict[str, "Json | list[Json] | list[str] | str | int"]


def hello_program() -> Path:
    """The static program of the test images; it prints `hello`, then the SHA-256 of every file it is given."""
    program = parts_folder() / "bin" / "hello"
    if not program.exists():
        missing("the program of the test images is not built (.ci/install builds it, with Go)")
    return program


def sha256(content: bytes) -> str:
    """The digest as registries write it: `sha256:<hex>`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(files: Mapping[str, bytes]) -> bytes:
    """An uncompressed layer that holds `files` (path to content), all executable; equal files give equal bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def hello_layer() -> bytes:
    """The layer that makes an image run."""
    return layer({"hello": hello_program().read_bytes()})


@dataclass(frozen=True, slots=True)
class Layout:
    """A folder in OCI image layout. Every `image` and `index` added is found in it under its tag."""

    folder: Path

    def blob(self, content: bytes, kind: str) -> Json:
        """Store `content`; its descriptor."""
        folder = self.folder / "blobs" / "sha256"
        folder.mkdir(parents=True, exist_ok=True)
        digest = sha256(content)
        (folder / digest.removeprefix("sha256:")).write_bytes(content)
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    def big_layer(self, size: int) -> tuple[Json, str]:
        """A layer of the hello program and `size` random bytes at `/big`: its descriptor and the SHA-256 of `/big`.

        It is not compressed, so as many bytes travel; and it is never held in memory.
        """
        draft = self.folder / "big"
        digest = write_big_layer(draft, size)
        with draft.open("rb") as written:
            whole = hashlib.file_digest(written, "sha256").hexdigest()
        folder = self.folder / "blobs" / "sha256"
        folder.mkdir(parents=True, exist_ok=True)
        length = draft.stat().st_size
        draft.rename(folder / whole)
        return {"mediaType": LAYER, "digest": f"sha256:{whole}", "size": length}, digest

    def image(self, tag: str, layers: Sequence[bytes], *, architecture: str = ARCHITECTURE) -> str:
        """Add an image of gzipped `layers` that runs `/hello`; the digest of its manifest."""
        packed = [self.blob(gzip.compress(each, 1, mtime=0), f"{LAYER}+gzip") for each in layers]
        return self.image_of(tag, packed, [sha256(each) for each in layers], architecture=architecture)

    def image_of(
        self, tag: str, layers: Sequence[Json], diff_ids: list[str], *, architecture: str = ARCHITECTURE
    ) -> str:
        """Add an image of stored layers, given by descriptor and by the digest of their unpacked form."""
        config: Json = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
        described = self.blob(json.dumps(config).encode(), CONFIG)
        manifest: Json = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": list(layers)}
        return self._tag(tag, self.blob(json.dumps(manifest).encode(), MANIFEST))

    def index(self, tag: str, images: Mapping[str, str]) -> str:
        """Add an index over `images` (architecture to digest of a manifest in this layout); its digest."""
        members: list[Json] = []
        for architecture, digest in images.items():
            size = (self.folder / "blobs" / digest.replace(":", "/")).stat().st_size
            where: Json = {"architecture": architecture, "os": "linux"}
            members.append({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": where})
        index: Json = {"schemaVersion": 2, "mediaType": INDEX, "manifests": members}
        return self._tag(tag, self.blob(json.dumps(index).encode(), INDEX))

    def archive(self, target: Path) -> Path:
        """The whole layout as one tar file, the form that `ctr images import` takes."""
        return Path(shutil.make_archive(str(target), "tar", self.folder))

    def _tag(self, tag: str, descriptor: Json) -> str:
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        path = self.folder / "index.json"
        known: list[Json] = json.loads(path.read_text())["manifests"] if path.exists() else []
        name: Json = {"org.opencontainers.image.ref.name": tag}
        path.write_text(json.dumps({"schemaVersion": 2, "manifests": [*known, {**descriptor, "annotations": name}]}))
        return str(descriptor["digest"])


def write_big_layer(path: Path, size: int, *, random_part: float = 1.0) -> str:
    """Write a tar of the hello program and of `big`, `size` bytes long; the SHA-256 (hex) of `big`.

    The part `random_part` of every stretch is random and the rest zeros: it compresses to about that part.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = _Random(size, random_part)
    entry = tarfile.TarInfo("big")
    entry.size = size
    with tarfile.open(path, mode="w") as archive:
        archive.add(hello_program(), "hello")
        archive.addfile(entry, content)
    return content.seen.hexdigest()


class _Random(io.RawIOBase):
    """A file of `size` bytes that exists only while it is read, once, from the start."""

    def __init__(self, size: int, random_part: float) -> None:
        self.seen = hashlib.sha256()
        self._left = size
        self._part = random_part

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        random = int(wanted * self._part)
        chunk = os.urandom(random) + bytes(wanted - random)
        self._left -= wanted
        self.seen.update(chunk)
        return chunk
