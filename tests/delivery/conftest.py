"""A relay that is a scripted sink, and a ledger with mails that need no campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from flask import Flask

from actionkit import db
from actionkit.delivery import claims, outbox, relay
from actionkit.delivery.models import Lane, Outgoing, OutgoingAttempt
from actionkit.delivery.renderers import Item, Mail
from actionkit.delivery.worker import Worker
from tests.conftest import MakeApp
from tests.sink import Sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink().running() as running:
        yield running


@pytest.fixture
def app(make_app: MakeApp, sink: Sink) -> Flask:
    return make_app(mail_server="127.0.0.1", mail_port=str(sink.port), mail_default_sender="Us <us@sender.example>")


def plain(item: Item) -> Mail:
    """A renderer whose mails say which row they are, to the address in the recipient key."""
    return Mail(
        to=("", item.recipient_key), subject=f"Mail {item.subject_id}", text=f"{item.subject_id}\n", language="en"
    )


@dataclass
class Ledger:
    """What a test does with the ledger, each in a context of its own."""

    app: Flask

    def put(self, *recipients: str, subject: int = 1, lane: Lane = Lane.FAST, group: str = "") -> None:
        with self.app.app_context():
            outbox.put("test", subject, recipients, lane=lane, group=group)
            db.session.commit()

    def rows(self) -> list[Outgoing]:
        with self.app.app_context():
            return list(db.session.scalars(sa.select(Outgoing).order_by(Outgoing.id)))

    def row(self) -> Outgoing:
        (row,) = self.rows()
        return row

    def states(self) -> list[str]:
        return [row.state for row in self.rows()]

    def attempts(self) -> list[OutgoingAttempt]:
        with self.app.app_context():
            return list(db.session.scalars(sa.select(OutgoingAttempt).order_by(OutgoingAttempt.id)))

    def deliver(self, worker: Worker) -> None:
        with self.app.app_context():
            worker.deliver_due()

    def change(self, **values: object) -> None:
        """Set columns of every row: how a test moves the clock."""
        with self.app.app_context():
            db.session.execute(sa.update(Outgoing).values(values))
            db.session.commit()

    def try_now(self) -> None:
        """End the pause after trouble of the relay."""
        with self.app.app_context():
            relay.try_now()
            db.session.commit()

    def end_dead_leases(self, worker: Worker) -> int:
        with self.app.app_context():
            ended = claims.end_dead_leases(worker.held)
            db.session.commit()
            return ended


@pytest.fixture
def ledger(app: Flask) -> Ledger:
    return Ledger(app)


MakeWorker = Callable[[], Worker]


@pytest.fixture
def make_worker() -> Iterator[MakeWorker]:
    made: list[Worker] = []

    def make() -> Worker:
        worker = Worker({"test": plain})
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.close()
