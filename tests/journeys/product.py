"""The product as it is shipped: its own processes, driven from outside."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a secret for tests that is long enough to be taken"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(is_so: Callable[[], bool], seconds: float = 30, what: str = "it") -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)


@dataclass
class Product:
    """An installation in a folder: commands, and processes that are ended with the test."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ACTIONKIT_")}
        ours = {"INSTANCE": str(self.folder), "SECRET_KEY": SECRET, "SIGN_LIMIT": "off"}
        ours |= {"PAGE_CACHE_SECONDS": "0", "MEMORY_SECONDS": "0"}
        ours |= self.settings
        return kept | {"PORT": str(self.port)} | {f"ACTIONKIT_{name}": value for name, value in ours.items()}

    def command(self, *words: str, expect: int = 0, stdin: str = "") -> str:
        """Run `actionkit WORDS` and return its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "actionkit", *words],
            cwd=ROOT,
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == expect, f"actionkit {words} ended with {done.returncode}: {done.stderr[-2000:]}"
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *words], cwd=ROOT, env=self.environ, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def start_web(self, workers: int = 2) -> subprocess.Popen[bytes]:
        web = self.start(
            *("gunicorn", "--config", "python:actionkit.gunicorn_settings"),
            *("--bind", f"127.0.0.1:{self.port}", "--workers", str(workers), "wsgi:app"),
        )
        wait_until(self.is_healthy, what="the web process")
        return web

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.start("actionkit", "worker")

    def is_healthy(self) -> bool:
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
        for process in self.processes:
            process.wait()

    def _request(self, method: str, path: str, body: str | None = None) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read().decode()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, dict[str, str], str]:
        return self._request("GET", path)

    def post(self, path: str, fields: dict[str, str] | None = None) -> tuple[int, dict[str, str], str]:
        return self._request("POST", path, urlencode(fields or {}))


def link_in(text: str, base_url: str) -> str:
    """The path of the one link of a confirmation, which stands alone on its line."""
    (line,) = [line for line in text.split("\n") if line.startswith(f"{base_url}/confirm/")]
    assert re.fullmatch(r"\S+", line)
    return urlsplit(line).path


def in_threads(jobs: list[Callable[[], None]], threads: int = 8) -> None:
    """Run the jobs on some threads; the first error of any is raised."""
    todo, faults = list(reversed(jobs)), []

    def work() -> None:
        while todo and not faults:
            with contextlib.suppress(IndexError):
                job = todo.pop()
                try:
                    job()
                except BaseException as fault:
                    faults.append(fault)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if faults:
        raise faults[0]


@contextlib.contextmanager
def product(folder: Path, **settings: str) -> Iterator[Product]:
    """An installation with an upgraded database; its processes end with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    installed = Product(folder, settings)
    installed.command("db", "upgrade")
    try:
        yield installed
    finally:
        installed.stop()
