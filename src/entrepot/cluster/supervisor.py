"""The supervisor: the first process of a node, which starts the others, replaces those that die or hang, ends them in order.

    home, lock, ports -> prepare (migrations, first contents; only when needed) -> workers -> ready, jobs
    SIGTERM or SIGINT -> all are told -> workers say `not ready`, finish what runs -> exit 0; a second signal: at once

It answers no requests and imports next to nothing: 12 MiB, and little that could make it fail. It sleeps until a
process says something or ends, a signal comes, or the logs want to be looked at.
"""

from __future__ import annotations

import resource
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from entrepot.cluster.home import HANDED_OVER, clean_run_folder, logs_folder, metrics_folder, run_folder, write_private
from entrepot.cluster.listeners import open_listeners
from entrepot.cluster.processes import Process, Program
from entrepot.errors import EntrepotError
from entrepot.logs.events import EventLog
from entrepot.logs.rotation import rotate
from entrepot.settings import Settings, dump

_LOOK_SECONDS = 10.0  # between two looks at the logs and at who has gone silent
_HUNG_LOOKS, _HUNG_STARTING_LOOKS = 3, 6  # not seconds: we may have been stopped together with all others
_START_SECONDS = 60.0
_LAST_SECONDS = 5.0  # beyond the time for draining, until those that still run are killed
_DESCRIPTORS = 65_536
_INTERRUPTED = 130


class CannotStart(EntrepotError):
    """{process} did not start: {reason}."""


@dataclass(frozen=True, slots=True)
class Programs:
    """What the processes of a node run. `prepare` runs to its end before the others, and only when it is needed."""

    worker: tuple[str, ...]
    jobs: tuple[str, ...]
    prepare: tuple[str, ...]


