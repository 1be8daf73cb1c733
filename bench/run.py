"""Start the servers, go through the rows, stop the servers."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from bench import machine
from bench.report import Report, padded, show
from bench.values import Cell, Failed, Row, Sample, Server, Unable


def start_all(servers: Sequence[Server]) -> tuple[list[Server], dict[str, str], bool]:
    """Start what can be started; give those, why others are missing, and whether one should have started."""
    running: list[Server] = []
    absent: dict[str, str] = {}
    broken = False
    for server in servers:
        try:
            server.start()
        except Unable as reason:
            absent[server.key] = str(reason)
        except Failed as reason:
            absent[server.key] = f"did not start: {reason}"
            broken = True
            server.stop()
        else:
            running.append(server)
    return running, absent, broken


def run_rows(rows: Sequence[Row], servers: Sequence[Server], rounds: int, report: Report) -> None:
    neighbours = machine.Neighbours()
    print(padded(["", *report.titles.values()], 28), flush=True)
    for row in rows:
        cells = run_row(row, servers, 1 if row.once else rounds, neighbours)
        report.add(row, cells)
        print(padded([row.name, *(show(cells.get(key)) for key in report.titles)], 28), flush=True)
        for key, cell in cells.items():
            if cell.error:
                print(f"    {key}: {cell.error}", flush=True)
    report.plan += f"; {neighbours.describe()}"


def run_row(row: Row, servers: Sequence[Server], rounds: int, neighbours: machine.Neighbours) -> dict[str, Cell]:
    """Measure one server after another, round by round (A B C A B C); a failure ends that server's part of the row."""
    able = [server for server in servers if server.is_registry or not row.registries_only]
    cells = {server.key: prepared(row, server) for server in able}
    roots = [server.pid for server in servers if alive(server)]
    for _ in range(rounds):
        for server in able:
            if cells[server.key].error is None:
                if row.writes:
                    os.sync()
                machine.settle(roots)
                cells[server.key] = measured(row, server, cells[server.key], lambda step: neighbours.watch(roots, step))
    return cells


def alive(server: Server) -> bool:
    try:
        return server.pid > 0
    except Failed:
        return False


def prepared(row: Row, server: Server) -> Cell:
    return guarded(lambda: row.prepare(server)) or Cell()


def measured(row: Row, server: Server, cell: Cell, watch: Callable[[Callable[[], None]], None]) -> Cell:
    taken: list[Sample] = []

    def measure() -> None:
        before = machine.cpu_seconds([server.pid])
        sample = row.measure(server)
        spent = machine.cpu_seconds([server.pid]) - before
        taken.append(replace(sample, cpu=1e6 * spent / sample.operations) if sample.operations else sample)

    failed = guarded(lambda: watch(measure))
    return failed or replace(cell, samples=(*cell.samples, *taken))


def guarded(step: Callable[[], None]) -> Cell | None:
    """Turn whatever goes wrong in one cell into its text: the other cells must still be measured."""
    try:
        step()
    except Failed as reason:
        return Cell(error=str(reason))
    except Exception as reason:  # noqa: BLE001 - shown in the cell, and the run ends with status 1
        return Cell(error=f"{type(reason).__name__}: {reason}")
    return None
