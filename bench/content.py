"""The bytes that every server is given: the same for all, made once in each run."""

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
# What the Docker engine sends; without it older registries convert the manifest to schema 1 on each request.
ACCEPT = f"{MANIFEST_TYPE}, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"

TAGS = 100
BIG = 60_000_000
SMALL = 1024
RANGE = 1024 * 1024


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Image:
    """An image with one configuration of 1 KiB; its manifest names the layers that it was made with."""

    config: bytes
    manifest: bytes

    @property
    def config_digest(self) -> str:
        return digest_of(self.config)

    @property
    def manifest_digest(self) -> str:
        return digest_of(self.manifest)


def make_image(number: int, layers: tuple[bytes, ...]) -> Image:
    """Make an image that differs from those of other numbers in its configuration."""
    digests = [digest_of(layer) for layer in layers]
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": digests},
        "author": f"{number}",
    }
    document["author"] = f"{number}".ljust(SMALL - len(json.dumps(document)) + len(f"{number}"), ".")
    config = json.dumps(document).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "size": len(config), "digest": digest_of(config)},
        "layers": [
            {"mediaType": LAYER_TYPE, "size": len(layer), "digest": digest}
            for layer, digest in zip(layers, digests, strict=True)
        ],
    }
    return Image(config, json.dumps(manifest).encode())


class Content:
    """The image `app` with a big layer under 100 tags, and the tiny image that fills lists."""

    @cached_property
    def big(self) -> bytes:
        return os.urandom(BIG)

    @cached_property
    def big_digest(self) -> str:
        return digest_of(self.big)

    @cached_property
    def images(self) -> tuple[Image, ...]:
        return tuple(make_image(number, (self.big,)) for number in range(TAGS))

    @cached_property
    def tiny(self) -> Image:
        """An image whose only blob is both its configuration and its layer: one mount and one PUT push it."""
        config = make_image(-1, ()).config
        described = {"size": len(config), "digest": digest_of(config)}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, **described},
            "layers": [{"mediaType": LAYER_TYPE, **described}],
        }
        return Image(config, json.dumps(manifest).encode())
