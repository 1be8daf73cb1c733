"""Who else runs under the id of this node."""

import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from entrepot.cluster.namesakes import Namesakes, label
from entrepot.metadata.database import Database
from entrepot.settings import Settings
from entrepot.settings_sources import load
from tests.stores import database, engine, postgres_engine, postgres_server, sqlite_engine, write  # noqa: F401

SECOND = 1_000
BEGAN = 1_700_000_000_000


def settings(home: str, node: str = "node1") -> Settings:
    return load({"home": home, "node.id": node}, {}).settings


async def writes(database: Database, node: str, *, started: int, heartbeat: int) -> None:  # noqa: F811
    await write(
        database,
        "INSERT INTO writer (id, node, started, heartbeat) VALUES (:id, :node, :started, :heartbeat)",
        id=f"{node} {started}", node=node, started=BEGAN + started, heartbeat=BEGAN + heartbeat,
    )  # fmt: skip


async def found(database: Database) -> list[dict[str, object]]:  # noqa: F811
    namesakes = Namesakes(database, settings("/srv/home"), BEGAN)
    with capture_logs() as logs:
        await namesakes.round()
        await namesakes.round()
    return [dict(line) for line in logs]


@pytest.mark.parametrize(
    ("home", "started"),
    [("/srv/other", -3600 * SECOND), ("/srv/other", 5 * SECOND), ("/srv/home", -3600 * SECOND)],  # a copied machine
)
async def test_another_node_that_works_under_our_id_is_told_once_with_both_places(
    database: Database,  # noqa: F811
    home: str,
    started: int,
) -> None:
    for number in range(3):
        await writes(database, label(settings(home)), started=started + number, heartbeat=20 * SECOND)
    host = socket.gethostname()
    line = {"event": "node.id.not_unique", "log_level": "warning", "node": "node1"}
    assert await found(database) == [{**line, "here": f"{host}:/srv/home", "there": f"{host}:{home}"}]


async def test_our_own_processes_and_what_was_killed_and_nodes_of_another_id_are_no_namesakes(
    database: Database,  # noqa: F811
) -> None:
    await writes(database, label(settings("/srv/home")), started=SECOND, heartbeat=20 * SECOND)
    await writes(database, label(settings("/srv/home")), started=-60 * SECOND, heartbeat=SECOND // 2)
    await writes(database, label(settings("/srv/container")), started=-60 * SECOND, heartbeat=-2 * SECOND)
    await writes(database, label(settings("/srv/home", "node2")), started=-60 * SECOND, heartbeat=20 * SECOND)
    assert await found(database) == []


def test_a_label_names_the_id_and_the_place(tmp_path: Path) -> None:
    assert label(settings(f"{tmp_path}/a b")) == f"node1 {socket.gethostname()}:{tmp_path}/a b"
