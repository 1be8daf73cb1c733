"""Settings: three sources in order, every name known, every value checked, secrets hidden."""

import errno
import ipaddress
import itertools
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.settings import ROWS, Secret, Settings, SettingsInvalid, dump, restore
from entrepot.settings_sources import Loaded, load
from entrepot.settings_table import Setting


def from_file(folder: Path, content: str, environment: dict[str, str] | None = None) -> Loaded:
    (folder / "entrepot.toml").write_text(content)
    return load({"home": str(folder)}, environment or {})


def refusal(flags: dict[str, str], environment: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsInvalid) as refused:
        load(flags, environment or {})
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_flag_comes_before_the_environment_that_before_the_file_that_before_the_default(tmp_path: Path) -> None:
    (tmp_path / "entrepot.toml").write_text("port = 3\nworkers = 3\ngc.grace.seconds = 3\n")
    environment = {"ENTREPOT_PORT": "2", "ENTREPOT_WORKERS": "2"}
    found = load({"home": str(tmp_path), "port": "1"}, environment)
    assert (found.settings.port, found.settings.workers) == (1, 2)
    assert (found.settings.gc_grace_seconds, found.settings.gc_interval_seconds) == (3, 300)
    file = str(tmp_path / "entrepot.toml")
    assert [found.origins[key] for key in ("port", "workers", "gc.grace.seconds")] == [
        "--port",
        "ENTREPOT_WORKERS",
        file,
    ]
    assert "gc.interval.seconds" not in found.origins


def test_the_defaults_are_those_that_are_promised() -> None:
    settings = load({}, {}).settings
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8081, 2)
    assert (settings.gc_interval_seconds, settings.gc_grace_seconds) == (300, 14_400)
    assert (settings.upload_expiry_seconds, settings.manifest_limit_bytes) == (86_400, 4 << 20)
    assert settings.blob_store == f"file://{settings.home}/blobs"
    assert settings.reported_version == "7.90.15"
    assert not settings.anonymous_enabled
    assert settings.admin_password is None
    assert settings.node_id


def test_only_a_node_with_a_shared_database_waits_for_a_load_balancer() -> None:
    assert load({}, {}).settings.drain_notice_seconds == 0
    assert load({"database.url": "postgresql://h/d"}, {}).settings.drain_notice_seconds == 3
    assert (
        load({"database.url": "postgresql://h/d", "drain.notice.seconds": "0"}, {}).settings.drain_notice_seconds == 0
    )


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_each_setting_has_its_three_names_and_a_help_text(row: Setting) -> None:
    assert row.key == row.attribute.replace("_", ".")
    assert row.flag == "--" + row.key.replace(".", "-")
    assert row.variable == "ENTREPOT_" + row.key.upper().replace(".", "_")
    assert row.help.endswith(".")
    assert row.since


def test_no_key_is_the_beginning_of_another_because_toml_could_not_hold_both() -> None:
    assert not [pair for pair in itertools.permutations(ROWS, 2) if pair[1].startswith(pair[0] + ".")]


def test_an_unknown_variable_is_refused_with_the_name_that_was_meant_where_one_is_near() -> None:
    assert (
        refusal({}, {"ENTREPOT_PROT": "1"})
        == "environment: unknown setting ENTREPOT_PROT (did you mean ENTREPOT_PORT?)"
    )
    assert refusal({}, {"ENTREPOT_BOGUS": "1"}) == "environment: unknown setting ENTREPOT_BOGUS"


def test_the_beginning_of_a_setting_is_told_its_end(tmp_path: Path) -> None:
    file = tmp_path / "e.toml"
    file.write_text("gc.grace = 3\n")
    with pytest.raises(SettingsInvalid, match=r"unknown setting gc\.grace \(did you mean gc\.grace\.seconds\?\)"):
        load({}, {}, file)


@pytest.mark.parametrize("password", ["", "x" * 1025, "\u20ac" * 342])
def test_a_first_password_that_no_account_can_have_is_refused_with_the_settings_name(password: str) -> None:
    assert refusal({"admin.password": password}, {}) == "--admin-password must be text of 1 to 1024 bytes"


def test_a_home_that_nobody_lets_us_into_is_named_and_not_a_file_that_may_not_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root is let in everywhere
    assert refusal({"home": str(tmp_path)}, {}).startswith(f"{tmp_path}/entrepot.toml: cannot be read")
    monkeypatch.setattr(os, "access", lambda *_: False)
    told = f"the home folder {tmp_path} cannot be used: Permission denied"
    assert refusal({"home": str(tmp_path)}, {}) == told


def test_an_unknown_key_in_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsInvalid, match=r"entrepot\.toml: unknown setting gc\.grace\.secs \(did you mean gc\.grace"
    ):
        from_file(tmp_path, "[gc]\ngrace.secs = 1\n")


