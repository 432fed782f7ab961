"""Many machines in small: Celery's own commands over a real RabbitMQ and a real Redis, which are killed and emptied."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from tests.faults.rig import Round, Scale
from tests.faults.site import Site
from tests.journeys.product import free_port, in_threads, wait_until

WHERE = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/lib/rabbitmq/bin"
TELLING = ("--loglevel", "info")
ERLANG = ("-noinput", "-kernel inet_dist_use_interface {127,0,0,1}", "-rabbit loopback_users []")
BACK_SECONDS = 60
"""Within which all due letters go, once an emptied broker is back."""
MORE = 1.5
"""A rate of ticks that is so many times another is more than chance; two beats would make it 2."""


def is_installed(program: str) -> bool:
    return shutil.which(program, path=WHERE) is not None


# ---------------------------------------------------------------- brokers


class Broker(ABC):
    """A server of the test's own, on a port and in a folder of its own."""

    url: str

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        self.folder = folder
        self.address = address
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def begin(self) -> subprocess.Popen[bytes]:
        """Start the server with an empty store."""

    def start(self) -> None:
        """Start it; `wait` returns when it answers."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._process = self.begin()

    def wait(self) -> None:
        wait_until(self._is_open, 90, f"{self.url} to answer")

    def _is_open(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.address, self.port)) == 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        try:
            self.start()
            yield
        finally:
            self.kill()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, *words: str, **environ: str) -> subprocess.Popen[bytes]:
        with (self.folder / "said").open("ab") as said:
            return subprocess.Popen(
                [shutil.which(words[0], path=WHERE) or words[0], *words[1:]],
                env={"PATH": WHERE, "HOME": str(self.folder), **environ},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )


class Redis(Broker):
    @property
    def url(self) -> str:  # type: ignore[override]
        return f"redis://127.0.0.1:{self.port}/0"

    def begin(self) -> subprocess.Popen[bytes]:
        where = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder))
        return self._run("redis-server", *where, "--save", "", "--appendonly", "no")

    def asked_for(self) -> int:
        """How many messages were put into queues so far."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection, connection.makefile("rwb") as talk:
            talk.write(b"INFO commandstats\r\n")
            talk.flush()
            stats = talk.read(int(talk.readline()[1:])).decode()
        (line,) = [line for line in stats.splitlines() if line.startswith("cmdstat_lpush:")] or ["calls=0,"]
        return int(line.partition("calls=")[2].partition(",")[0])


