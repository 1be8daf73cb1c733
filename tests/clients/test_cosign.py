"""cosign: signatures with a key pair, beside the image by tag and as referrers."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.images import Layout, hello_layer, layer
from tests.parts.presence import tool
from tests.parts.processes import Finished, Word, run

OFFLINE = ("--allow-http-registry", "--insecure-ignore-tlog")


@dataclass(frozen=True, slots=True)
class Cosign:
    """cosign with the account signed in and a key pair in its working folder."""

    config: Path
    folder: Path

    def __call__(self, *arguments: Word, fails: bool = False, experimental: bool = False) -> Finished:
        env = {"DOCKER_CONFIG": str(self.config), "COSIGN_PASSWORD": "", "COSIGN_EXPERIMENTAL": str(int(experimental))}
        return run([tool("cosign"), *arguments], env=env, cwd=self.folder, fails=fails)

    def sign(self, image: str, *flags: str, experimental: bool = False) -> None:
        """Sign `image`, given by digest, without telling any public log."""
        offline = ("--yes", "--tlog-upload=false", "--allow-http-registry", "--key", "cosign.key")
        self("sign", *offline, *flags, image, experimental=experimental)


@pytest.fixture
def cosign(docker_config: Path, tmp_path: Path) -> Cosign:
    """cosign with a fresh key pair."""
    client = Cosign(docker_config, tmp_path)
    client("generate-key-pair")
    return client


def push(cosign: Cosign, registry: Registry, name: str) -> str:
    """Push an image that nobody else has; its reference by digest."""
    layout = Layout(cosign.folder / name)
    layout.image("1", [hello_layer(), layer({"file": os.urandom(1000)})])
    reference = registry.image(f"cosign/{name}")
    run([tool("crane"), "push", layout.folder, reference], env={"DOCKER_CONFIG": str(cosign.config)})
    return f"{reference.removesuffix(':1')}@{registry.digest(f'cosign/{name}')}"


def test_a_signed_image_is_verified_and_an_unsigned_one_is_not(cosign: Cosign, registry: Registry) -> None:
    signed, unsigned = push(cosign, registry, "signed"), push(cosign, registry, "unsigned")
    cosign.sign(signed)
    verified = json.loads(cosign("verify", *OFFLINE, "--key", "cosign.pub", signed).out)
    refused = cosign("verify", *OFFLINE, "--key", "cosign.pub", unsigned, fails=True)
    digest = signed.partition("@")[2]
    assert verified[0]["critical"]["image"]["docker-manifest-digest"] == digest
    assert "no signatures found" in refused.err
    assert registry.manifest("cosign/signed", f"{digest.replace(':', '-')}.sig").status == 200


def test_a_signature_by_another_key_is_refused(cosign: Cosign, registry: Registry) -> None:
    image = push(cosign, registry, "foreign")
    cosign.sign(image)
    cosign("generate-key-pair", "--output-key-prefix", "other")
    cosign("verify", *OFFLINE, "--key", "other.pub", image, fails=True)


def test_a_signature_kept_as_a_referrer_is_verified(cosign: Cosign, registry: Registry) -> None:
    image = push(cosign, registry, "referrer")
    cosign.sign(image, "--registry-referrers-mode", "oci-1-1", experimental=True)
    verify = ("verify", *OFFLINE, "--experimental-oci11", "--key", "cosign.pub")
    digest = image.partition("@")[2]
    assert digest in cosign(*verify, image, experimental=True).out
    assert registry.manifest("cosign/referrer", f"{digest.replace(':', '-')}.sig").status == 404


def test_an_attestation_is_attached_and_verified(cosign: Cosign, registry: Registry) -> None:
    image = push(cosign, registry, "attested")
    (cosign.folder / "predicate.json").write_text('{"built": "here"}')
    attest = ("--yes", "--tlog-upload=false", "--allow-http-registry", "--key", "cosign.key", "--type", "custom")
    cosign("attest", *attest, "--predicate", "predicate.json", image)
    cosign("verify-attestation", *OFFLINE, "--key", "cosign.pub", "--type", "custom", image)
