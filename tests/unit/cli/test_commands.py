"""The command line: one line for what is wrong, the same status for the same kind of end, no secret on the screen."""

import asyncio
import errno
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from entrepot import __version__, first_contents
from entrepot.auth import resetting
from entrepot.auth.keys import unlocked
from entrepot.blobs.drivers.places import S3Place, located
from entrepot.cli import ping as pinging
from entrepot.cli import prepare as preparing
from entrepot.cli import serve as serving
from entrepot.cli.existing import existing
from entrepot.cli.existing import serving as running
from entrepot.cli.main import main, plain_flags
from entrepot.cli.prepare import prepare
from entrepot.cli.settings import reference
from entrepot.cluster.home import HANDED_OVER, run_folder, write_private
from entrepot.cluster.instance import lock_home
from entrepot.cluster.store_place import note_store
from entrepot.errors import Invalid, NotFound
from entrepot.jobs import inspection
from entrepot.jobs.inspection import Finding, Inspection
from entrepot.metadata.migrate import HEAD
from entrepot.metadata.open import open_database
from entrepot.settings import ROWS, Secret, Settings, dump
from entrepot.settings_sources import load

CHECKOUT = Path(__file__).parents[3]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in os.environ:
        if name.startswith("ENTREPOT_"):
            monkeypatch.delenv(name)
    yield
    structlog.reset_defaults()  # commands have their log on stderr


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["entrepot", *arguments])
        capsys.readouterr()  # what the test itself has logged
        status = main()
        return status, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder as the first start leaves it."""
    home = tmp_path_factory.mktemp("instance") / "home"
    (home / "run").mkdir(parents=True)
    prepare(load({"home": str(home), "admin.password": "rosebud"}, {}).settings)
    return home


def test_the_version_is_printed_without_loading_anything_heavy() -> None:
    """What takes time are imports; a list of them does not depend on how busy the machine is."""
    code = (
        "import sys; sys.argv=['entrepot','version']; from entrepot.cli.main import main; main(); print(*sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()
    assert told[0] == f"entrepot {__version__}"
    loaded = {name.partition(".")[0] for name in told[1].split()}
    assert not loaded & {"typer", "rich", "structlog", "asyncio", "sqlalchemy", "granian", "msgspec", "sqlite3", "json"}


def test_the_program_is_also_a_module_of_python() -> None:
    done = subprocess.run([sys.executable, "-m", "entrepot", "servve"], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("entrepot: No such command 'servve'")


def test_the_supervisor_loads_next_to_nothing() -> None:
    code = "import sys; from entrepot.cli import supervise; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    loaded = {name.partition(".")[0] for name in told.split()}
    heavy = {"typer", "rich", "structlog", "asyncio", "sqlalchemy", "granian", "msgspec", "sqlite3", "ssl"}
    assert not loaded & heavy


@pytest.mark.parametrize(
    "modules", ["entrepot.background", "entrepot.cli.prepare", "entrepot.cluster.worker, entrepot.server"]
)
def test_the_processes_of_a_node_load_nothing_for_terminals_and_nothing_that_few_requests_need(modules: str) -> None:
    code = f"import sys, {modules}; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not {name.partition(".")[0] for name in told.split()} & {"rich", "pygments", "typer", "yaml"}


@pytest.mark.parametrize("arguments", [["version"], ["--version"], ["version", "--help"]])
def test_version_is_a_command(cli: Run, arguments: list[str]) -> None:
    status, out, _ = cli(*arguments)
    assert status == 0
    assert "ersion" in out or out == f"entrepot {__version__}\n"


def test_without_a_command_it_helps(cli: Run) -> None:
    status, out, err = cli()
    assert (status, err) == (0, "")
    assert all(name in out for name in ("serve", "settings", "version", "admin", "gc", "fsck"))


def test_every_setting_is_an_option_of_serve_and_has_its_help(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    status, out, _ = cli("serve", "--help")
    assert status == 0
    assert [row.flag for row in ROWS.values() if f"{row.flag} " not in out] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["servve"], "No such command"),
        (["serve", "--prot", "1"], "No such option"),
        (["serve", "--port", "x"], "--port must be a whole number"),
        (["serve", "now"], "unexpected extra argument"),
        (["settings", "--port", "0"], "--port must be a whole number"),
        (["settings", "--port", "1", "--port=2"], "entrepot: --port is given twice\n"),
        (["gc", "--check", "--home", "/nowhere", "--home", "/nowhere"], "entrepot: --home is given twice\n"),
        (["settings", "--admin-password", ""], "entrepot: --admin-password must be text of 1 to 1024 bytes"),
        (["gc"], "entrepot: say either --check or --repair"),
        (["gc", "--check", "--repair"], "entrepot: say either --check or --repair"),
        (["serve", "--home", "/nowhere/at/all", "--blob-store", "s3://b"], "bucket's name: 2 to 255 letters"),
        (["serve", "--home", "/nowhere/at/all", "--blob-store", "s4://b"], "blob.store (--blob-store, ENTREPOT_BLOB_STORE) is not"),
        (["serve", "--home", "/nowhere/at/all", "--blob-store", "s4://b"], "no kind 's4' of blob stores; write file:///srv/blobs"),
        (["serve", "--home", "/nowhere/at/all", "--blob-store", "pass:word"], "it names no kind of blob store; write file:///"),
        (["gc", "--check", "--home", "/nowhere"], "There is no instance in /nowhere"),
        (["fsck", "--home", "/nowhere"], "There is no instance in /nowhere"),
        (["admin", "reset-password", "--home", "/nowhere"], "There is no instance in /nowhere"),
    ],
)
def test_what_is_wrong_is_one_line_on_stderr(cli: Run, arguments: list[str], words: str) -> None:
    status, out, err = cli(*arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert err.startswith("entrepot: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "hint"), [("--prot", " (did you mean --port?)"), ("--bogus", ""), ("--quite-another", "")]
)
def test_an_unknown_option_is_told_with_a_known_one_only_where_that_is_near(cli: Run, option: str, hint: str) -> None:
    assert cli("serve", option, "1") == (2, "", f"entrepot: No such option: {option}{hint}\n")


def test_a_command_of_several_that_is_not_named_is_answered_by_their_help_alone(cli: Run) -> None:
    status, out, err = cli("admin")
    assert (status, err) == (2, "")
    assert "reset-password" in out


@pytest.mark.parametrize("command", [[], ["gc"], ["admin"], ["admin", "reset-password"]])
def test_the_help_names_no_value_for_options_that_take_none(cli: Run, command: list[str]) -> None:
    _, out, _ = cli(*command, "--help")
    assert "--help" in out
    assert "bool" not in out


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], {}),
        (["--port", "1", "--home=/h"], {"port": "1", "home": "/h"}),
        (["--settings", "/f", "--gc-grace-seconds=2"], {"settings": "/f", "gc.grace.seconds": "2"}),
        (["--node-id", "--port", "--port", "2"], {"node.id": "--port", "port": "2"}),
        (["--port="], {"port": ""}),
        (["--help"], None),
        (["--port"], None),
        (["--prot", "1"], None),
        (["now"], None),
    ],
)
def test_plain_flags_are_read_without_typer(arguments: list[str], found: dict[str, str] | None) -> None:
    assert plain_flags(arguments) == found


@pytest.mark.parametrize("arguments", [["--port", "8123"], ["--port=8123"]])
def test_serve_hands_over_the_same_settings_with_and_without_typer(
    cli: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    handed: list[tuple[dict[str, str], Path | None]] = []
    monkeypatch.setattr(serving, "serve", lambda flags, file: handed.append((dict(flags), file)))
    cli("serve", *arguments, "--settings", str(tmp_path))
    monkeypatch.setattr("entrepot.cli.main.plain_flags", lambda _arguments: None)
    cli("serve", *arguments, "--settings", str(tmp_path))
    assert handed == [({"port": "8123"}, tmp_path)] * 2


def test_the_settings_in_force_are_shown_with_where_they_come_from(
    cli: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("ENTREPOT_ADMIN_PASSWORD", "sesame")
    monkeypatch.setenv("ENTREPOT_DATABASE_URL", "postgresql://me:sesame@h/d")
    (tmp_path / "entrepot.toml").write_text("workers = 7")
    status, out, err = cli("settings", "--home", str(tmp_path), "--port", "9")
    assert (status, err) == (0, "")
    lines = {line.split()[0]: line.split()[:0:-1] for line in out.splitlines()}
    assert lines["port"] == ["9", "--port"]
    assert lines["workers"] == ["7", str(tmp_path / "entrepot.toml")]
    assert lines["admin.password"] == ["*****", "ENTREPOT_ADMIN_PASSWORD"]
    assert lines["database.url"] == ["postgresql://me:*****@h/d", "ENTREPOT_DATABASE_URL"]
    assert lines["host"] == ["127.0.0.1", "default"]
    status, out, _ = cli("settings", "--home", str(tmp_path), "--json")
    found = json.loads(out)
    assert list(found) == list(ROWS)
    assert found["workers"] == {"value": "7", "from": str(tmp_path / "entrepot.toml")}
    assert "sesame" not in out


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_what_a_running_node_was_started_with_otherwise_is_told_beside_the_settings_of_the_next_start(
    cli: Run, tmp_path: Path, form: list[str]
) -> None:
    (tmp_path / "run").mkdir()
    handed_over = run_folder(tmp_path) / HANDED_OVER
    handed_over.write_bytes(dump(load({"home": str(tmp_path), "port": "9", "admin.password": "sesame"}, {}).settings))
    lock = lock_home(tmp_path)
    status, out, err = cli("settings", "--home", str(tmp_path), *form)
    assert status == 0
    assert "8081" in out
    assert err == (
        f"entrepot: The node of {tmp_path} was started with other values of port, admin.password; "
        "shown is what the next start uses.\n"
    )
    handed_over.write_bytes(dump(load({"home": str(tmp_path)}, {}).settings))
    assert cli("settings", "--home", str(tmp_path), *form)[2] == ""
    os.close(lock)


def test_ping_asks_nobody_for_a_home_that_does_not_exist(
    cli: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pinging, "_asked", lambda _settings: 200)  # as another instance at the port would answer
    told = f"entrepot: There is no instance in {tmp_path}/typo; the home folder is named by --home DIR.\n"
    assert cli("ping", "--home", str(tmp_path / "typo")) == (1, "", told)
    monkeypatch.setenv("ENTREPOT_HOME", str(tmp_path / "typo"))
    assert cli("ping") == (1, "", told)
    monkeypatch.delenv("ENTREPOT_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli("ping") == (0, "", "")


def test_a_home_whose_name_means_something_in_a_url_is_a_home_like_any_other(cli: Run, tmp_path: Path) -> None:
    home = tmp_path / "100% #1?mode=rw"
    (home / "run").mkdir(parents=True)
    settings = load({"home": str(home), "admin.password": "rosebud"}, {}).settings
    prepare(settings)
    assert {file.name for file in home.iterdir()} >= {"entrepot.db", "write.lock"}
    assert list(tmp_path.iterdir()) == [home]
    assert located(settings.blob_store) == home / "blobs"
    (home / "blobs").mkdir()
    assert cli("gc", "--check", "--home", str(home))[0] == 0


def test_a_database_that_cannot_be_opened_is_told_in_one_line(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "entrepot.db").mkdir()
    status, _, err = cli("gc", "--check", "--home", str(tmp_path))
    assert (status, err.count("\n")) == (2, 1)
    assert f"The database {tmp_path}/entrepot.db cannot be opened: " in err


def test_a_master_key_of_the_environment_is_rotated(
    cli: Run, instance: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shutil.copytree(instance, tmp_path / "home")
    monkeypatch.setenv("ENTREPOT_MASTER_KEY", "0" * 64)
    assert "give the new one" in cli("admin", "rotate-master-key", "--home", str(home))[2]
    monkeypatch.setenv("ENTREPOT_NEW_MASTER_KEY", "1" * 64)
    status, out, err = cli("admin", "rotate-master-key", "--home", str(home))
    assert (status, err) == (0, "")
    assert "secrets are sealed with the new key" in out


def test_a_rotation_without_the_old_master_key_is_refused_and_makes_none(
    cli: Run, instance: Path, tmp_path: Path
) -> None:
    home = shutil.copytree(instance, tmp_path / "home")

    async def serve_once() -> None:
        database = await open_database(home, "")
        await unlocked(database, home)
        await database.close()

    asyncio.run(serve_once())
    (home / "master.key").unlink()
    status, _, err = cli("admin", "rotate-master-key", "--home", str(home))
    assert (status, err.count("\n")) == (2, 1)
    assert "sealed with a master key that is not here" in err
    assert not (home / "master.key").exists()


def test_a_private_file_that_cannot_be_written_leaves_no_draft_and_a_written_one_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def sync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        write_private(tmp_path / "secret", b"1")
        assert synced == [(tmp_path / "secret").stat().st_ino, tmp_path.stat().st_ino]
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_private(tmp_path / "secret", b"2")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("secret", b"1")]


def test_the_reference_page_is_what_the_table_says(cli: Run) -> None:
    page = CHECKOUT / "docs" / "reference" / "settings.md"
    assert page.read_text() == reference(), "run: entrepot settings --markdown > docs/reference/settings.md"
    assert cli("settings", "--markdown") == (0, reference(), "")


def test_every_setting_has_a_heading_in_the_reference() -> None:
    assert [line[3:] for line in reference().splitlines() if line.startswith("## ")] == list(ROWS)


FOUND = Inspection(
    blobs=3,
    bytes=30,
    orphan_count=1,
    orphan_bytes=9,
    missing_count=1,
    missing=[Finding(1, "sha256:ab", 5, "k", "the object is missing", ("docker-local/a/b",))],
    repaired=1,
)

Work = Callable[..., Awaitable[Inspection]]


def inspection_that_finds(found: Inspection) -> Work:
    async def inspect(
        _database: object, _driver: object, *, repair: bool = False, progress: object = None
    ) -> Inspection:
        assert callable(progress)
        progress(1, 3)
        return found if repair else replace(found, repaired=0)

    return inspect


@pytest.mark.parametrize("command", [["gc", "--check"], ["gc", "--repair"], ["fsck"]])
@pytest.mark.parametrize(("found", "status"), [(Inspection(blobs=2, bytes=20), 0), (FOUND, 1)])
def test_an_inspection_ends_with_1_when_it_found_something(
    cli: Run, monkeypatch: pytest.MonkeyPatch, instance: Path, command: list[str], found: Inspection, status: int
) -> None:
    for name in ("check", "fsck"):
        monkeypatch.setattr(inspection, name, inspection_that_finds(found))
    code, out, err = cli(*command, "--home", str(instance))
    assert (code, err) == (status, "")
    repaired = ["mended: 1\n", "Push these images"] if "--repair" in command else ["Restore these files", "with --repair"]
    found_words = ["bytes are missing: 1 blob\n", "sha256:ab", "docker-local/a/b", *repaired]
    assert all(word in out for word in (found_words if status else ["clean"]))
    code, out, _ = cli(*command, "--home", str(instance), "--json")
    assert code == status
    assert json.loads(out)["missing_count"] == found.missing_count


@pytest.mark.parametrize("command", [["gc", "--check"], ["fsck"]])
def test_an_inspection_tells_how_many_blobs_are_in_the_database_and_in_no_file(
    cli: Run, monkeypatch: pytest.MonkeyPatch, instance: Path, command: list[str]
) -> None:
    for name in ("check", "fsck"):
        monkeypatch.setattr(inspection, name, inspection_that_finds(Inspection(blobs=12, in_database=11, bytes=1234)))
    _, out, _ = cli(*command, "--home", str(instance))
    assert out == "12 blobs of 1,234 bytes inspected, 11 of them kept in the database\nclean\n"


@pytest.mark.parametrize("command", ["gc", "fsck"])
def test_a_repair_that_could_mend_nothing_is_not_advised_once_more(
    cli: Run, monkeypatch: pytest.MonkeyPatch, instance: Path, command: str
) -> None:
    given_up = Finding(1, "sha256:ab", 5, None, "it has no bytes", ())
    unreadable = Finding(2, "sha256:cd", 5, "k", "the bytes cannot be read: slow down", ())
    found = Inspection(
        blobs=2, missing_count=1, missing=[given_up], given_up=1, corrupt_count=1, corrupt=[unreadable], unreadable=1
    )
    for name in ("check", "fsck"):
        monkeypatch.setattr(inspection, name, inspection_that_finds(found))
    code, out, _ = cli(command, "--repair", "--home", str(instance))
    assert code == 1
    assert "--repair" not in out
    assert all(words in out for words in ("given up by an earlier repair", "Push these images", "readable tomorrow"))


@pytest.mark.parametrize("command", [["gc", "--check"], ["gc", "--repair"], ["fsck"]])
def test_what_was_given_up_before_is_not_called_a_failure_and_needs_a_push_and_no_repair(
    cli: Run, monkeypatch: pytest.MonkeyPatch, instance: Path, command: list[str]
) -> None:
    given_up = Finding(1, "sha256:ab", 5, None, "it has no bytes", ())
    for name in ("check", "fsck"):
        found = Inspection(blobs=2, missing_count=1, missing=[given_up], given_up=1)
        monkeypatch.setattr(inspection, name, inspection_that_finds(found))
    _, out, _ = cli(*command, "--home", str(instance))
    assert "given up by an earlier repair, and not pushed since: 1 blob\nPush these images" in out
    assert not any(words in out for words in ("Nothing could", "--repair", "clean"))


def test_what_waits_for_its_grace_time_is_told_also_where_all_is_clean(
    cli: Run, monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    waiting = Inspection(blobs=2, bytes=20, waiting_count=3, waiting_until=1_800_000_000_000)
    monkeypatch.setattr(inspection, "check", inspection_that_finds(waiting))
    code, out, _ = cli("gc", "--repair", "--home", str(instance))
    assert code == 0
    told = "in the grace time: 3 objects that nothing names any more; a running server deletes them by itself, the last after"
    assert out.splitlines()[1:] == [f"{told} 2027-01-15 08:00 UTC", "clean"]


def test_real_inspections_of_a_new_instance_are_clean(cli: Run, instance: Path) -> None:
    (instance / "blobs").mkdir(exist_ok=True)
    assert cli("gc", "--check", "--home", str(instance))[0] == 0
    assert cli("fsck", "--home", str(instance))[0] == 0


def use_store(instance: Path, url: str) -> Settings:
    """Do what a start does that is told of a blob store."""
    settings = load({"home": str(instance), "blob.store": url}, {}).settings

    async def note() -> None:
        database = await open_database(settings.home, "")
        try:
            await database.transact(lambda tx: note_store(tx, settings.blob_store, settings.home))
        finally:
            await database.close()

    asyncio.run(note())
    return settings


@pytest.mark.parametrize("command", [["gc", "--check"], ["fsck"]])
def test_an_inspection_looks_where_the_last_start_kept_the_blobs_and_nowhere_else(
    cli: Run, instance: Path, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "there" / "w" / "2026112800").mkdir(parents=True)
    (tmp_path / "there" / "w" / "2026112800" / "orphan").write_bytes(b"x")
    use_store(instance, f"file://{tmp_path}/there")
    code, out, _ = cli(*command, "--home", str(instance))
    assert (code, "orphan" in out) == ((1, True) if "gc" in command else (0, False))
    code, _, err = cli(*command, "--home", str(instance), "--blob-store", f"file://{tmp_path}/elsewhere")
    assert code == 2
    assert f"are in file://{tmp_path}/there" in err
    use_store(instance, f"file://{instance}/blobs")
    assert cli(*command, "--home", str(instance))[0] == 0


def test_the_store_in_the_home_folder_is_where_the_home_folder_is(cli: Run, instance: Path, tmp_path: Path) -> None:
    use_store(instance, f"file://{instance}/blobs")
    shutil.copytree(instance, tmp_path / "moved")
    (tmp_path / "moved" / "blobs").mkdir(exist_ok=True)
    assert cli("gc", "--check", "--home", str(tmp_path / "moved"))[0] == 0


def test_a_command_means_the_database_and_the_store_of_the_node_that_serves(
    instance: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = {"home": str(instance), "blob.store": "s3://b/x", "s3.access.key": "me", "s3.secret.key": "sesame"}
    settings = load(flags, {}).settings
    handed_over = run_folder(instance) / HANDED_OVER
    handed_over.write_bytes(dump(settings))
    lock = lock_home(instance)
    try:
        found = existing({"home": str(instance)}, None)
        assert (found.blob_store, found.s3_secret_key) == ("s3://b/x", Secret("sesame"))
        monkeypatch.setenv("ENTREPOT_BLOB_STORE", f"file://{tmp_path}")
        assert existing({"home": str(instance)}, None).blob_store == f"file://{tmp_path}"
        handed_over.write_text("{")
        assert existing({"home": str(instance)}, None).home == instance
    finally:
        os.close(lock)
        handed_over.unlink()


def test_what_a_killed_node_left_is_not_believed(instance: Path) -> None:
    handed_over = run_folder(instance) / HANDED_OVER
    handed_over.write_bytes(dump(load({"home": str(instance), "blob.store": "s3://b/x"}, {}).settings))
    try:
        lock = lock_home(instance)
        assert running(instance) is not None
        os.close(lock)
        assert running(instance) is None
        os.close(lock_home(instance))
    finally:
        handed_over.unlink()


def test_a_home_whose_database_is_elsewhere_says_which_and_how_to_name_it(
    cli: Run, monkeypatch: pytest.MonkeyPatch, instance: Path, tmp_path: Path
) -> None:
    home = shutil.copytree(instance, tmp_path / "home")  # it began with the database in it, which is out of date by now
    url = "postgresql://me:sesame@db.example.org/entrepot?sslpassword=sesame"
    moved = load({"home": str(home), "database.url": url}, {}).settings
    with monkeypatch.context() as patch:
        patch.setattr(preparing, "_found", lambda _settings: (HEAD, True))
        prepare(moved)
    told = (
        f"entrepot: The database of {home} is postgresql://me:*****@db.example.org/entrepot?sslpassword=*****; "
        "name it, with its password, by --database-url, ENTREPOT_DATABASE_URL or --settings FILE.\n"
    )
    for command in (["gc", "--check"], ["fsck"], ["admin", "reset-password"]):
        assert cli(*command, "--home", str(home)) == (2, "", told)
    back = load({"home": str(home)}, {}).settings
    assert serving.needs_preparing(back)
    prepare(back)
    assert not serving.needs_preparing(back)
    assert existing({"home": str(home)}, None).database_url == ""


def test_a_disk_without_room_is_told_in_one_line(cli: Run, monkeypatch: pytest.MonkeyPatch, instance: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/var/lib/entrepot/run")

    monkeypatch.setattr(serving, "prepare_home", full)
    code, out, err = cli("serve", "--home", str(instance))
    assert (code, out, err) == (2, "", "entrepot: /var/lib/entrepot/run: No space left on device\n")


@pytest.mark.parametrize(
    ("arguments", "environment", "refusal"),
    [
        ([], {}, "there are no keys for the blob store at http://127.0.0.1:1: set s3.access.key and s3.secret.key"),
        ([], {"AWS_ACCESS_KEY_ID": "me"}, "there are no keys for the blob store"),
        (["--s3-access-key", "me"], {}, "s3.access.key and s3.secret.key must be set together"),
        (["--s3-access-key", "me", "--s3-secret-key", "sesame"], {}, ""),
        ([], {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "sesame"}, ""),
        ([], {"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token"}, ""),
        ([], {"AWS_SKIP_SIGNATURE": "true"}, ""),
        ([], {"AWS_METADATA_ENDPOINT": "http://169.254.169.254"}, ""),
    ],
)
def test_a_bucket_elsewhere_than_at_aws_without_keys_is_refused_before_anything_is_made(
    cli: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], environment: dict[str, str],
    refusal: str,
) -> None:  # fmt: skip
    home = tmp_path / "home"

    def stop(_home: Path) -> None:
        raise Invalid("it would start")

    monkeypatch.setattr(serving, "prepare_home", stop)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    store = "s3://buck?endpoint=http://127.0.0.1:1"
    code, _, err = cli("serve", "--home", str(home), "--blob-store", store, *arguments)
    assert (code, err.count("\n"), home.exists()) == (2, 1, False)
    assert err.startswith(f"entrepot: {refusal or 'it would start'}")
    assert ("AWS_METADATA_ENDPOINT" in err) == ("no keys" in refusal)


@pytest.mark.parametrize("endpoint", ["", "?endpoint=https://s3-fips.us-east-1.amazonaws.com"])
def test_a_bucket_at_aws_needs_no_keys_where_the_machine_has_a_role(endpoint: str) -> None:
    place = located(f"s3://buck{endpoint}")
    assert isinstance(place, S3Place)
    assert not place.is_elsewhere


def test_memory_is_no_store_for_several_processes(cli: Run, instance: Path) -> None:
    code, _, err = cli("serve", "--home", str(instance), "--blob-store", "memory:")
    assert (code, "is of one process" in err) == (2, True)


def test_a_reset_is_of_one_user(cli: Run, instance: Path) -> None:
    code, _, err = cli("admin", "reset-password", "admin", "--user", "rita", "--home", str(instance))
    assert (code, err) == (2, "entrepot: one user at a time: admin or rita\n")


def typed(line: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(line))


def test_only_admin_is_let_in_again_by_a_reset_and_anonymous_has_no_password(instance: Path) -> None:
    settings = load({"home": str(instance)}, {}).settings
    database = instance / "entrepot.db"
    with sqlite3.connect(database) as changed:
        changed.execute("UPDATE account SET disabled = 1 WHERE name = 'admin'")
    assert asyncio.run(resetting.reset_password(settings, "ADMIN", "Fresh-pass-1")) == "admin"
    with sqlite3.connect(database) as found:
        assert found.execute("SELECT disabled FROM account WHERE name = 'admin'").fetchone() == (0,)
    with pytest.raises(Invalid, match="has no password"):
        asyncio.run(resetting.reset_password(settings, "anonymous", "Fresh-pass-1"))


def test_a_password_is_reset_to_a_random_one_that_is_shown_once(
    cli: Run, monkeypatch: pytest.MonkeyPatch, instance: Path
) -> None:
    given: list[tuple[str, str]] = []

    async def reset(_settings: Settings, user: str, password: str) -> str:
        if user == "nobody":
            raise NotFound("There is no user nobody.")
        given.append((user.lower(), password))
        return user.lower()

    monkeypatch.setattr(resetting, "reset_password", reset)
    kept = instance / "admin.password"
    kept.write_text("the first one")
    assert cli("admin", "reset-password", "bea", "--home", str(instance))[0] == 0
    assert given.pop()[0] == "bea"
    assert kept.exists()
    status, out, _ = cli("admin", "reset-password", "--home", str(instance))
    assert status == 0
    assert not kept.exists()  # it opens nothing any more
    [(user, password)] = given
    assert user == "admin"
    assert len(password) == 24
    assert out == f"The new password of admin: {password}\n"

    monkeypatch.setattr(sys, "stdin", typed(b"from a file\n"))
    status, out, _ = cli("admin", "reset-password", "--home", str(instance), "--user", "ann", "--password-stdin")
    assert (status, given[-1]) == (0, ("ann", "from a file"))
    assert "from a file" not in out

    monkeypatch.setattr(sys, "stdin", typed(b"\n"))
    assert cli("admin", "reset-password", "--home", str(instance), "--password-stdin")[0] == 2
    monkeypatch.setattr(sys, "stdin", typed(b"\xff\n"))
    assert cli("admin", "reset-password", "--home", str(instance), "--password-stdin")[2].endswith("must be UTF-8.\n")
    monkeypatch.setattr(sys, "stdin", None)
    assert "no standard input" in cli("admin", "reset-password", "--home", str(instance), "--password-stdin")[2]
    assert cli("admin", "reset-password", "\udcff", "--home", str(instance))[0] == 2
    kept.write_text("the first one")
    assert cli("admin", "reset-password", "Admin", "--home", str(instance))[0] == 0
    assert not kept.exists()
    status, _, err = cli("admin", "reset-password", "--home", str(instance), "--user", "nobody")
    assert (status, err) == (2, "entrepot: There is no user nobody.\n")


def test_the_help_shows_every_setting_with_its_default_and_what_it_takes(
    cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    _, out, _ = cli("serve", "--help")
    told = " ".join(out.replace("│", " ").split())
    for row in ROWS.values():
        assert f"{row.flag} {row.kind.placeholder} " in told
    assert "The port to listen on. [default: 8081]" in told
    assert "--version" in cli()[1]


def test_a_damaged_database_is_told_in_one_line(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "entrepot.db").write_text("junk\n")
    for arguments in (["serve"], ["gc", "--check"], ["admin", "reset-password"]):
        status, _, err = cli(*arguments, "--home", str(tmp_path))
        assert (status, err.count("\n")) == (2, 1)
        assert "entrepot.db is damaged" in err


def test_an_interrupted_command_ends_with_130(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_flags: object, _file: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(serving, "serve", interrupt)
    assert cli("serve")[0] == 130


def test_output_that_nobody_reads_any_more_is_no_error_of_ours() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")}
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "entrepot.cli.main", "settings", "--markdown"],
        env=environment, stdout=write, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(write)
    assert "Traceback" not in done.stderr


class TestPreparing:
    def settings(self, home: Path, **more: str) -> Settings:
        (home / "run").mkdir(parents=True, exist_ok=True)
        return load({"home": str(home), **more}, {}).settings

    def test_a_new_instance_gets_a_password_that_is_kept_for_its_owner_only(self, tmp_path: Path) -> None:
        settings = self.settings(tmp_path)
        assert serving.needs_preparing(settings)
        prepare(settings)
        assert not serving.needs_preparing(settings)
        file = tmp_path / "admin.password"
        assert file.stat().st_mode & 0o777 == 0o600
        assert len(file.read_text().strip()) == 24

    def test_a_given_password_is_not_written_down(self, tmp_path: Path) -> None:
        prepare(self.settings(tmp_path, **{"admin.password": "rosebud"}))
        assert not (tmp_path / "admin.password").exists()

    def test_preparing_again_changes_nothing_and_promises_no_password_that_opens_nothing(self, tmp_path: Path) -> None:
        settings = self.settings(tmp_path)
        prepare(settings)
        first = (tmp_path / "admin.password").read_text()
        prepare(settings)
        assert (tmp_path / "admin.password").read_text() == first
        (tmp_path / "admin.password").unlink()
        prepare(settings)
        assert not (tmp_path / "admin.password").exists()

    def test_a_password_that_was_made_before_a_crash_is_the_one_that_opens(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[str] = []

        async def fill(_database: object, password: str) -> bool:
            opened.append(password)
            return True

        monkeypatch.setattr(first_contents, "fill", fill)
        settings = self.settings(tmp_path)
        prepare(settings)
        prepare(settings)
        assert opened == [(tmp_path / "admin.password").read_text().strip()] * 2

    def test_a_database_of_a_newer_version_is_refused(self, tmp_path: Path, cli: Run) -> None:
        settings = self.settings(tmp_path)
        prepare(settings)
        with sqlite3.connect(tmp_path / "entrepot.db") as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
        status, _, err = cli("serve", "--home", str(tmp_path))
        assert status == 2
        assert err == (
            f"entrepot: The database was made by a newer version (schema 9999); this one works with {HEAD}. "
            "Install that version.\n"
        )
