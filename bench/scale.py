"""`python -m bench scale`: letters through two machines, one of which is killed every ten seconds.

Two workers by Celery's own command on one PostgreSQL and one RabbitMQ, each in a network namespace of its
own with a cable to a third one, in which broker, beat and mail server are (root is needed; otherwise all are
processes on loopback, and the output says so). Every so many seconds one of them gets SIGKILL and is started
again. At the end the mail server's messages are counted by their Message-ID: none may be missing, and there
may be as many twins as letters were in flight when a worker was killed, one for each of its senders.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from actionkit.delivery.models import Outgoing, State
from bench.delivery import Line
from bench.ground import Installation, Kind, prepared
from bench.server import ROOT
from tests.faults.brokers import RabbitMQ
from tests.sink import Sink

SENDERS = 4
KILL_SECONDS = 10.0
AT_WORK_AFTER = 100
"""Messages since the last kill that say that there is something to interrupt."""
START_SECONDS = float(os.environ.get("BENCH_START_SECONDS", "5"))
"""In which a worker that was started is at work."""
LONGEST_SECONDS = 900.0
HUB = "akhub"
INSIDE = "BENCH_IN_HUB"
"""Set where this process is in the hub's namespace already."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench scale", description=__doc__)
    parser.add_argument("--letters", type=int, default=10_000)
    asked = parser.parse_args(arguments)
    if os.environ.get(INSIDE) or not _can_have_namespaces():
        return _run(asked.letters, is_apart=bool(os.environ.get(INSIDE)))
    with _namespaces():
        words = ["ip", "netns", "exec", HUB, sys.executable, "-m", "bench", "scale", *arguments]
        return subprocess.run(words, cwd=ROOT, env={**os.environ, INSIDE: "1"}, check=False).returncode


# ---------------------------------------------------------------- namespaces


def _can_have_namespaces() -> bool:
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    made = subprocess.run(["ip", "netns", "add", HUB], capture_output=True, check=False).returncode == 0
    if made:
        _ip("netns", "del", HUB)
    return made


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _address(number: int, *, of_hub: bool) -> str:
    return f"10.203.{number}.{1 if of_hub else 2}"


def _machine(number: int) -> str:
    return f"akhost{number}"


@contextlib.contextmanager
def _namespaces() -> Iterator[None]:
    """A hub and two machines, each with a cable to it; nothing leads out."""
    with contextlib.ExitStack() as made:
        for name in (HUB, _machine(1), _machine(2)):
            _ip("netns", "add", name)
            made.callback(_ip, "netns", "del", name)
            _ip("-n", name, "link", "set", "lo", "up")
        for number in (1, 2):
            end, machine = f"akcable{number}", _machine(number)
            _ip("-n", HUB, "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", machine)
            for where, link, of_hub in ((HUB, end, True), (machine, "eth0", False)):
                _ip("-n", where, "addr", "add", f"{_address(number, of_hub=of_hub)}/24", "dev", link)
                _ip("-n", where, "link", "set", link, "up")
        yield


# ---------------------------------------------------------------- the run


def _run(letters: int, *, is_apart: bool) -> int:
    with prepared() as ground, contextlib.ExitStack() as running:
        broker = RabbitMQ(ground.folder / "rabbitmq", "0.0.0.0" if is_apart else "127.0.0.1")
        running.enter_context(broker.starting())
        place = Line(officials=min(500, letters), letters=letters).waiting("scale", Kind.POSTGRESQL, ground)
        broker.wait()
        sink = running.enter_context(Sink(address=broker.address).running())
        crew = _Crew(place, broker, sink, ground.folder, is_apart=is_apart)
        try:
            crew.beat()
            seconds = crew.work()
        finally:
            crew.end()
        return _say(place, sink, crew.kills, seconds, is_apart=is_apart)


