"""The Docker engine: the client that everything else must agree with."""

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.dockerd import Docker, dockerd
from tests.parts.images import hello_program
from tests.parts.processes import Finished, PartError

REFUSED = ("unauthorized", "denied", "no basic auth credentials")
WRITERS = 6


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Iterator[Docker]:
    """A private engine whose client is signed in."""
    with dockerd(tmp_path_factory.mktemp("docker")) as engine:
        registry.sign_in(engine.config)
        yield engine


def build(docker: Docker, folder: Path, reference: str, files: Mapping[str, bytes], *, base: str = "scratch") -> str:
    """Build an image with one layer for each file, and the hello program when made from scratch; its id."""
    folder.mkdir()
    (folder / "hello").write_bytes(hello_program().read_bytes())
    (folder / "hello").chmod(0o755)
    lines = [f"FROM {base}", *(["COPY hello /hello", 'ENTRYPOINT ["/hello"]'] if base == "scratch" else [])]
    for name, content in files.items():
        (folder / name).write_bytes(content)
        lines.append(f"COPY {name} /{name}")
    (folder / "Dockerfile").write_text("\n".join(lines))
    docker("build", "--tag", reference, folder)
    return image_id(docker, reference)


def image_id(docker: Docker, reference: str) -> str:
    """The digest of the image's configuration, which covers every byte of its unpacked layers."""
    return docker("image", "inspect", "--format", "{{.Id}}", reference).out.strip()


def says_refused(finished: Finished) -> bool:
    """Whether the client told its user that the right is missing, and not that anything broke."""
    return any(word in finished.all.lower() for word in REFUSED)


def run_image(docker: Docker, reference: str, *arguments: str) -> list[str]:
    """The lines that the image's program prints."""
    return docker("run", "--rm", "--network", "host", reference, *arguments).out.split()


def test_an_image_of_many_layers_comes_back_as_it_was_pushed_and_runs(
    docker: Docker, registry: Registry, tmp_path: Path
) -> None:
    reference = registry.image("app")
    files = {f"file{number}": os.urandom(200_000) for number in range(5)}
    pushed = build(docker, tmp_path / "context", reference, files)
    docker("push", reference)
    docker.forget()

    pulled = docker("pull", reference)

    assert pulled.out.count("Pull complete") == 6
    assert image_id(docker, reference) == pushed
    said = run_image(docker, reference, *(f"/{name}" for name in files))
    assert said == ["hello", *(sha256(content).hexdigest() for content in files.values())]


def test_what_the_registry_holds_is_not_sent_again(docker: Docker, registry: Registry, tmp_path: Path) -> None:
    reference = registry.image("twice")
    build(docker, tmp_path / "context", reference, {"file": os.urandom(1000)})
    first = docker("push", reference)
    again = docker("push", reference)
    assert first.out.count("Pushed") == 2
    assert again.out.count("Layer already exists") == 2


def test_a_layer_known_to_another_repository_is_mounted(
    docker: Docker, registry: Registry, second: str, tmp_path: Path
) -> None:
    source, target = registry.image("origin"), registry.image("mounted", repository=second)
    build(docker, tmp_path / "context", source, {"file": os.urandom(1000)})
    docker("push", source)
    docker("tag", source, target)

    pushed = docker("push", target)

    assert pushed.out.count("Mounted from docker-local/origin") == 2
    assert registry.digest("mounted", repository=second) == registry.digest("origin")


def test_a_tag_that_moves_is_seen_by_the_next_pull_and_its_past_stays_by_digest(
    docker: Docker, registry: Registry, tmp_path: Path
) -> None:
    reference = registry.image("moving")
    before = build(docker, tmp_path / "one", reference, {"file": b"before"})
    docker("push", reference)
    past = f"{registry.host}/docker-local/moving@{registry.digest('moving')}"
    after = build(docker, tmp_path / "two", reference, {"file": b"after"})
    docker("push", reference)
    docker.forget()

    docker("pull", reference)
    docker("pull", past)

    assert image_id(docker, reference) == after
    assert image_id(docker, past) == before


def test_images_that_share_layers_can_be_pushed_at_once(docker: Docker, registry: Registry, tmp_path: Path) -> None:
    base = {f"base{number}": os.urandom(2_000_000) for number in range(3)}
    build(docker, tmp_path / "base", "base:1", base)
    references = [registry.image(f"parallel/app{number}") for number in range(WRITERS)]
    ids = {
        reference: build(docker, tmp_path / f"{number}", reference, {"own": os.urandom(50_000)}, base="base:1")
        for number, reference in enumerate(references)
    }
    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(lambda reference: docker("push", reference), references))
    docker.forget()
    with ThreadPoolExecutor(WRITERS) as readers:
        list(readers.map(lambda reference: docker("pull", reference), references))

    assert {reference: image_id(docker, reference) for reference in references} == ids