@pytest.mark.parametrize("name", ["ENTREPOT_PARTS", "ENTREPOT_REQUIRE_PARTS", "ENTREPOT_TEST_ANYTHING", "PATH"])
def test_the_names_of_the_test_suite_and_of_others_are_left_alone(name: str) -> None:
    assert load({}, {name: "x"}).origins == {}


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load({}, {"ENTREPOT_PORT": ""}).settings.port == 8081


def test_the_file_takes_dotted_keys_tables_numbers_flags_and_lists(tmp_path: Path) -> None:
    text = 'anonymous.enabled = true\ntrusted.proxies = ["10.0.0.0/8", "::1/128"]\n[docker]\nports = ["5001=docker-local"]\n'
    settings = from_file(tmp_path, text).settings
    assert settings.anonymous_enabled is True
    assert settings.trusted_proxies == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))
    assert settings.docker_ports == {5001: "docker-local"}


def test_a_named_file_is_used_instead_of_the_one_in_the_home_folder(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(f'home = "{tmp_path}/elsewhere"\nport = 5')
    (tmp_path / "entrepot.toml").write_text("port = 6")
    assert load({}, {}, file).settings.home == tmp_path / "elsewhere"
    assert load({"home": str(tmp_path)}, {"ENTREPOT_SETTINGS": str(file)}).settings.port == 5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("port = ", "Invalid value"),
        ("home = '/x'", "home cannot be set by the file that is in it"),
        ("port = 'x'", "port must be a whole number from 1 to 65535, not 'x'"),
        ("port = [1, 2]", "port must be"),
        ("a = " + "[" * 5000, "entrepot.toml: "),
    ],
)
def test_a_bad_file_is_told_in_one_line_with_its_name(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        from_file(tmp_path, content)
    assert words in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / "entrepot.toml"))


def test_a_named_file_that_is_missing_or_unreadable_is_an_error(tmp_path: Path) -> None:
    assert "there is no such file" in refusal({}, {"ENTREPOT_SETTINGS": str(tmp_path / "none")})
    assert "cannot be read" in refusal({}, {"ENTREPOT_SETTINGS": str(tmp_path)})
    (tmp_path / "latin").write_bytes(b"port = '\xff'")
    assert "can't decode" in refusal({}, {"ENTREPOT_SETTINGS": str(tmp_path / "latin")})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", "0"), ("port", "65536"), ("port", "8081.0"), ("port", "٣"), ("port", "9" * 5000), ("workers", "0"),
        ("http2", "maybe"), ("home", "a\0b"), ("host", "a b"), ("node.id", "a/b"), ("database.url", "mysql://h/d"),
        ("base.url", "registry.example.com"), ("base.url", "https://h/?q"), ("master.key", "abc"),
        ("trusted.proxies", "10.0.0.1/8"), ("trusted.proxies", "proxy"), ("docker.ports", "5001"),
        ("docker.ports", "0=a"), ("docker.ports", "5001="), ("docker.ports", "1=a,1=b"), ("docker.subdomain", ".x"),
        ("manifest.limit.bytes", "4 parsecs"), ("manifest.limit.bytes", "1"), ("reported.version", "7"),
        ("log.format", "xml"), ("log.level", "loud"), ("blob.store", "somewhere"), ("admin.password", "a\nb"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_by_the_name_of_the_flag(key: str, value: str) -> None:
    assert refusal({key: value}).startswith(f"{ROWS[key].flag} must be ")


@pytest.mark.parametrize("word", ["true", "YES", "on", "1"])
def test_a_flag_is_true_in_many_words(word: str) -> None:
    assert load({"anonymous.enabled": word}, {}).settings.anonymous_enabled


@pytest.mark.parametrize("text", ["4194304", "4096K iB".replace(" ", ""), "4 MiB", "4MB"])
def test_sizes_have_units(text: str) -> None:
    assert load({"manifest.limit.bytes": text}, {}).settings.manifest_limit_bytes == 4 << 20


def test_settings_that_contradict_each_other_are_refused() -> None:
    assert refusal({"tls.cert": "/c"}) == "tls.cert and tls.key must be set together"
    assert refusal({"s3.access.key": "me"}) == "s3.access.key and s3.secret.key must be set together"
    assert "8081" in refusal({"docker.ports": "8081=docker-local"})


def test_a_long_host_name_is_cut_where_it_names_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "n" * 64)
    named = load({}, {}).settings.node_id
    assert load({"node.id": named}, {}).settings.node_id == "n" * 63


