"""Starting the server under test, and reading what it costs."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import load

ROOT = Path(__file__).resolve().parents[1]
WORKERS, THREADS = 2, 8
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running server; its processes are the children of `pid`."""

    pid: int
    port: int

    def cpu_seconds(self) -> float:
        """Processor time that its processes have used so far."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(_ticks(pid) for pid in (str(self.pid), *children)) / TICKS


def _ticks(pid: str) -> int:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(application: str, environ: dict[str, str], workers: int = WORKERS) -> Iterator[Server]:
    """`application` under the server of `make run`, with the same workers and threads for all."""
    port = free_port()
    words = ["--bind", f"127.0.0.1:{port}", "--workers", str(workers), "--threads", str(THREADS)]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *words, "--log-level", "warning", "--no-control-socket", application],
        cwd=ROOT,
        env=os.environ | environ | {"PORT": str(port)},
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while load.run(port, load.get("/healthz", port), seconds=0.01, connections=1).statuses[200] == 0:
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"{application} did not start")
            time.sleep(0.1)
        yield Server(process.pid, port)
    finally:
        process.terminate()
        process.wait(30)


def command(environ: dict[str, str], *words: str) -> None:
    """Run an `actionkit` command."""
    subprocess.run(
        [sys.executable, "-m", "actionkit", *words],
        cwd=ROOT,
        env=os.environ | environ,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