def test_a_manifest_list_is_created_pushed_and_pulled(docker: Docker, registry: Registry, tmp_path: Path) -> None:
    multi = registry.image("multi")
    architectures = ("amd64", "arm64")
    ids = {}
    for architecture in architectures:
        reference = registry.image("multi", architecture)
        ids[architecture] = build(docker, tmp_path / architecture, reference, {"file": architecture.encode()})
        docker("push", reference)
    members = [registry.image("multi", architecture) for architecture in architectures]
    docker("manifest", "create", "--insecure", multi, *members)
    for architecture, member in zip(architectures, members, strict=True):
        docker("manifest", "annotate", "--os", "linux", "--arch", architecture, multi, member)
    docker("manifest", "push", "--insecure", "--purge", multi)
    docker.forget()

    docker("pull", multi)

    listed = json.loads(docker("manifest", "inspect", "--insecure", multi).out)["manifests"]
    assert {entry["platform"]["architecture"] for entry in listed} == set(architectures)
    assert {entry["digest"] for entry in listed} == {registry.digest("multi", each) for each in architectures}
    assert image_id(docker, multi) == ids[docker("version", "--format", "{{.Server.Arch}}").out.strip()]


def test_login_is_needed_and_lasts_until_logout(docker: Docker, registry: Registry, tmp_path: Path) -> None:
    reference = registry.image("private")
    build(docker, tmp_path / "context", reference, {"file": b"private"})
    client = docker.as_somebody(tmp_path / "config")
    refused = client("push", reference, fails=True)

    login = client("login", "--username", registry.user, "--password-stdin", registry.host, stdin=registry.password)
    client("push", reference)
    client("logout", registry.host)
    again = client("push", reference, fails=True)

    assert "Login Succeeded" in login.all
    assert says_refused(refused)
    assert says_refused(again)


def test_a_wrong_password_is_refused_in_words_and_leaves_nobody_signed_in(
    docker: Docker, registry: Registry, tmp_path: Path
) -> None:
    client = docker.as_somebody(tmp_path / "config")
    login = client("login", "--username", "nobody", "--password-stdin", registry.host, stdin="wrong", fails=True)
    assert "unauthorized" in login.err.lower()
    saved = client.config / "config.json"
    assert not saved.exists() or registry.host not in saved.read_text()


@pytest.mark.usefixtures("entrepot_only")
def test_a_reader_pulls_but_cannot_push_and_a_stranger_can_do_neither(
    docker: Docker, registry: Registry, tmp_path: Path
) -> None:
    reference = registry.image("readable")
    build(docker, tmp_path / "context", reference, {"file": b"readable"})
    docker("push", reference)
    reader = docker.as_somebody(registry.create_user("docker-reader", "r").sign_in(tmp_path / "reader"))
    stranger = docker.as_somebody(registry.create_user("docker-stranger").sign_in(tmp_path / "stranger"))
    build(docker, tmp_path / "other", reference, {"file": b"changed"})

    push = reader("push", reference, fails=True)
    docker.forget()
    pull = stranger("pull", reference, fails=True)
    reader("pull", reference)

    assert says_refused(push)
    assert says_refused(pull)
    assert run_image(docker, reference, "/file")[1] == sha256(b"readable").hexdigest()


def test_of_two_users_with_an_image_each_neither_pulls_pushes_or_sees_the_others(
    docker: Docker, registry: Registry, tmp_path: Path
) -> None:
    names = ("first", "second")
    users = {name: registry.create_user(f"docker-{name}", "r", "w", below=f"of-{name}/app") for name in names}
    engines = {name: docker.as_somebody(users[name].sign_in(tmp_path / name)) for name in names}
    references = {name: registry.image(f"of-{name}/app") for name in names}
    for name in names:
        build(docker, tmp_path / f"context-{name}", references[name], {"file": name.encode()})
        engines[name]("push", references[name])

    pushed = engines["first"]("push", references["second"], fails=True)
    docker.forget()
    pulled = [engines["second"]("pull", references["first"], fails=True), pushed]
    engines["first"]("pull", references["first"])
    assert all(says_refused(one) for one in pulled)
    for name, other in (names, names[::-1]):
        catalog = json.loads(users[name].call("GET", "/v2/_catalog").body)["repositories"]
        assert catalog == [f"docker-local/of-{name}/app"]
        assert users[name].call("GET", f"/v2/docker-local/of-{name}/app/tags/list").status == 200
        assert users[name].call("GET", f"/v2/docker-local/of-{other}/app/tags/list").status in {401, 403, 404}
        layer = json.loads(registry.manifest(f"of-{other}/app").body)["layers"][0]["digest"]
        mount = f"/v2/docker-local/of-{name}/app/blobs/uploads/?mount={layer}&from=docker-local/of-{other}/app"
        assert users[name].call("POST", mount).status == 202  # as if there were no such blob: an upload begins


@pytest.mark.parametrize("name", ["hello:1", "nowhere/hello:1"])
def test_a_push_to_no_repository_fails_at_once_and_says_what_is_missing(
    docker: Docker, registry: Registry, tmp_path: Path, entrepot_only: None, name: str
) -> None:
    reference = f"{registry.host}/{name}"
    build(docker, tmp_path / "context", reference, {"one": b"1"})
    told = docker("push", reference, fails=True).all
    wanted = "there is no Docker repository nowhere" if "/" in name else "as docker-local/hello does"
    assert wanted in told
    assert "Retrying" not in told


def test_an_image_that_is_not_there_is_reported_as_such(docker: Docker, registry: Registry) -> None:
    with pytest.raises(PartError, match=r"(manifest unknown|not found)"):
        docker("pull", registry.image("absent"))