def test_paths_are_absolute_and_know_the_users_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/users/me")
    monkeypatch.chdir(tmp_path)
    assert load({"home": "~/e"}, {}).settings.home == Path("/users/me/e")
    assert load({"home": "e"}, {}).settings.home == tmp_path / "e"
    assert load({}, {}).settings.home == Path("/users/me/.entrepot")


def test_a_secret_is_stars_wherever_it_is_printed() -> None:
    given_ = {"admin.password": "rosebud", "master.key": "ab" * 32, "s3.access.key": "me", "s3.secret.key": "sled"}
    settings = load(given_, {}).settings
    for shown in (
        repr(settings),
        str(settings.admin_password),
        f"{settings.admin_password!r}",
        f"{settings.admin_password}",
    ):
        assert not [word for word in ("rosebud", "abab", "sled") if word in shown]
    assert settings.admin_password == Secret("rosebud")
    assert settings.admin_password is not None
    assert settings.admin_password.reveal() == "rosebud"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert ROWS["admin.password"].shown(settings.admin_password) == "*****"


def test_the_password_inside_of_a_url_is_not_shown() -> None:
    settings = load(
        {"database.url": "postgresql://me:sesame@h/d", "blob.store": "s3://b/p?secret_key=sesame&region=x"}, {}
    )
    for key in ("database.url", "blob.store"):
        assert "sesame" not in ROWS[key].shown(getattr(settings.settings, ROWS[key].attribute))
    assert "sesame" not in repr(settings)
    assert ROWS["database.url"].shown("postgresql://me:sesame@h/d") == "postgresql://me:*****@h/d"
    assert ROWS["database.url"].shown("postgresql://me@h/d") == "postgresql://me@h/d"


@pytest.mark.parametrize("name", ["password", "sslPassword", "PGPASSFILE", "client_secret", "sslkey", "to%6ben"])
def test_a_password_in_the_query_of_a_url_is_not_shown_whatever_it_is_called(name: str) -> None:
    shown = ROWS["database.url"].shown(f"postgresql://h/d?{name}=sesame&sslmode=require")
    assert shown == f"postgresql://h/d?{name}=*****&sslmode=require"


@pytest.mark.parametrize("key", ["admin.password", "master.key", "s3.secret.key", "database.url"])
def test_a_refusal_does_not_repeat_a_secret(key: str) -> None:
    value = "mysql://me:sesame@h/d" if key == "database.url" else "sesame\n"
    assert "sesame" not in refusal({key: value})


def test_the_short_scheme_of_postgresql_is_understood() -> None:
    assert load({"database.url": "postgres://h/d"}, {}).settings.database_url == "postgresql://h/d"


def test_what_is_handed_over_comes_back_the_same() -> None:
    flags = {
        "database.url": "postgresql://me:sesame@h/d", "trusted.proxies": "10.0.0.0/8,::1/128", "docker.ports": "5=a, 6=b",
        "admin.password": "rosebud", "tls.cert": "/c", "tls.key": "/k", "http2": "never", "base.url": "https://h/",
    }  # fmt: skip
    settings = load(flags, {}).settings
    assert restore(dump(settings)) == settings
    assert restore(dump(load({}, {}).settings)) == load({}, {}).settings
    assert settings.base_url == "https://h"


@given(st.text(max_size=40))
def test_no_text_makes_reading_a_value_fail_in_another_way(value: str) -> None:
    for row in ROWS.values():
        try:
            read = row.kind.read(value)
        except ValueError:
            continue
        assert row.kind.read(row.kind.write(read)) == read


def test_the_settings_have_no_mutable_values_that_are_shared() -> None:
    assert Settings().docker_ports == {}
    with pytest.raises(TypeError):
        Settings().docker_ports[1] = "x"  # type: ignore[index]


def test_tables_of_the_file_are_one_value_which_is_hidden_and_handed_on_whole(tmp_path: Path) -> None:
    found = from_file(
        tmp_path, '[ldap.servers.corp]\nldap_url = "ldap://h"\nsearch.manager_password = "hush"\n'
    ).settings
    assert found.ldap_servers is not None
    assert json.loads(found.ldap_servers.reveal()) == {
        "corp": {"ldap_url": "ldap://h", "search": {"manager_password": "hush"}}
    }
    assert restore(dump(found)) == found
    assert "hush" not in repr(found) + ROWS["ldap.servers"].shown(found.ldap_servers)
    assert load({}, {"ENTREPOT_LDAP_GROUPS": '{"g": {}}'}).settings.ldap_groups == Secret('{"g": {}}')


@pytest.mark.parametrize("given", ["[]", '{"corp": 1}', "{", "[" * 100_000])
def test_what_is_no_table_of_tables_is_refused(given: str) -> None:
    assert refusal({"ldap.servers": given}).startswith("--ldap-servers must be tables by name")