class RabbitMQ(Broker):
    """With a name server (epmd) of its own, so that it knows nothing of the machine's."""

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        super().__init__(folder, address)
        self._names_port = free_port()
        self._names: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def begin(self) -> subprocess.Popen[bytes]:
        self._names = self._run("epmd", "-port", str(self._names_port), "-address", "127.0.0.1")
        # Not Debian's wrapper, which becomes the user of the system's server.
        return self._run(
            "/usr/lib/rabbitmq/bin/rabbitmq-server",
            ERL_EPMD_PORT=str(self._names_port),
            RABBITMQ_ALLOW_INPUT="1",  # the script becomes the server, which so can be killed
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=" ".join(ERLANG),
            RABBITMQ_NODENAME="faults@localhost",
            RABBITMQ_NODE_IP_ADDRESS=self.address,
            RABBITMQ_NODE_PORT=str(self.port),
            RABBITMQ_DIST_PORT=str(free_port()),
            RABBITMQ_MNESIA_DIR=str(self.folder / "data"),
            RABBITMQ_LOG_BASE=str(self.folder),
            RABBITMQ_LOGS="-",
            RABBITMQ_CONF_ENV_FILE="/dev/null",
            RABBITMQ_CONFIG_FILE=str(self.folder / "none"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(self.folder / "plugins"),
        )

    def kill(self) -> None:
        super().kill()
        if self._names is not None:
            self._names.kill()
            self._names.wait()


# ---------------------------------------------------------------- F29


def emptied(round_: Round) -> None:
    """F29. The broker is killed and emptied: M = 0, X = 0, all due letters go within 60 s after it is back.

    First with Redis, then with RabbitMQ, on one installation; the short form sends by RabbitMQ, whose
    second start takes long, and empties Redis alone. Without a broker there is nothing to kill: all
    other faults of the rig are done to that.
    """
    with contextlib.ExitStack() as running:
        brokers = [RabbitMQ(round_.folder / "rabbitmq"), Redis(round_.folder / "redis")]
        for broker in brokers:
            running.enter_context(broker.starting())
        site = running.enter_context(round_.site(BROKER_URL=brokers[-1].url))
        site.start_web(1)
        for broker in reversed(brokers):
            broker.wait()
            site.settings["BROKER_URL"] = broker.url
            with _at_work(round_, site, broker):
                _send_letters(site, broker)
                if round_.scale is Scale.WHOLE or isinstance(broker, Redis):
                    _empty(round_, site, broker)
        round_.count_mails(site)
        round_.green_again(site)


@contextlib.contextmanager
def _at_work(round_: Round, site: Site, broker: Broker) -> Iterator[None]:
    """A worker and a beat over this broker, which end as they are told."""
    processes = {"worker": _worker(site), "beat": _beat(site)}
    yield
    for process in processes.values():
        process.send_signal(signal.SIGTERM)
    for what, process in processes.items():
        round_.expect(process.wait(30) == 0, f"{what} over {broker.url} ended with {process.returncode}")


def _send_letters(site: Site, broker: Broker) -> None:
    supporter = f"{type(broker).__name__}-0@example.org".lower()
    _sign(site, supporter)
    assert site.post(site.link_of(supporter))[0] == 200
    letters = "SELECT count(*) AS n FROM outgoing WHERE lane = 'paced'"
    assert site.query(letters)[0].n > 0
    wait_until(lambda: _are_all_sent(site), BACK_SECONDS, f"letters by {broker.url}")


def _empty(round_: Round, site: Site, broker: Broker) -> None:
    name = type(broker).__name__
    broker.kill()
    people = {f"{name}-{n}@example.org".lower() for n in range(1, round_.scale.pick(3, 300) + 1)}
    in_threads([lambda email=email: _sign(site, email) for email in people])  # type: ignore[misc]
    time.sleep(round_.scale.pick(0.5, 20))  # ticks find nobody who takes them
    broker.start()
    broker.wait()
    round_.injected(int(not _are_all_sent(site)), f"{name} emptied while letters were due")
    began = time.monotonic()
    wait_until(lambda: _are_all_sent(site), BACK_SECONDS, f"all letters after {name} was emptied")
    round_.measured[f"all sent s after {name} was back"] = round(time.monotonic() - began, 1)
    round_.lost += len(people - {mail.rcpt for mail in list(site.sink.received)})


def _sign(site: Site, email: str) -> None:
    status = site.sign(email)
    assert status == 303, f"signing without a broker was answered with {status}"


def _are_all_sent(site: Site) -> bool:
    return bool(site.query("SELECT count(*) AS n FROM outgoing WHERE state <> 'sent'")[0].n == 0)


def _worker(site: Site) -> subprocess.Popen[bytes]:
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    return site.start("celery", "-A", "wsgi:celery", "worker", *TELLING, *quiet)


def _beat(site: Site) -> subprocess.Popen[bytes]:
    return site.start("celery", "-A", "wsgi:celery", "beat", *TELLING, "--pidfile", "")


# ---------------------------------------------------------------- F40


def two_beats(round_: Round) -> None:
    """F40 on many machines. Two beats: each job is asked for once, X = 0. When one dies, the other goes on."""
    seconds = round_.scale.pick(4.0, 20.0)
    redis = Redis(round_.folder / "redis")
    with redis.starting(), round_.site(BROKER_URL=redis.url) as site:
        redis.wait()
        first = _beat(site)
        site.start_web(1)
        wait_until(lambda: redis.asked_for() > 0, 30, "the first beat")
        second = _beat(site)
        _worker(site)
        wait_until(lambda: b"beat stands by" in _said(site), 30, "the second beat")
        with_two = _ticks(redis, seconds)
        round_.injected(int(first.poll() is None and second.poll() is None), "beats more than one")
        people = {f"beat-{n}@example.org" for n in range(round_.scale.pick(5, 200))}
        in_threads([lambda email=email: _sign(site, email) for email in people])  # type: ignore[misc]
        wait_until(lambda: _are_all_sent(site), BACK_SECONDS, "all mails")

        site.kill(first)
        people.add("afterwards@example.org")
        _sign(site, "afterwards@example.org")
        wait_until(lambda: _are_all_sent(site), BACK_SECONDS, "the second beat to take over")
        with_one = _ticks(redis, seconds)
        round_.measured["ticks/s of two, of one"] = f"{with_two:.1f} {with_one:.1f}"
        round_.expect(0 < with_two <= with_one * MORE, f"two beats asked {with_two}/s, one alone {with_one}/s")
        round_.lost += len(people - {mail.rcpt for mail in list(site.sink.received)})
        round_.count_mails(site)
        round_.green_again(site)


def _ticks(redis: Redis, seconds: float) -> float:
    """How many jobs are asked for in a second."""
    before = redis.asked_for()
    time.sleep(seconds)
    return (redis.asked_for() - before) / seconds


def _said(site: Site) -> bytes:
    return (site.folder / "celery.log").read_bytes()