class Supervisor:
    """Runs a node until it is told to end."""

    def __init__(self, settings: Settings, programs: Programs, log: EventLog) -> None:
        self._settings = settings
        self._programs = programs
        self._log = log
        self._handed_over = run_folder(settings.home) / HANDED_OVER
        self._processes: list[Process] = []
        self._signals = 0
        self._selector = selectors.DefaultSelector()
        self._looked = 0.0

    def run(self, ready: Callable[[Mapping[str, str]], None], *, prepare: bool) -> int:
        """Start everything, call `ready`, and run until told to end; return the exit status. Raises EntrepotError.

        `ready` gets what the workers note, by subject. The home folder is prepared and its lock is held.
        """
        self._catch_signals()
        _raise_descriptors()
        ports = [self._settings.port, *self._settings.docker_ports]
        listeners = open_listeners(self._settings.host, ports, self._settings.workers)
        clean_run_folder(self._settings.home)
        write_private(self._handed_over, dump(self._settings))
        try:
            if prepare:
                self._prepare()
            if not self._signals:
                self._start(listeners, ports)
            if not self._signals:
                ready({subject: text for process in self._processes for subject, text in process.notes.items()})
            while not self._signals:
                self._step()
            return self._drain()
        finally:
            self._end_all()
            self._handed_over.unlink(missing_ok=True)

    def _prepare(self) -> None:
        """Run the preparation to its end; a first signal asks it to end, a second ends it. Raises CannotStart."""
        process = Process(Program("prepare", self._programs.prepare), self._handed_over)
        self._processes.append(process)
        self._launch(process)
        told = 0
        while process.status is None:
            self._wait(_LOOK_SECONDS)
            if self._signals > told:
                told = self._signals
                process.signal(signal.SIGTERM if told == 1 else signal.SIGKILL)
        process.hear()
        if process.status and not self._signals:
            raise CannotStart(process="The database", reason=self._why(process).rstrip("."))
        self._unwatch(process)
        process.bury()
        self._processes.remove(process)

    def _start(self, listeners: list[list[socket.socket]], ports: list[int]) -> None:
        """Start the workers and wait until they are ready; the jobs, which would slow them down, come next. Raises CannotStart."""
        for number, own in enumerate(listeners, 1):
            program = Program(f"worker-{number}", self._programs.worker)
            self._processes.append(Process(program, self._handed_over, listeners=own, ports=ports))
        workers = list(self._processes)
        for worker in workers:
            self._launch(worker)
        until = time.monotonic() + _START_SECONDS
        while not self._signals and not all(worker.is_ready for worker in workers):
            self._wait(0.5)
            for worker in workers:
                worker.hear()
                if worker.failure or worker.status is not None or time.monotonic() > until:
                    raise CannotStart(process=worker.program.name, reason=self._why(worker).rstrip("."))
        self._processes.append(Process(Program("jobs", self._programs.jobs), self._handed_over))

    def _why(self, process: Process) -> str:
        if process.failure:
            return process.failure
        if process.status is None:
            return f"it was not ready after {_START_SECONDS:.0f} s"
        return f"it ended with status {process.status}; {logs_folder(self._settings.home)}/entrepot.log says why"

    def _step(self) -> None:
        """Sleep until something happens; replace what died; look after who hangs, and the logs."""
        now = time.monotonic()
        due = [process.start_at - now for process in self._processes if not process.pid]
        self._wait(max(0.0, min([_LOOK_SECONDS, *due])))
        for process in self._processes:
            if process.status is not None:
                self._mourn(process)
            if not process.pid and process.start_at <= time.monotonic() and not self._signals:
                self._relaunch(process)
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._looked = time.monotonic()
            self._end_hung()
            self._rotate_logs()

    def _end_hung(self) -> None:
        """Kill whoever has said nothing for too long: it answers nobody, and the port still gives it connections."""
        for process in self._running():
            process.silent_looks += 1
            if process.silent_looks > (_HUNG_LOOKS if process.is_ready else _HUNG_STARTING_LOOKS):
                self._log.note("error", "process.hung", name=process.program.name, killed=process.pid)
                process.signal(signal.SIGKILL)

    def _launch(self, process: Process) -> None:
        process.start()
        assert process.channel is not None
        self._selector.register(process.channel, selectors.EVENT_READ, process)
        self._log.note("debug", "process.started", name=process.program.name, started=process.pid)

    def _relaunch(self, process: Process) -> None:
        try:
            self._launch(process)
        except OSError as error:  # no memory, or no process more, for now: those that run go on
            self._log.note("error", "process.not_started", name=process.program.name, reason=error.strerror)

    def _mourn(self, process: Process) -> None:
        process.hear()
        words = {
            "name": process.program.name,
            "ended": process.pid,
            "status": process.status,
            "reason": process.failure,
        }
        self._log.note("error", "process.died", **words)
        for counted in metrics_folder(self._settings.home).glob(f"gauge_live*_{process.pid}.db"):
            counted.unlink()  # what only a live process can say is not summed up any more
        self._unwatch(process)
        process.bury()

    def _unwatch(self, process: Process) -> None:
        if process.channel is not None:
            with suppress(KeyError):  # its channel ended first and is not watched any more
                self._selector.unregister(process.channel)

    def _wait(self, seconds: float) -> None:
        """Sleep until a signal, a word from a process, or the time is over."""
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, Process):
                key.data.hear()
                if key.data.status is not None or _ended(key.fileobj):
                    self._unwatch(key.data)
            elif isinstance(key.fileobj, socket.socket):
                key.fileobj.recv(4096)

    def _rotate_logs(self) -> None:
        folder = logs_folder(self._settings.home)
        try:
            rotate(folder, most_bytes=self._settings.log_rotate_bytes, files=self._settings.log_rotate_files)
        except OSError as error:
            self._log.note("warning", "logs.not_rotated", folder=folder, reason=error.strerror)

    def _drain(self) -> int:
        """Ask all to end and wait as long as the settings allow; a second signal means now."""
        self._log.note("info", "node.draining", seconds=self._settings.drain_seconds)
        self._tell_all(signal.SIGTERM)
        for process in self._processes:
            process.let_go()  # else clients wait at a port on which nobody accepts any more
        until = time.monotonic() + self._settings.drain_notice_seconds + self._settings.drain_seconds + _LAST_SECONDS
        while self._running() and time.monotonic() < until and self._signals < 2:
            self._wait(min(1.0, until - time.monotonic()))
        left = self._running()
        for process in left:
            self._log.note("warning", "process.killed", name=process.program.name, killed=process.pid)
        self._log.note("info", "node.stopped")
        return _INTERRUPTED if self._signals > 1 and left else 0

    def _running(self) -> list[Process]:
        return [process for process in self._processes if process.pid and process.status is None]

    def _tell_all(self, number: int) -> None:
        for process in self._processes:
            process.signal(number)

    def _end_all(self) -> None:
        self._tell_all(signal.SIGKILL)
        for process in self._processes:
            while process.pid and process.status is None:
                time.sleep(0.01)

    def _catch_signals(self) -> None:
        """Turn signals into something that can be waited for."""
        theirs, ours = socket.socketpair()
        for end in (theirs, ours):
            end.setblocking(False)
        signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)
        self._wakeup = (theirs, ours)
        self._selector.register(theirs, selectors.EVENT_READ)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
                signal.signal(number, self._note_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _note_signal(self, *_: object) -> None:
        self._signals += 1


def _ended(channel: object) -> bool:
    assert isinstance(channel, socket.socket)
    try:
        return channel.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _raise_descriptors() -> None:
    """Allow as many open files as we may, for all that we start; the usual 1,024 is for programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft < wanted:
        with suppress(ValueError, OSError):  # macOS has a lower ceiling than it admits
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
