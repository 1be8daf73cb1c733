"""Servers that `jf config` knows: added with a password or a token, shown, carried elsewhere, and then used."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.registry import Registry
from tests.parts.presence import tool
from tests.parts.processes import Finished, run

REPO = "generic-local"
Jf = Callable[..., Finished]


@pytest.fixture
def jf(tmp_path: Path, entrepot_only: None) -> Jf:
    """The commands with a home of their own; `home` names another one."""
    (tmp_path / "one.txt").write_text("one\n")

    def command(*arguments: str, home: str = "jfrog", fails: bool = False) -> Finished:
        environment = {"JFROG_CLI_HOME_DIR": str(tmp_path / home), "CI": "true", "HOME": str(tmp_path)}
        return run([tool("jf-rt"), *arguments], env=environment, cwd=tmp_path, fails=fails)

    return command


def used(jf: Jf, folder: Path, server: str, *, home: str = "jfrog") -> None:
    """Ping, upload, find and download with a server that was configured."""
    by, place = f"--server-id={server}", f"{REPO}/config/{server}/one.txt"
    assert jf("rt", "ping", by, home=home).out.strip() == "OK"
    told = json.loads(jf("rt", "u", by, "one.txt", place, home=home).out)
    assert told["totals"] == {"success": 1, "failure": 0}
    (found,) = json.loads(jf("rt", "s", by, place, home=home).out)
    assert found["path"] == place
    jf("rt", "dl", by, "--flat=true", place, f"out-{server}/", home=home)
    assert (folder / f"out-{server}" / "one.txt").read_text() == "one\n"


def servers(folder: Path, home: str = "jfrog") -> dict[str, dict[str, str]]:
    (kept,) = (folder / home).glob("jfrog-cli.conf.v*")
    return {one["serverId"]: one for one in json.loads(kept.read_text())["servers"]}


def token_of(registry: Registry) -> str:
    made = registry.call("POST", "/access/api/v1/tokens", {"expires_in": 600})
    assert made.status == 200, made
    token: str = json.loads(made.body)["access_token"]
    return token


def by_password(jf: Jf, registry: Registry, server: str, *more: str) -> None:
    account = (f"--user={registry.user}", f"--password={registry.password}")
    jf("config", "add", server, f"--url={registry.url}", *account, *more)


def test_a_password_is_kept_encrypted_and_exchanged_for_tokens_that_renew_themselves(
    jf: Jf, registry: Registry, tmp_path: Path
) -> None:
    by_password(jf, registry, "words")
    kept = servers(tmp_path)["words"]
    assert kept["password"]
    assert kept["password"] != registry.password
    used(jf, tmp_path, "words")
    exchanged = servers(tmp_path)["words"]
    assert exchanged["accessToken"]
    assert exchanged["artifactoryRefreshToken"]


def test_a_password_alone_is_sent_each_time_where_that_is_asked_for(jf: Jf, registry: Registry, tmp_path: Path) -> None:
    by_password(jf, registry, "basic", "--basic-auth-only=true")
    used(jf, tmp_path, "basic")
    assert "accessToken" not in servers(tmp_path)["basic"]
    by_password(jf, registry, "plain", "--basic-auth-only=true", "--enc-password=false")
    assert servers(tmp_path)["plain"]["password"] == registry.password
    used(jf, tmp_path, "plain")


def test_a_token_needs_no_name_beside_it(jf: Jf, registry: Registry, tmp_path: Path) -> None:
    jf("config", "add", "token", f"--url={registry.url}", f"--access-token={token_of(registry)}")
    assert servers(tmp_path)["token"]["user"] == registry.user  # which the client read from the token
    used(jf, tmp_path, "token")


def test_the_address_of_the_repositories_alone_is_enough(jf: Jf, registry: Registry, tmp_path: Path) -> None:
    where = f"--artifactory-url={registry.url}/artifactory"
    jf("config", "add", "short", where, f"--access-token={token_of(registry)}")
    used(jf, tmp_path, "short")
    jf("config", "add", "named", where, f"--user={registry.user}", f"--password={registry.password}")
    used(jf, tmp_path, "named")


def test_servers_are_shown_chosen_exported_imported_and_removed(jf: Jf, registry: Registry, tmp_path: Path) -> None:
    by_password(jf, registry, "first")
    jf("config", "add", "other", f"--url={registry.url}", f"--access-token={token_of(registry)}")
    shown = jf("config", "show").all
    assert "first" in shown
    assert "other" in shown
    assert f"{registry.url}/artifactory/" in shown
    assert registry.password not in shown.replace(registry.user, "")
    jf("config", "use", "other")
    assert jf("rt", "ping").out.strip() == "OK"
    for server in ("first", "other"):
        jf("config", "import", jf("config", "export", server).out.strip(), home="elsewhere")
        used(jf, tmp_path, server, home="elsewhere")
    jf("config", "remove", "first")
    assert set(servers(tmp_path)) == {"other"}


def test_a_wrong_password_is_refused_in_words(jf: Jf, registry: Registry, tmp_path: Path) -> None:
    account = (f"--url={registry.url}", f"--user={registry.user}", "--password=wrong")
    refused = jf("config", "add", "wrong", *account, fails=True)
    assert "401" in refused.all
    assert "Bad Credentials" in refused.all
    assert not list((tmp_path / "jfrog").glob("jfrog-cli.conf.v*"))
    jf("config", "add", "wrong", *account, "--enc-password=false", "--basic-auth-only=true")
    refused = jf("rt", "u", "--server-id=wrong", "one.txt", f"{REPO}/config/", fails=True)
    assert "401" in refused.all


def test_a_token_that_is_none_is_refused_in_words(jf: Jf, registry: Registry, tmp_path: Path) -> None:
    token = token_of(registry)
    jf("config", "add", "broken", f"--url={registry.url}", f"--access-token={token[:-6]}AAAAAA", "--user=admin")
    refused = jf("rt", "s", "--server-id=broken", f"{REPO}/*", fails=True)
    assert "401" in refused.all
