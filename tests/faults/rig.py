"""Running faults: a round is one fault, done once to a site of its own; what it counts is its verdict."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from actionkit import create_app, db, migrations
from actionkit.content.load import load
from config import Config
from tests.conftest import CONTENT
from tests.faults.postgres import PostgresServer
from tests.faults.signers import Signers
from tests.faults.site import Site
from tests.journeys.product import Product, wait_until
from tests.sink import Sink

T = TypeVar("T")

GREEN_SECONDS = 30
"""Within which `healthz` is green again after every fault, without a hand on it."""

SQLITE, POSTGRESQL = "sqlite", "postgresql"


class Scale(Enum):
    """SHORT: small, and patient with a machine that does other things. WHOLE: as the list of faults says."""

    SHORT = "short"
    WHOLE = "whole"

    def pick(self, short: T, whole: T) -> T:
        return short if self is Scale.SHORT else whole


@dataclass(frozen=True)
class Fault:
    """A fault, and the databases that it is done to; the short form takes the first."""

    do: Callable[[Round], None]
    databases: tuple[str, ...] = (SQLITE,)
    needs: tuple[str, ...] = ()
    """Programs that only apt can bring."""


# ---------------------------------------------------------------- databases


class Rig:
    """What rounds share: a folder, databases with the test content that are made once, a PostgreSQL server."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.folder = folder
        self.scale = scale
        self.held = contextlib.ExitStack()
        """Ended with the rig."""
        self._rounds = 0

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_error: object) -> None:
        self.held.close()

    @cached_property
    def postgres(self) -> PostgresServer:
        server = PostgresServer.start(is_quick=self.scale is Scale.SHORT)
        self.held.callback(server.close)
        return server

    @cached_property
    def _sqlite_template(self) -> Path:
        folder = self.folder / "template"
        _fill(Product(folder))
        return folder / "actionkit.db"

    @cached_property
    def _postgres_template(self) -> str:
        name = self.postgres.create()
        _fill(Product(self.folder / "template-pg", {"DATABASE_URL": self.postgres.url(name)}))
        return name

    def _new_database(self, kind: str, folder: Path, is_filled: bool) -> dict[str, str]:
        """Make a database for an installation in `folder`, with content or quite empty; the settings that name it."""
        if kind == POSTGRESQL:
            name = self.postgres.create(*([self._postgres_template] if is_filled else []))
            return {"DATABASE_URL": self.postgres.url(name)}
        if is_filled:
            shutil.copy(self._sqlite_template, folder / "actionkit.db")
        return {}

    @cached_property
    def shared_site(self) -> Site:
        """One running site for the short forms of all faults that do it no harm."""
        site = self.held.enter_context(self.new_site(SQLITE, self.folder / "shared"))
        site.start_worker()
        site.start_web()
        return site

    @contextlib.contextmanager
    def new_site(self, kind: str, folder: Path, *, is_filled: bool = True, **settings: str) -> Iterator[Site]:
        """An installation with its own database and mail server, and nothing started yet."""
        folder.mkdir(parents=True)
        with Sink().running() as sink:
            given = {
                **self._new_database(kind, folder, is_filled),
                "MAIL_SERVER": "127.0.0.1",
                "MAIL_PORT": str(sink.port),
                "LETTERS_PER_OFFICIAL_PER_HOUR": "0",
                "PAGE_CACHE_SECONDS": "5",
                **settings,
            }
            site = Site(folder, given, sink=sink)
            try:
                yield site
            finally:
                site.stop()

    def run(self, number: str, fault: Fault) -> list[Round]:
        """Do a fault once to each of its databases, or in the short form to the first."""
        done = []
        for kind in fault.databases[: self.scale.pick(1, len(fault.databases))]:
            self._rounds += 1
            round_ = Round(self, self.folder / f"{number}-{self._rounds}", kind)
            round_.folder.mkdir(parents=True)
            began = time.monotonic()
            try:
                fault.do(round_)
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                round_.broken.append(f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")
            round_.measured["seconds"] = round(time.monotonic() - began, 1)
            done.append(round_)
        return done


def _fill(site: Product) -> None:
    app = create_app(Config.from_env(site.environ))
    with app.app_context():
        migrations.upgrade()
        load(CONTENT)
        db.session.commit()
    db.close(app)


# ---------------------------------------------------------------- rounds


@dataclass
class Round:
    """One fault, done once. It holds if the fault really happened and nothing came out otherwise than said."""

    rig: Rig
    folder: Path
    kind: str = SQLITE
    lost: int = 0
    """Thanked, and not stored."""
    twins: int = 0
    """Stored twice, or received twice."""
    bound: int = 0
    """How many twins the fault may leave."""
    broken: list[str] = field(default_factory=list)
    """What came out otherwise, a sentence each."""
    measured: dict[str, object] = field(default_factory=dict)
    is_injected: bool = False

    @property
    def scale(self) -> Scale:
        return self.rig.scale

    @property
    def holds(self) -> bool:
        return self.is_injected and not self.broken and self.lost == 0 and self.twins <= self.bound

    def injected(self, times: int, what: str) -> None:
        """Say how often the fault happened. Not at all is a fault of the rig, and does not hold."""
        self.measured[what] = times
        self.is_injected = self.is_injected or times > 0
        self.expect(times > 0, f"no {what}: the fault did not happen")

    def expect(self, is_so: bool, what: str) -> None:
        """Keep what did not come out as it should; the round goes on and counts the rest."""
        if not is_so:
            self.broken.append(what)

    # ------------------------------------------------------------ sites

    @contextlib.contextmanager
    def site(self, *, is_filled: bool = True, **settings: str) -> Iterator[Site]:
        """A new installation, nothing started yet."""
        with self.rig.new_site(self.kind, self.folder / "site", is_filled=is_filled, **settings) as site:
            yield site

    @contextlib.contextmanager
    def running(self) -> Iterator[Site]:
        """A site with web and worker; in the short form the one that is shared."""
        if self.scale is Scale.SHORT:
            yield self.rig.shared_site
            return
        with self.site() as site:
            site.start_worker()
            site.start_web()
            yield site

    def signers(self, site: Site, short: int, whole: int, per_second: float = 0) -> Signers:
        """Clients for a site, who write down what they know in the folder of the round."""
        return Signers(site, self.folder / "thanked", self.scale.pick(short, whole), per_second)

    # ------------------------------------------------------------ counting

    def count(self, site: Site, signers: Signers, least: int) -> None:
        """L and D of signatures: all who were thanked are stored, nobody twice."""
        thanked, stored = signers.thanked(), site.people()
        self.lost += len(thanked - set(stored))
        self.twins += sum(n - 1 for n in stored.values())
        self.measured["thanked"] = len(thanked)
        self.measured["answers"] = _as_words(signers)
        self.expect(len(thanked) >= least, f"only {len(thanked)} of at least {least} were thanked")
        self.expect(not signers.wrongly_thanked(), "a thank-you led elsewhere")

    def count_mails(self, site: Site) -> None:
        """X: messages that were received more than once."""
        ids = [mail.message_id for mail in list(site.sink.received)]
        self.twins += len(ids) - len(set(ids))
        self.measured["mails"] = len(ids)

    def green_again(self, site: Site) -> None:
        """`healthz` is green within half a minute, and says `ok`."""
        began = time.monotonic()
        wait_until(site.is_healthy, GREEN_SECONDS, "healthz")
        self.measured["green after s"] = round(time.monotonic() - began, 1)
        self.expect(json.loads(site.get("/healthz")[2])["status"] == "ok", "healthz does not say ok")


def _as_words(signers: Signers) -> str:
    return " ".join(f"{n}×{status or 'reset'}" for status, n in sorted(signers.statuses().items()))


def at_once(jobs: Sequence[Callable[[], T]]) -> tuple[list[T], float]:
    """Run the jobs in threads that all begin at one moment; their results, and over how many seconds they began."""
    gate = threading.Barrier(len(jobs))
    results: dict[int, T] = {}
    begun: list[float] = []

    def run(n: int, job: Callable[[], T]) -> None:
        gate.wait()
        begun.append(time.monotonic())
        results[n] = job()

    threads = [threading.Thread(target=run, args=(n, job), daemon=True) for n, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[n] for n in range(len(jobs))], max(begun) - min(begun)


@dataclass
class Verdict:
    """All rounds of one fault, each a list of one round for each database."""

    number: str
    rounds: list[list[Round]] = field(default_factory=list)

    @property
    def held(self) -> int:
        return sum(all(part.holds for part in parts) for parts in self.rounds)

    @property
    def is_held(self) -> bool:
        return self.held == len(self.rounds)

    def __str__(self) -> str:
        parts = [part for parts in self.rounds for part in parts]
        lost, twins, bound = (sum(getattr(part, name) for part in parts) for name in ("lost", "twins", "bound"))
        return f"{self.number} held {self.held} of {len(self.rounds)} lost {lost} twins {twins} (bound {bound})"