class _Crew:
    """Beat and two workers."""

    def __init__(self, place: Installation, broker: RabbitMQ, sink: Sink, folder: Path, *, is_apart: bool) -> None:
        self.place, self.broker, self.sink, self.folder, self.is_apart = place, broker, sink, folder, is_apart
        self.kills = 0
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[int, float] = {}

    def _settings(self, number: int) -> dict[str, str]:
        hub = _address(number, of_hub=True) if self.is_apart and number else "127.0.0.1"
        own = self.folder / f"host{number}"  # the instance folder is each machine's own
        mine = self.place.with_settings(
            INSTANCE=str(own),
            BROKER_URL=f"amqp://guest:guest@{hub}:{self.broker.port}//",
            MAIL_SERVER=hub,
            MAIL_PORT=str(self.sink.port),
            WORKER_SENDERS=str(SENDERS),
        )
        return {**os.environ, **mine.environ}

    def _start(self, name: str, number: int, *words: str) -> None:
        where = ["ip", "netns", "exec", _machine(number)] if self.is_apart and number else []
        celery = [sys.executable, "-m", "celery", "-A", "wsgi:celery", *words, "--loglevel", "warning"]
        with (self.folder / f"{name}.said").open("ab") as said:
            self._processes[name] = subprocess.Popen(
                [*where, *celery], cwd=ROOT, env=self._settings(number), stdout=said, stderr=said
            )

    def beat(self) -> None:
        self._start("beat", 0, "beat", "--pidfile=")

    def _worker(self, number: int) -> None:
        self._started[number] = time.monotonic()
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        self._start(f"worker{number}", number, "worker", f"--hostname=worker{number}@host", *quiet)

    def work(self) -> float:
        """Until nothing is left to send, killing now this one, now that; seconds from the first mail to the last."""
        for number in (1, 2):
            self._worker(number)
        deadline, killed_at, seen = time.monotonic() + LONGEST_SECONDS, 0.0, 0
        with self.place.application() as app:
            while (left := _left(app.extensions["database"]["reading"])) and time.monotonic() < deadline:
                time.sleep(0.5)
                received = len(self.sink.received)
                if received and not killed_at:
                    killed_at, seen = time.monotonic(), received
                # On a machine that is busy, one that was started again takes its time; both must be at work.
                is_at_work = received - seen >= AT_WORK_AFTER and self._has_begun(self.kills % 2 + 1)
                if killed_at and time.monotonic() - killed_at >= KILL_SECONDS and is_at_work:
                    number = self.kills % 2 + 1
                    self._processes[f"worker{number}"].kill()
                    self._processes[f"worker{number}"].wait()
                    self.kills += 1
                    print(f"  worker {number} killed; {received:,} received, {left:,} left", flush=True)
                    self._worker(number)
                    killed_at, seen = time.monotonic(), received
        return self.sink.received[-1].at - self.sink.received[0].at if self.sink.received else 0.0

    def _has_begun(self, number: int) -> bool:
        """Whether the worker was started so long ago that it sends."""
        return time.monotonic() - self._started[number] >= START_SECONDS

    def end(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(35)
            except subprocess.TimeoutExpired:
                process.kill()


def _left(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        is_open = sa.and_(Outgoing.state == State.UNCERTAIN, Outgoing.lease_until.is_not(None))
        which = sa.or_(Outgoing.state.in_([State.QUEUED, State.SENDING]), is_open)
        return connection.execute(sa.select(sa.func.count()).select_from(Outgoing).where(which)).scalar_one()


def _say(place: Installation, sink: Sink, kills: int, seconds: float, *, is_apart: bool) -> int:
    ids = Counter(mail.message_id for mail in sink.received)
    with place.application() as app, app.extensions["database"]["reading"].connect() as connection:
        query = sa.select(Outgoing.public_id, Outgoing.state, Outgoing.is_maybe_twice)
        rows = connection.execute(query).all()
    known = {f"<{row.public_id}@example.org>": row for row in rows}
    lost = [id_ for id_, row in known.items() if id_ not in ids and row.state == State.SENT]
    missing = [id_ for id_ in known if id_ not in ids]
    twins = [id_ for id_, n in ids.items() if n > 1]
    unmarked = [id_ for id_ in twins if not known[id_].is_maybe_twice]
    bound = kills * SENDERS
    states = ", ".join(f"{n:,} {state}" for state, n in sorted(Counter(str(row.state) for row in rows).items()))
    where = "two network namespaces" if is_apart else "two processes on loopback"
    print(f"two workers of {SENDERS} senders in {where}, PostgreSQL, RabbitMQ")
    print(f"{len(rows):,} letters: {states}; {len(sink.received):,} messages in {seconds:.0f} s, {kills} kills")
    print(
        f"lost: {len(missing)} ({len(lost)} of them called sent); twins: {len(twins)}, at most {bound} may be; ", end=""
    )
    print(f"twins that are not marked: {len(unmarked)}")
    is_well = not missing and not unmarked and sum(n - 1 for n in ids.values()) <= bound
    print("well" if is_well else "NOT WELL")
    return 0 if is_well else 1
