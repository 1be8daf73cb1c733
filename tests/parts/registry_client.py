"""A small asynchronous registry client that remembers what was acknowledged, for tests that break things."""

import asyncio
import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest_of(body: bytes) -> str:
    """The sha256 digest as registries write it."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


class Refused(Exception):
    """The server answered, and not with success."""


@dataclass(slots=True)
class Image:
    """An image whose push was acknowledged: manifest bytes and the bytes of every blob, by digest."""

    name: str
    tag: str
    manifest: bytes
    blobs: dict[str, bytes]

    @property
    def digest(self) -> str:
        """The digest of its manifest."""
        return digest_of(self.manifest)


@dataclass(slots=True)
class Registry:
    """One user of a registry. Every method raises Refused or httpx.TransportError unless it was acknowledged."""

    url: str
    user: str
    password: str
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=32)
        self.client = httpx.AsyncClient(base_url=self.url, auth=(self.user, self.password), timeout=60, limits=limits)

    async def close(self) -> None:
        """Let go of the connections."""
        await self.client.aclose()

    async def has_blob(self, name: str, digest: str) -> bool:
        """HEAD of a blob."""
        answer = await self.client.head(f"/v2/{name}/blobs/{digest}")
        if answer.status_code not in {200, 404}:
            raise Refused(answer)
        return answer.status_code == 200

    async def push_blob(self, name: str, body: bytes, *, skip: bool = False) -> str:
        """Push a blob in one of the styles of real clients; with `skip`, not if the registry says that it has it."""
        digest = digest_of(body)
        if skip and await self.has_blob(name, digest):
            return digest
        where = (await self._expect(202, "POST", f"/v2/{name}/blobs/uploads/")).headers["location"]
        if self.dice.random() < 0.5:
            where = (await self._expect(202, "PATCH", where, content=body)).headers["location"]
            body = b""
        joint = "&" if "?" in where else "?"
        await self._expect(201, "PUT", f"{where}{joint}digest={digest}", content=body)
        return digest

    async def push(self, name: str, tag: str, layers: list[bytes], *, skip: bool = False) -> Image:
        """Push an image of these layers."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "tag": tag, "n": self.dice.random()}).encode()
        blobs = {digest_of(body): body for body in (config, *layers)}
        for body in blobs.values():
            await self.push_blob(name, body, skip=skip)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
                "layers": [{"mediaType": LAYER, "digest": digest_of(body), "size": len(body)} for body in layers],
            }
        ).encode()
        headers = {"content-type": MANIFEST}
        await self._expect(201, "PUT", f"/v2/{name}/manifests/{tag}", content=manifest, headers=headers)
        return Image(name, tag, manifest, blobs)

    async def check(self, image: Image, reference: str = "") -> None:
        """Pull an image and compare every byte."""
        answer = await self._expect(200, "GET", f"/v2/{image.name}/manifests/{reference or image.tag}")
        assert answer.content == image.manifest, f"{image.name}:{image.tag} has other bytes"
        for digest, body in image.blobs.items():
            answer = await self._expect(200, "GET", f"/v2/{image.name}/blobs/{digest}")
            assert answer.content == body, f"{digest} of {image.name}:{image.tag} has other bytes"

    async def delete(self, image: Image) -> None:
        """Delete the manifest with all its tags."""
        await self._expect(202, "DELETE", f"/v2/{image.name}/manifests/{image.digest}")

    async def mount(self, name: str, digest: str, source: str) -> bool:
        """Mount a blob from another image; False when the registry wants it uploaded."""
        answer = await self.client.post(f"/v2/{name}/blobs/uploads/", params={"mount": digest, "from": source})
        if answer.status_code not in {201, 202}:
            raise Refused(answer.status_code, answer.text)
        return answer.status_code == 201

    async def _expect(self, status: int, method: str, url: str, **rest: object) -> httpx.Response:
        answer = await self.client.request(method, url, **rest)  # type: ignore[arg-type]
        if answer.status_code != status:
            raise Refused(f"{method} {url}: {answer.status_code} {answer.text[:300]}")
        return answer


async def until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait for something that must come true."""
    for _ in range(int(seconds / 0.2)):
        if condition():
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"after {seconds} s still not: {what}")
