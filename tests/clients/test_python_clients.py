"""`dohq-artifactory` and `pyartifactory`, used as scripts use them: paths, properties, AQL, and the objects of administrators."""

import hashlib
import io
import tarfile
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyartifactory
import pytest
from artifactory import ArtifactoryPath
from dohq_artifactory import (
    Group,
    PermissionTarget,
    Project,
    Repository,
    RepositoryLocal,
    RepositoryRemote,
    RepositoryVirtual,
    Token,
    User,
)
from pyartifactory.exception import ArtifactoryError, PropertyNotFoundError
from pyartifactory.models import Group as GroupModel
from pyartifactory.models import (
    LocalRepository,
    NewUser,
    Permission,
    PermissionV2,
    RemoteRepository,
    VirtualRepository,
)
from pyartifactory.models import User as UserModel

from tests.clients.registry import Registry

REPO = "generic-local"
PASSWORD = "Password-1"


@pytest.fixture(params=["sqlite", "postgresql, 3 workers"])
def registry(request: pytest.FixtureRequest, registry: Registry) -> Registry:
    """The instance, and a second one on the other database."""
    if request.param == "sqlite" or not registry.is_entrepot:
        return registry
    other: Registry = request.getfixturevalue("on_postgres")
    return other


@pytest.fixture
def root(registry: Registry, entrepot_only: None) -> ArtifactoryPath:
    """The instance as dohq-artifactory addresses it."""
    return ArtifactoryPath(f"{registry.url}/artifactory", auth=(registry.user, registry.password))


@pytest.fixture
def folder(root: ArtifactoryPath) -> Iterator[ArtifactoryPath]:
    """A folder of its own for each test."""
    made = root / REPO / f"dohq-{uuid.uuid4().hex[:8]}"
    made.mkdir()
    yield made
    if made.exists():
        made.rmdir()


@pytest.fixture
def client(registry: Registry, entrepot_only: None) -> pyartifactory.Artifactory:
    """The instance as pyartifactory addresses it."""
    return pyartifactory.Artifactory(
        url=f"{registry.url}/artifactory", auth=(registry.user, registry.password), api_version=1
    )


def unique(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:8]}"


# --- dohq-artifactory: paths ------------------------------------------------------------------------------------------


def test_files_are_written_read_described_and_removed(folder: ArtifactoryPath, tmp_path: Path) -> None:
    local = tmp_path / "one.txt"
    local.write_text("one")
    folder.deploy_file(local, parameters={"build": "7"})
    one = folder / "one.txt"
    assert (one.exists(), one.is_file(), one.is_dir(), folder.is_dir()) == (True, True, False, True)
    assert one.read_text() == "one"
    assert one.read_bytes() == b"one"
    with one.open() as stream:
        assert stream.read() == b"one"
    stat = one.stat()
    assert (stat.size, stat.sha1, stat.sha256) == (
        3,
        hashlib.sha1(b"one").hexdigest(),
        hashlib.sha256(b"one").hexdigest(),
    )
    assert stat.created_by == "admin"
    assert one.owner() == "admin"
    one.writeto(tmp_path / "copy.txt")
    assert (tmp_path / "copy.txt").read_text() == "one"
    out = io.BytesIO()
    one.writeto(out, chunk_size=2)
    assert out.getvalue() == b"one"
    assert one.download_stats()
    (folder / "two.txt").write_text("two")
    (folder / "empty").touch()
    assert sorted(path.name for path in folder) == ["empty", "one.txt", "two.txt"]
    assert sorted(path.name for path in folder.glob("*.txt")) == ["one.txt", "two.txt"]
    one.unlink()
    assert not one.exists()
    with pytest.raises(FileNotFoundError):
        one.stat()


