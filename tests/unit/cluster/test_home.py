"""The home folder: closed to others, and never taken away from them."""

import stat
from pathlib import Path

import pytest

from entrepot.cluster import home as homes
from entrepot.cluster.home import HomeUnusable, prepare_home


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o711, 0o1777, 0o1700])
def test_a_folder_of_files_that_others_may_use_is_refused_and_left_as_it_was(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "shared"
    (home / "run").mkdir(parents=True)
    (home / "letter").touch()
    home.chmod(mode)
    with pytest.raises(HomeUnusable, match="no instance, and holds files that others may use; name an empty or a new"):
        prepare_home(home)
    assert stat.S_IMODE(home.stat().st_mode) == mode
    assert {entry.name for entry in home.iterdir()} == {"run", "letter"}


def test_a_folder_of_files_that_belongs_to_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "letter").touch()
    tmp_path.chmod(0o700)
    monkeypatch.setattr(homes.os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(HomeUnusable):
        prepare_home(tmp_path)


@pytest.mark.parametrize(
    "names",
    [[], ["lost+found"], ["blobs", "logs", "run"], ["letter", "entrepot.db"], ["letter", "entrepot.toml"],
     ["letter", "instance.lock"]],
)  # fmt: skip
def test_an_empty_folder_and_an_instance_are_closed_to_others_and_used(tmp_path: Path, names: list[str]) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    for name in names:
        (home / name).mkdir() if "." not in name else (home / name).touch()
    prepare_home(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_folder_of_files_that_only_we_may_use_is_used(tmp_path: Path) -> None:
    (tmp_path / "letter").touch()
    tmp_path.chmod(0o700)
    prepare_home(tmp_path)
    assert (tmp_path / "logs").is_dir()
