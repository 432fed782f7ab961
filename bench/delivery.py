"""Letters a second through `actionkit worker`, beside bare smtplib with as many connections to the same sink.

The worker is the product's process as it is shipped, with all its jobs; the sink and bare smtplib
are processes of their own. A-B-A: bare smtplib before and after. How fast the worker was, the
ledger says: from the first letter that it calls sent to the last.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import sqlalchemy as sa
from flask import Flask

from actionkit import db, jobs
from actionkit.campaigns.operations import find_campaign
from actionkit.delivery import history, return_path
from actionkit.delivery.messages import OutgoingMessage
from actionkit.delivery.models import Outgoing, OutgoingAttempt, Recipient, State, Turn
from actionkit.delivery.renderers import Item
from actionkit.letters.operations import LETTER, queue_letters
from bench import campaigns
from bench.fill import fill
from bench.ground import Ground, Installation, Kind
from bench.rows import Row
from bench.server import ROOT, cpu_seconds, mail_sink, memory_mb, working

LETTERS = int(os.environ.get("BENCH_LETTERS", "10_000"))
"""That wait, where a figure names no other number."""
SENDERS = tuple(int(n) for n in os.environ.get("BENCH_SENDERS", "1,2,4").split(","))
LOOK_SECONDS = 0.5
LONGEST_SECONDS = 600.0
FLOOR, AIM = 0.25, 0.60


@dataclass(frozen=True)
class Line:
    """Letters that wait: so many to each of so many officials."""

    officials: int
    per_hour: int = 0
    """The pace of each official; 0 = none."""
    letters: int = LETTERS

    def waiting(self, name: str, kind: Kind, ground: Ground) -> Installation:
        """An installation with so many of them, confirmed and queued by the product."""
        content = campaigns.write(ground.folder / f"{name}-content", 1, letters=True, officials=self.officials)
        place = ground.installation(name, kind, content).with_settings(
            LETTERS_PER_OFFICIAL_PER_HOUR=str(self.per_hour), MAIL_DEFAULT_SENDER="Us <us@example.org>"
        )
        signatures = self.letters // self.officials
        fill(place, signatures, campaigns.slug(0))
        with place.application():
            campaign = find_campaign(campaigns.slug(0))
            for signature_id in range(2, signatures + 2):
                queue_letters(campaign, signature_id)
            db.session.execute(sa.delete(Outgoing).where(Outgoing.kind != LETTER))
            db.session.commit()
        return place


MANY = Line(officials=min(500, LETTERS))
PACED = Line(officials=LETTERS, per_hour=30)
ONE = Line(officials=1)


def delivery(kind: Kind, line: Line, senders: tuple[int, ...], name: str, ground: Ground) -> Iterable[Row]:
    """A row for each number of senders."""
    place = line.waiting(name, kind, ground)
    letter = ground.folder / f"{name}.eml"
    with place.application():
        letter.write_bytes(_one_letter())
    for number in senders:
        _queue_again(place)
        with mail_sink() as port:
            before = bare(port, number, letter)
            worker = _work(place.with_settings(MAIL_SERVER="127.0.0.1", MAIL_PORT=str(port)), number)
            after = bare(port, number, letter)
        limit = (before["rate"] + after["rate"]) / 2
        yield Row(
            f"{name}-{number}",
            round(worker.rate, 1),
            round(limit, 1),
            round(worker.rate / limit, 3),
            FLOOR,
            AIM,
            round(worker.cpu_ms, 2),
            round((before["cpu_ms"] + after["cpu_ms"]) / 2, 3),
            f"letters a second with {number} senders, {worker.sent:,} sent; CPU-ms of the worker a letter, load-ms of "
            f"bare smtplib; memory {', '.join(f'{mb:.0f}' for mb in worker.memory_mb)} MB over time",
        )


def bare(port: int, connections: int, letter: Path) -> dict[str, float]:
    words = [sys.executable, "-m", "bench.bare_smtp", str(port), str(connections), str(LETTERS), str(letter)]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, timeout=LONGEST_SECONDS)
    result: dict[str, float] = json.loads(said.stdout)
    return result


# ---------------------------------------------------------------- the worker


@dataclass(frozen=True)
class Work:
    """What the worker did."""

    sent: int
    rate: float
    cpu_ms: float
    memory_mb: list[float]
    """Five times, from the beginning to the end."""


def _work(place: Installation, senders: int) -> Work:
    """Let the worker send all that waits. Raises `RuntimeError` where that takes very long."""
    memory: list[float] = []
    cpu_began = 0.0
    with place.application() as app, working({**place.environ, "ACTIONKIT_WORKER_SENDERS": str(senders)}) as worker:
        deadline = time.monotonic() + LONGEST_SECONDS
        while left := _left(app):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{left} letters have not left")
            if left == LETTERS:
                cpu_began = cpu_seconds(worker)
            else:
                memory.append(memory_mb(worker))
            time.sleep(LOOK_SECONDS if memory else LOOK_SECONDS / 10)
        cpu_ms = (cpu_seconds(worker) - cpu_began) * 1000 / LETTERS
        sent, began, ended = _sent(app)
    picked = [memory[at * (len(memory) - 1) // 4] for at in range(5)]
    return Work(sent, (sent - 1) / (ended - began).total_seconds(), cpu_ms, picked)


def _left(app: Flask) -> int:
    with app.extensions["database"]["reading"].connect() as connection:
        which = Outgoing.state.in_([State.QUEUED, State.SENDING])
        return connection.execute(sa.select(sa.func.count()).select_from(Outgoing).where(which)).scalar_one()


def _sent(app: Flask) -> tuple[int, dt.datetime, dt.datetime]:
    with app.extensions["database"]["reading"].connect() as connection:
        times = (sa.func.min(Outgoing.ended_at), sa.func.max(Outgoing.ended_at))
        row = connection.execute(sa.select(sa.func.count(), *times).where(Outgoing.state == State.SENT)).one()
        return row[0], row[1], row[2]


def _one_letter() -> bytes:
    """A letter as it leaves."""
    columns = [getattr(Outgoing, field.name) for field in fields(Item)]
    row = db.session.execute(sa.select(*columns).order_by(Outgoing.id).limit(1)).one()
    item = Item(**{**row._mapping, "first_tried_at": db.now()})
    mail = jobs.RENDERERS[LETTER](item)
    message = OutgoingMessage(
        mail,
        message_id=f"<{item.public_id}@example.org>",
        date=item.first_tried_at.timestamp(),
        return_path=return_path.of(item.public_id),
    )
    return message.as_bytes()


def _queue_again(place: Installation) -> None:
    """All letters wait as on the first day."""
    with place.application() as app:
        moment = db.now()
        db.session.execute(sa.delete(OutgoingAttempt))
        values = history.from_the_beginning()
        db.session.execute(sa.update(Outgoing).values(state=State.QUEUED, first_tried_at=None, **values))
        db.session.execute(sa.update(Turn).values(next_at=moment, last_at=None))
        db.session.execute(sa.update(Recipient).values(next_at=moment))
        db.session.commit()
        if not app.config["ACTIONKIT"].is_sqlite:
            engine = app.extensions["database"]["writing"].execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.exec_driver_sql("VACUUM ANALYZE outgoing, outgoing_attempts, delivery_turns")