def test_files_are_deployed_by_checksum_copied_and_moved(folder: ArtifactoryPath) -> None:
    source = folder / "source.bin"
    source.write_bytes(b"bytes")
    (folder / "same.bin").deploy_by_checksum(sha1=hashlib.sha1(b"bytes").hexdigest())
    assert (folder / "same.bin").read_bytes() == b"bytes"
    source.copy(folder / "copy.bin")
    source.move(folder / "moved.bin")
    assert sorted(path.name for path in folder) == ["copy.bin", "moved.bin", "same.bin"]
    with pytest.raises(Exception, match="Checksum deploy failed"):
        (folder / "none.bin").deploy_by_checksum(sha1="0" * 40)


def test_properties_are_set_changed_and_deleted(folder: ArtifactoryPath) -> None:
    file = folder / "file.txt"
    file.write_text("x")
    file.properties = {"k": "v", "several": ["a", "b,c"], "odd": "x|y=z;\\"}
    assert {key: sorted(values) for key, values in file.properties.items()} == {
        "k": ["v"], "several": ["a", "b,c"], "odd": ["x|y=z;\\"],
    }  # fmt: skip
    file.update_properties({"k": "w"})
    assert file.properties["k"] == ["w"]
    file.del_properties(["k", "odd"])
    assert set(file.properties) == {"several"}
    file.properties = {}
    assert file.properties == {}


def test_aql_finds_paths(root: ArtifactoryPath, folder: ArtifactoryPath) -> None:
    (folder / "found.txt").write_text("x")
    where = {"repo": REPO, "path": folder.path_in_repo.strip("/"), "name": {"$match": "f*"}}
    found = root.aql("items.find", where, ".include", ["name", "size"])
    assert [(one["name"], one["size"]) for one in found] == [("found.txt", 1)]
    found = root.aql("items.find", {"repo": REPO, "name": "found.txt", "path": folder.path_in_repo.strip("/")})
    assert root.from_aql(found[0]).read_text() == "x"


