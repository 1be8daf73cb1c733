"""Durable work on a table of our own, for both engines: leases, fencing, retries with backoff (reference A11).

A job is claimed with a lease and an epoch; whoever finishes it must still hold that epoch. A worker that ends gives its job
back, one that dies lets the lease run out, and another takes over: so handlers do their work in steps that may be repeated.
A job that fails too often, or takes its workers with it, is kept as failed. Unknown kinds wait for a process that knows them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
import structlog

from entrepot.errors import EntrepotError, Unavailable
from entrepot.metadata.database import Database, Reads, Tx
from entrepot.metadata.sql import sql

log = structlog.get_logger()

_LEASE = 300_000  # ms; handlers work in steps far shorter than this and renew
_RENEWED = 60.0  # seconds
_BACKOFF = 5_000  # ms, doubled with each attempt
_LONGEST_BACKOFF = 3600_000
_LISTED = 1000

_ADD = sql("""
INSERT INTO job (kind, version, payload, state, run_after, attempts, max_attempts, epoch, dedup, created)
VALUES (:kind, :version, :payload, 'queued', {now} + :delay, 0, :max_attempts, 0, :dedup, {now})
ON CONFLICT (dedup) DO UPDATE SET state = 'queued', payload = excluded.payload, run_after = excluded.run_after, attempts = 0,
  max_attempts = excluded.max_attempts, error = NULL
WHERE job.state = 'failed'
""")
_NEXT = sql("""
SELECT id, kind, version, payload, attempts, max_attempts, epoch FROM job
WHERE kind {any:kinds} AND ((state = 'queued' AND run_after <= {now}) OR (state = 'running' AND lease_until < {now}))
ORDER BY run_after, id LIMIT 1 {skip}
""")
_CLAIM = sql("""
UPDATE job SET state = 'running', epoch = epoch + 1, attempts = attempts + 1, lease_until = {now} + :lease, node = :node
WHERE id = :id
""")
_RENEW = sql("UPDATE job SET lease_until = {now} + :lease WHERE id = :id AND epoch = :epoch AND state = 'running'")
_FINISH = sql("DELETE FROM job WHERE id = :id AND epoch = :epoch")
_RETRY = sql("""
UPDATE job SET state = :state, run_after = {now} + :delay, lease_until = NULL, error = :error WHERE id = :id AND epoch = :epoch
""")
_GIVE_BACK = sql("""
UPDATE job SET state = 'queued', run_after = {now}, attempts = attempts - 1, lease_until = NULL WHERE id = :id AND epoch = :epoch
""")
_RELEASE = sql("UPDATE job SET lease_until = 0 WHERE state = 'running'")
_ALL = sql("SELECT id, kind, state, node, error FROM job ORDER BY state DESC, id LIMIT :limit")


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job; `payload` is the JSON object that it was queued with."""

    id: int
    kind: str
    version: int
    payload: dict[str, object]
    attempts: int
    max_attempts: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A job as administrators see it: queued, running or failed; who took it last, and why it has failed so far."""

    id: int
    kind: str
    state: str
    node: str | None
    error: str | None


Renew = Callable[[], Awaitable[bool]]
Handle = Callable[[Job, Renew], Awaitable[None]]


async def enqueue(
    tx: Tx,
    kind: str,
    payload: Mapping[str, object],
    *,
    dedup: str | None = None,
    delay: int = 0,
    max_attempts: int = 25,
) -> None:
    """Queue work in the transaction that makes it necessary; with `dedup`, at most one such job waits or runs.

    One that was given up begins anew.
    """
    packed = msgspec.json.encode(dict(payload)).decode()
    await tx.execute(_ADD, kind=kind, version=1, payload=packed, delay=delay, max_attempts=max_attempts, dedup=dedup)


async def release(tx: Tx) -> None:
    """Let what dead processes were doing be taken over at once; only for who knows that all others are dead."""
    await tx.execute(_RELEASE)


@contextlib.asynccontextmanager
async def held(renew: Renew) -> AsyncIterator[None]:
    """Renew the lease of a job until the block ends: for work that has no steps in which to do so, and may be done twice."""

    async def often() -> None:
        while True:
            await asyncio.sleep(_RENEWED)
            with contextlib.suppress(Unavailable):
                await renew()

    renewing = asyncio.create_task(often())
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


async def listed(reads: Reads) -> list[Listed]:
    """Return the first thousand jobs: what runs, then what waits, then what was given up."""
    return [Listed(*row) for row in await reads.rows(_ALL, limit=_LISTED)]


class Queue:
    """Take and do jobs of the kinds that this process knows."""

    def __init__(self, database: Database, handlers: Mapping[str, Handle], node: str) -> None:
        self._database = database
        self._handlers = handlers
        self._node = node

    async def round(self) -> int:
        """Do what is due, one after another; return how many jobs ended well."""
        done = 0
        while (job := await self._claim()) is not None:
            done += await self._do(job)
        return done

    async def _claim(self) -> Job | None:
        kinds = sorted(self._handlers)

        async def work(tx: Tx) -> Job | None:
            row = await tx.row(_NEXT, kinds=kinds)
            if row is None:
                return None
            await tx.execute(_CLAIM, id=row[0], lease=_LEASE, node=self._node)
            payload = msgspec.json.decode(row[3], type=dict[str, object])
            return Job(row[0], row[1], row[2], payload, row[4] + 1, row[5], row[6] + 1)

        return await self._database.transact(work) if kinds else None

    async def _do(self, job: Job) -> bool:
        async def renew() -> bool:
            async def work(tx: Tx) -> bool:
                return await tx.execute(_RENEW, id=job.id, epoch=job.epoch, lease=_LEASE) > 0

            return await self._database.transact(work)

        if job.attempts > job.max_attempts:
            await self._again(job, "The process that did it ended each time before the job did.")
            return False
        try:
            await self._handlers[job.kind](job, renew)
        except asyncio.CancelledError:  # the process ends: the next one goes on at once
            await asyncio.shield(self._give_back(job))
            raise
        except EntrepotError as error:
            await self._again(job, error.message)
            return False
        except Exception as error:
            log.exception("job.fault", id=job.id, kind=job.kind, attempt=job.attempts)
            await self._again(job, repr(error))
            return False

        async def finish(tx: Tx) -> None:
            await tx.execute(_FINISH, id=job.id, epoch=job.epoch)

        await self._database.transact(finish)
        return True

    async def _give_back(self, job: Job) -> None:
        async def work(tx: Tx) -> None:
            await tx.execute(_GIVE_BACK, id=job.id, epoch=job.epoch)

        await self._database.transact(work)

    async def _again(self, job: Job, error: str) -> None:
        state = "failed" if job.attempts >= job.max_attempts else "queued"
        if state == "failed":
            log.error("job.failed", id=job.id, kind=job.kind, attempts=job.attempts, reason=error)
        delay = min(_BACKOFF * 2 ** min(job.attempts, 20), _LONGEST_BACKOFF)

        async def work(tx: Tx) -> None:
            await tx.execute(_RETRY, id=job.id, epoch=job.epoch, state=state, delay=delay, error=error[:1000])

        await self._database.transact(work)
