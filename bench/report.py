"""Say what was measured: a line as each row ends, a table, the same as Markdown, and JSON with every sample."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from bench.values import Cell, Goal, Row

Results = dict[str, dict[str, Cell]]


@dataclass(slots=True)
class Report:
    """Rows by servers: `titles` names the columns, `absent` says why a column is empty."""

    machine: str
    plan: str
    titles: Mapping[str, str]
    absent: Mapping[str, str]
    rows: list[Row] = field(default_factory=list)
    results: Results = field(default_factory=dict)

    def add(self, row: Row, cells: dict[str, Cell]) -> None:
        self.rows.append(row)
        self.results[row.name] = cells

    @property
    def failed(self) -> bool:
        return any(cell.error for cells in self.results.values() for cell in cells.values())

    def value(self, row: str, server: str) -> float | None:
        cell = self.results.get(row, {}).get(server)
        return cell.median.value if cell and cell.median else None

    def ratio(self, row: Row, server: str) -> float | None:
        ours, theirs = self.value(row.name, "ours"), self.value(row.name, server)
        return ours / theirs if ours is not None and theirs else None

    def reached(self, row: Row) -> float | None:
        """Give ours as a multiple of what the goal compares with."""
        if row.goal is None:
            return None
        if row.goal.server:
            return self.ratio(row, row.goal.server)
        ours, before = self.value(row.name, "ours"), self.value(row.goal.row or "", "ours")
        return ours / before if ours is not None and before else None

    def heads(self) -> list[str]:
        peers = [key for key in self.titles if key != "ours"]
        ratios = [f"÷ {key}" for key in peers if "ours" in self.titles]
        return ["row", "unit", *self.titles.values(), *ratios, "to reach", "ours p50 / p99 ms", "CPU, µs each"]

    def line(self, row: Row) -> list[str]:
        cells = self.results[row.name]
        peers = [key for key in self.titles if key != "ours"]
        ratios = [times(self.ratio(row, key)) for key in peers if "ours" in self.titles]
        return [
            row.title,
            row.unit,
            *(show(cells.get(key)) for key in self.titles),
            *ratios,
            self.verdict(row),
            latency(cells.get("ours")),
            " : ".join(spent(cells.get(key)) for key in self.titles),
        ]

    def verdict(self, row: Row) -> str:
        if row.goal is None:
            return ""
        reached = self.reached(row)
        mark = "" if reached is None else " ok" if reached >= row.goal.factor else " MISSED"
        return f"{name_goal(row.goal)}{mark}"

    def text(self) -> str:
        table = [self.heads(), *(self.line(row) for row in self.rows)]
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
        ]
        lines.insert(1, "-" * len(lines[0]))
        return "\n".join([*self.preamble(), "", *lines, *self.errors()])

    def markdown(self) -> str:
        table = [self.heads(), *(self.line(row) for row in self.rows)]
        lines = ["| " + " | ".join(line) + " |" for line in table]
        lines.insert(1, "|" + "---|" * len(table[0]))
        return "\n".join(["\n\n".join(self.preamble()), "", *lines, *self.errors()])

    def preamble(self) -> list[str]:
        return [
            f"Machine: {self.machine}.",
            f"{self.plan}.",
            *(f"No {key}: {why}." for key, why in self.absent.items()),
        ]

    def errors(self) -> list[str]:
        told = [
            f"{name}, {key}: {cell.error}"
            for name, cells in self.results.items()
            for key, cell in cells.items()
            if cell.error
        ]
        return ["", "Failed:", *(f"- {line}" for line in told)] if told else []

    def document(self) -> str:
        rows = [
            {
                "name": row.name,
                "title": row.title,
                "unit": row.unit,
                "goal": asdict(row.goal) if row.goal else None,
                "reached": self.reached(row),
                "cells": {key: asdict(cell) for key, cell in self.results[row.name].items()},
            }
            for row in self.rows
        ]
        heading = {
            "machine": self.machine,
            "plan": self.plan,
            "servers": dict(self.titles),
            "absent": dict(self.absent),
        }
        return json.dumps({**heading, "rows": rows}, indent=2)


def show(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    if cell.error:
        return "error"
    return number(cell.median.value) if cell.median else "-"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(ratio: float | None) -> str:
    return f"{ratio:.2f}" if ratio is not None else "-"


def latency(cell: Cell | None) -> str:
    sample = cell.median if cell else None
    if sample is None or sample.p50 is None or sample.p99 is None:
        return "-"
    return f"{sample.p50:.2f} / {sample.p99:.2f}"


def spent(cell: Cell | None) -> str:
    sample = cell.median if cell else None
    return f"{sample.cpu:,.0f}" if sample and sample.cpu is not None else "-"


def name_goal(goal: Goal) -> str:
    return f"{goal.factor:g} x {goal.server or goal.row}"


def padded(cells: Sequence[str], width: int = 14) -> str:
    return "  ".join(cell.rjust(width) for cell in cells)
