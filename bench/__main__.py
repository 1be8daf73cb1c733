"""`python -m bench`: measure and print."""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from bench import machine
from bench.client import Client
from bench.content import Content
from bench.distribution import Distribution
from bench.nginx import Nginx
from bench.ours import Ours
from bench.report import Report
from bench.rows import Rows
from bench.run import run_rows, start_all
from bench.values import Failed, Plan, Row, Server

SERVERS = ("ours", "distribution", "nginx")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, 10,000 instead of 100,000 entries")
    parser.add_argument("--rows", metavar="NAME,...", help="only these rows")
    parser.add_argument("--servers", metavar="NAME,...", default=",".join(SERVERS), help="only these servers")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every sample as JSON")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write the table as Markdown")
    parser.add_argument("--workers", type=int, metavar="N", help="for `entrepot serve`; its own default otherwise")
    parser.add_argument("--rounds", type=int, metavar="N", help="measurements per cell, of which the median counts")
    parser.add_argument("--scratch", metavar="DIR", type=Path, help="where the folders of the servers are made")
    parser.add_argument("--keep", action="store_true", help="leave the scratch folder, with the logs of the servers")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    return parser.parse_args()


def make_plan(asked: argparse.Namespace, scratch: Path) -> Plan:
    rounds = asked.rounds or (1 if asked.quick else 3)
    if asked.quick:
        return Plan(2, 0.5, rounds, 10_000, 8, scratch, asked.workers)
    return Plan(5, 1, rounds, 100_000, 16, scratch, asked.workers)


def choose(rows: tuple[Row, ...], names: str | None) -> list[Row]:
    wanted = names.split(",") if names else [row.name for row in rows]
    if unknown := set(wanted) - {row.name for row in rows}:
        raise Failed(f"no such row: {', '.join(sorted(unknown))}; --list names them")
    return [row for row in rows if row.name in wanted]


def make_servers(plan: Plan, client: Client, content: Content, names: str) -> list[Server]:
    wanted = names.split(",")
    if unknown := set(wanted) - set(SERVERS):
        raise Failed(f"no such server: {', '.join(sorted(unknown))}; there are {', '.join(SERVERS)}")
    every: tuple[Server, ...] = (Ours(plan, client, content), Distribution(plan, content), Nginx(plan))
    return [server for server in every if server.key in wanted]


def bench(asked: argparse.Namespace, scratch: Path) -> bool:
    """Run it all and print; give whether everything worked."""
    plan = make_plan(asked, scratch)
    client, content = Client(plan), Content()
    rows = Rows(plan, client, content).all()
    if asked.list:
        print("\n".join(f"{row.name:24}{row.title} ({row.unit})" for row in rows))
        return True
    chosen = choose(rows, asked.rows)
    servers = make_servers(plan, client, content, asked.servers)
    try:
        running, absent, broken = start_all(servers)
        titles = {server.key: server.title for server in servers}
        manner = f"Load from {client.name}, median of {plan.rounds} rounds of {plan.seconds:g} s"
        report = Report(machine.describe(scratch), manner, titles, absent)
        run_rows(chosen, running, plan.rounds, report)
    finally:
        for server in servers:
            server.stop()
    publish(report, asked)
    return not (report.failed or broken)


def publish(report: Report, asked: argparse.Namespace) -> None:
    print(f"\n{report.text()}\n\n{report.markdown()}")
    if asked.json:
        asked.json.write_text(report.document() + "\n")
    if asked.markdown:
        asked.markdown.write_text(report.markdown() + "\n")


def main() -> int:
    asked = options()
    # Asked to end, it still stops the servers and removes what they wrote.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    scratch = Path(tempfile.mkdtemp(prefix="entrepot-bench-", dir=asked.scratch)).resolve()
    try:
        return 0 if bench(asked, scratch) else 1
    except Failed as reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    finally:
        if asked.keep:
            print(f"kept {scratch}", file=sys.stderr)
        else:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
