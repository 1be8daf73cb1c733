"""What a process of a node gets from the one that starts it."""

from pathlib import Path

import pytest

from entrepot.cluster import processes


def test_no_setting_goes_into_the_environment_of_a_process_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENTREPOT_ADMIN_PASSWORD", "ENTREPOT_LDAP_TEST_PASSWORD", "ENTREPOT_TEST_HASTE", "A_TEST_OF_OURS"):
        monkeypatch.setenv(name, "x")
    kept = processes._environment(Path("run"))
    assert {name for name in kept if name.startswith("ENTREPOT_")} == {"ENTREPOT_TEST_HASTE"}
    assert kept["A_TEST_OF_OURS"] == "x"
