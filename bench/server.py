"""Starting what is measured: web servers, the worker, a mail sink; and reading what they cost."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from actionkit.gunicorn_settings import threads, workers
from bench import load

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
START_SECONDS = 30
STOP_SECONDS = 35
"""The worker promises to end within 30."""

Environ = Mapping[str, str]
WebServer = Callable[[int, str], list[str]]
"""(port, application) → the words of the command"""


def gunicorn(port: int, application: str) -> list[str]:
    """As the product is served: see actionkit/gunicorn_settings.py."""
    settings = "python:actionkit.gunicorn_settings"
    return [sys.executable, "-m", "gunicorn", "--config", settings, "--bind", f"127.0.0.1:{port}", application]


def gthread(port: int, application: str) -> list[str]:
    """The same with gunicorn's own worker class instead of the product's."""
    return [*gunicorn(port, application)[:-1], "--worker-class", "gthread", application]


def granian(port: int, application: str) -> list[str]:
    """The same processes and threads; not a dependency: see docs/decisions/0004-wsgi-server.md."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(workers), "--blocking-threads", str(threads), "--log-level", "error", application),
    ]


# ---------------------------------------------------------------- what a server costs


@dataclass(frozen=True)
class Server:
    """A running web server: the process `pid` and its children."""

    pid: int
    port: int

    def _pids(self) -> list[str]:
        return [str(self.pid), *Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def cpu_seconds(self) -> float:
        """Processor time that its processes have used so far; not that of the database's."""
        return sum(map(_ticks, self._pids())) / TICKS

    def memory_mb(self) -> float:
        """What its processes hold now, pages that several share divided among them (PSS)."""
        return sum(map(_shared_kb, self._pids())) / 1024


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far."""
    return _ticks(str(pid)) / TICKS


def memory_mb(pid: int) -> float:
    """What a process holds in memory now (RSS)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


def _ticks(pid: str) -> int:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


def _shared_kb(pid: str) -> int:
    return int(Path(f"/proc/{pid}/smaps_rollup").read_text().partition("\nPss:")[2].split()[0])


# ---------------------------------------------------------------- processes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _process(words: list[str], environ: Environ) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]:
    """(process, what it has said so far), ended with the block."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(words, cwd=ROOT, env={**os.environ, **environ}, stdout=said, stderr=said)

        def words_so_far() -> str:
            return os.pread(said.fileno(), 4_000, 0).decode(errors="replace")

        try:
            yield process, words_so_far
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            finally:
                process.kill()


def _wait_for(is_so: Callable[[], bool], process: subprocess.Popen[bytes], said: Callable[[], str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_so():
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError(f"{' '.join(process.args)} did not start:\n{said()}")  # type: ignore[arg-type]
        time.sleep(0.1)


@contextlib.contextmanager
def serving(application: str, environ: Environ, web_server: WebServer = gunicorn) -> Iterator[Server]:
    """`application` under a web server on loopback, up and answering."""
    port = free_port()
    with _process(web_server(port, application), {**environ, "PORT": str(port)}) as (process, said):
        _wait_for(lambda: _is_healthy(port), process, said)
        yield Server(process.pid, port)


def _is_healthy(port: int) -> bool:
    """So many connections at once that every process has some, where each has its own queue."""
    return load.run(port, load.get("/healthz", port), seconds=0, connections=16).statuses == {200: 16}


@contextlib.contextmanager
def working(environ: Environ) -> Iterator[int]:
    """`actionkit worker`; the id of its process."""
    with _process([sys.executable, "-m", "actionkit", "worker"], environ) as (process, said):
        yield process.pid
        if process.poll() is not None:
            raise RuntimeError(f"the worker ended:\n{said()}")


@contextlib.contextmanager
def mail_sink(delay_ms: int = 0) -> Iterator[int]:
    """A mail server that takes everything, each message in `delay_ms`; its port."""
    port = free_port()
    with _process([sys.executable, "-m", "bench.sink", str(port), str(delay_ms)], {}) as (process, said):
        _wait_for(lambda: _is_open(port), process, said)
        yield port


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