def test_entries_of_archives_and_trees_are_walked(folder: ArtifactoryPath, tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("in/side.txt", "inside")
    folder.deploy_file(archive, explode_archive=True)
    assert (folder / "in" / "side.txt").read_text() == "inside"
    (folder / "in" / "deep" / "er").mkdir()
    assert sorted(path.name for path in folder.glob("**/*")) == ["deep", "er", "in", "side.txt"]
    assert sorted(path.name for path in (folder / "in").iterdir()) == ["deep", "side.txt"]


# --- dohq-artifactory: objects of administrators ----------------------------------------------------------------------


def test_users_groups_and_permission_targets(root: ArtifactoryPath, registry: Registry) -> None:
    group = Group(root, unique("g"))
    group.create()
    user = User(root, unique("u"), "u@x.test", PASSWORD)
    user.create()
    user.add_to_group(group)
    user.update()
    found = root.find_user(user.name)
    assert (found.email, [one.name for one in found.groups]) == ("u@x.test", [group.name, "readers"])
    target = PermissionTarget(root, unique("p"))
    target.add_repository(REPO)
    target.add_user(user, PermissionTarget.ROLE_DEPLOY)
    target.add_group(group, PermissionTarget.ROLE_READ)
    target.includesPattern = "mine/**"
    target.create()
    read = root.find_permission_target(target.name)
    assert (read.includesPattern, read.repositories[0].name) == ("mine/**", REPO)
    own = ArtifactoryPath(f"{registry.url}/artifactory/{REPO}/mine/{user.name}.txt", auth=(user.name, PASSWORD))
    own.write_text("mine")
    assert own.read_text() == "mine"
    with pytest.raises(Exception, match="not permitted"):
        ArtifactoryPath(f"{registry.url}/artifactory/{REPO}/other.txt", auth=(user.name, PASSWORD)).write_text("x")
    assert user.name in [one.name for one in root.get_users()]
    assert group.name in [one.name for one in root.get_groups()]
    assert target.name in [one.name for one in root.get_permissions()]
    encrypted = user.encrypted_password
    assert ArtifactoryPath(str(own), auth=(user.name, encrypted)).read_text() == "mine"
    user.api_key.create()
    key = user.api_key.get()
    assert ArtifactoryPath(str(own), apikey=key).read_text() == "mine"
    user.api_key.regenerate()
    assert user.api_key.get() != key
    user.api_key.revoke()
    assert not user.api_key.get()
    for one in (target, user, group):
        one.delete()
    assert root.find_user(user.name) is None


def test_repositories_of_all_kinds(root: ArtifactoryPath) -> None:
    local = RepositoryLocal(root, unique("local"), package_type=Repository.MAVEN)
    remote = RepositoryRemote(root, unique("remote"), url="http://127.0.0.1:9/", package_type=Repository.GENERIC)
    virtual = RepositoryVirtual(
        root, unique("virtual"), repositories=[local.name, remote.name], package_type=Repository.GENERIC
    )
    local.create()
    remote.create()
    with pytest.raises(Exception, match="another package type"):
        virtual.create()  # of repositories that hold something else
    generic = RepositoryLocal(root, unique("generic"), package_type=Repository.GENERIC)
    generic.create()
    virtual.repositories = [generic.name, remote.name]
    virtual.create()
    assert root.find_repository_local(local.name).package_type == "maven"
    assert root.find_repository_remote(remote.name).url == "http://127.0.0.1:9/"
    assert [one.name for one in root.find_repository_virtual(virtual.name).repositories] == [generic.name, remote.name]
    generic.description = "d"
    generic.update()
    assert root.find_repository(generic.name).description == "d"
    (generic / "a" / "x.txt").write_text("x")
    assert (virtual / "a" / "x.txt").read_text() == "x"
    assert {one.name for one in root.get_repositories("local")} >= {local.name, generic.name}
    for one in (virtual, generic, remote, local):
        one.delete()
        assert root.find_repository(one.name) is None


def test_tokens_and_projects(root: ArtifactoryPath, registry: Registry) -> None:
    token = Token(root, username="robot", scope="api:* member-of-groups:readers", expires_in=600, refreshable=True)
    token.create()
    token.read()
    assert token.token_id in token.tokens
    token.delete()
    token.tokens.clear()
    token.read()
    assert token.token_id not in token.tokens
    project = Project(root, "prj" + uuid.uuid4().hex[:6], "A project")
    project.create()
    project.description = "d"
    project.update()
    assert root.find_project(project.project_key).description == "d"
    assert project.project_key in [one.project_key for one in root.get_projects()]
    project.delete()
    assert root.find_project(project.project_key) is None


# --- pyartifactory ----------------------------------------------------------------------------------------------------


def test_artifacts(client: pyartifactory.Artifactory, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "one.txt").write_text("one")
    place = f"{REPO}/{unique('pyart')}"
    artifacts = client.artifacts
    assert artifacts.deploy(tmp_path / "d" / "one.txt", Path(f"{place}/one.txt"), {"k": ["v"]}).size == 3
    artifacts.deploy(tmp_path / "d", Path(f"{place}/tree"))
    assert artifacts.info(f"{place}/tree").children
    assert artifacts.download(f"{place}/one.txt", str(tmp_path)).read_text() == "one"
    assert b"".join(artifacts.stream(f"{place}/one.txt")) == b"one"
    assert [one.uri for one in artifacts.list(place).files] == ["/one.txt", "/tree", "/tree/one.txt"]
    assert artifacts.properties(f"{place}/one.txt").properties == {"k": ["v"]}
    assert artifacts.set_properties(f"{place}/one.txt", {"a": ["1", "2"]}).properties["a"] == ["1", "2"]
    assert artifacts.update_properties(f"{place}/one.txt", {"k": ["w"]}).properties["k"] == ["w"]
    with pytest.raises(PropertyNotFoundError):
        artifacts.properties(f"{place}/one.txt", ["none"])
    assert artifacts.stats(f"{place}/one.txt").downloadCount >= 0
    assert artifacts.copy(f"{place}/one.txt", f"{place}/two.txt").path.endswith("two.txt")
    assert artifacts.move(f"{place}/two.txt", f"{place}/three.txt").path.endswith("three.txt")
    artifacts.delete(f"{place}/three.txt")
    with pytest.raises(ArtifactoryError):
        artifacts.info(f"{place}/three.txt")
    artifacts.delete(place)


def test_users_groups_permissions_and_keys(client: pyartifactory.Artifactory, registry: Registry) -> None:
    group, name = unique("grp"), unique("usr")
    client.groups.create(GroupModel(name=group, description="d"))
    assert client.groups.get(group).description == "d"
    client.groups.update(GroupModel(name=group, description="e"))
    assert group in [one.name for one in client.groups.list()]
    client.users.create(NewUser(name=name, password=PASSWORD, email="u@example.org", groups=[group]))
    assert client.users.get(name).groups == [group, "readers"]
    client.users.update(UserModel(name=name, email="v@example.org"))
    assert client.users.get(name).email == "v@example.org"
    client.users.unlock(name)
    assert name in [one.name for one in client.users.list()]
    permission = Permission(name=unique("perm"), repositories=[REPO], principals={"users": {name: ["r"]}, "groups": {}})
    assert client.permissions.create(permission).name == permission.name
    assert client.permissions.get(permission.name).repositories == [REPO]
    assert permission.name in [one.name for one in client.permissions.list()]
    own = pyartifactory.Artifactory(url=f"{registry.url}/artifactory", auth=(name, PASSWORD), api_version=1)
    key = own.security.create_api_key().apiKey
    assert own.security.get_api_key().apiKey == key
    assert own.security.regenerate_api_key().apiKey != key
    own.security.revoke_api_key()
    own.security.create_api_key()
    client.security.revoke_user_api_key(name)
    client.permissions.delete(permission.name)
    client.users.delete(name)
    client.groups.delete(group)


def test_permissions_of_the_second_version(registry: Registry, entrepot_only: None) -> None:
    client = pyartifactory.Artifactory(
        url=f"{registry.url}/artifactory", auth=(registry.user, registry.password), api_version=2
    )
    name = unique("perm2")
    repo: dict[str, Any] = {"repositories": [REPO], "actions": {"users": {"admin": ["read", "write"]}, "groups": {}}}
    made = client.permissions.create(PermissionV2(name=name, repo=repo))
    assert made.repo is not None
    assert made.repo.repositories == [REPO]
    repo["repositories"] = ["ANY LOCAL"]
    assert client.permissions.update(PermissionV2(name=name, repo=repo)).repo.repositories == ["ANY LOCAL"]
    client.permissions.delete(name)


def test_tokens(client: pyartifactory.Artifactory) -> None:
    token = client.security.create_access_token("admin", expires_in=60, refreshable=True)
    assert (token.expires_in, token.token_type) == (60, "Bearer")
    assert client.security.revoke_access_token(token.access_token)


def test_repositories(client: pyartifactory.Artifactory) -> None:
    local, remote, virtual = unique("loc"), unique("rem"), unique("vir")
    client.repositories.create_repo(LocalRepository(key=local, packageType="generic"))
    client.repositories.create_repo(RemoteRepository(key=remote, url="http://127.0.0.1:9/", packageType="generic"))
    client.repositories.create_repo(VirtualRepository(key=virtual, repositories=[local], packageType="generic"))
    client.repositories.update_repo(LocalRepository(key=local, packageType="generic", description="d"))
    assert client.repositories.get_repo(local).description == "d"
    assert {local, remote, virtual} <= {one.key for one in client.repositories.list()}
    for key in (virtual, remote, local):
        client.repositories.delete(key)
    assert local not in {one.key for one in client.repositories.list()}


def test_a_folder_is_downloaded_as_an_archive(registry: Registry, folder: ArtifactoryPath, tmp_path: Path) -> None:
    yaml = {"content-type": "application/yaml"}
    url = f"{registry.url}/artifactory/api/system/configuration"
    text = "folderDownloadConfig: {enabled: true}"
    assert httpx.patch(url, content=text, headers=yaml, auth=(registry.user, registry.password)).status_code == 200
    (folder / "x.txt").write_text("x")
    archive = folder.archive(archive_type="tar.gz")
    archive.writeto(tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as made:
        assert [Path(name).name for name in made.getnames() if name.endswith(".txt")] == ["x.txt"]
