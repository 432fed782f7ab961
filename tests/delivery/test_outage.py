"""An hour without the mail server, by the test's clock, while very many letters are due."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest
import sqlalchemy as sa

from actionkit import db
from actionkit.delivery.models import Lane, Outgoing, Recipient, State, Turn
from actionkit.delivery.smtp import Connection
from tests.conftest import MakeApp
from tests.delivery.conftest import Ledger, MakeWorker
from tests.sink import Sink

BEGIN = dt.datetime(2026, 11, 24, 9, tzinfo=dt.UTC)
DUE, OFFICIALS, CONFIRMATIONS = 20_000, 100, 100
PER_HOUR = 30
MOST_TRIES = 25
TICK = dt.timedelta(seconds=5)


@pytest.mark.one_database
def test_an_hour_of_outage(
    make_app: MakeApp, sink: Sink, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20,000 due: few tries in the hour; then confirmations first, and letters at their pace."""
    moment = BEGIN
    monkeypatch.setattr(db, "now", lambda: moment)
    tries: list[dt.datetime] = []
    connect = Connection.configure_host
    monkeypatch.setattr(Connection, "configure_host", lambda self: tries.append(moment) or connect(self))  # type: ignore[func-returns-value]
    app = make_app(mail_server="127.0.0.1", mail_port=str(sink.port), letters_per_official_per_hour=str(PER_HOUR))
    ledger, worker = Ledger(app), make_worker()
    _due(ledger)

    def tick() -> None:
        nonlocal moment
        ledger.deliver(worker)
        moment += TICK

    with sink.gone():
        while moment < BEGIN + dt.timedelta(hours=1):
            tick()
    in_outage = len(tries)
    with app.app_context():
        waiting = sa.select(sa.func.count(), sa.func.sum(Outgoing.attempts)).where(Outgoing.state == State.QUEUED)
        assert db.session.execute(waiting).one() == (DUE, 0), "all are due, and none is charged"
    assert in_outage <= MOST_TRIES

    open_at, noticed_at = moment, None
    while moment < open_at + dt.timedelta(minutes=10):
        tick()
        noticed_at = noticed_at or (moment if sink.received else None)
    assert noticed_at is not None
    assert (noticed_at - open_at) <= dt.timedelta(minutes=5) + TICK
    first = [mail.rcpt for mail in sink.received[:CONFIRMATIONS]]
    assert sum(each.startswith("person") for each in first) >= CONFIRMATIONS - 1, "but the letter that found out"
    letters = Counter(mail.rcpt for mail in sink.received if mail.rcpt.startswith("official"))
    since = (moment - noticed_at).total_seconds() / 3600
    assert len(letters) == OFFICIALS
    assert max(letters.values()) <= since * PER_HOUR * 4 / 3 + 2, "no heap for what was missed"
    print(  # noqa: T201 (the figures, with pytest -s)
        f"{DUE:,} due, an hour of outage: {in_outage} tries, the end noticed after {noticed_at - open_at}, "
        f"then {CONFIRMATIONS} confirmations, then {sum(letters.values())} letters to {OFFICIALS} officials "
        f"in {moment - noticed_at}, at most {max(letters.values())} to one"
    )


def _due(ledger: Ledger) -> None:
    """Letters first, so that confirmations are the youngest."""
    rows = []
    for number in range(DUE):
        is_letter = number < DUE - CONFIRMATIONS
        key = f"official{number % OFFICIALS}@office.example" if is_letter else f"person{number}@example.org"
        lane = Lane.PACED if is_letter else Lane.FAST
        group = "campaign:1" if is_letter else ""
        rows.append(
            {"kind": "test", "subject_id": number, "recipient_key": key, "group_key": group, "lane": lane.value}
            | {"not_before": BEGIN, "created_at": BEGIN}
        )
    keys = sorted({str(row["recipient_key"]) for row in rows if row["lane"] == Lane.PACED})
    with ledger.app.app_context():
        db.session.execute(sa.insert(Outgoing), rows)
        db.session.execute(sa.insert(Recipient), [{"recipient_key": key, "next_at": BEGIN} for key in keys])
        db.session.execute(
            sa.insert(Turn), [{"recipient_key": key, "group_key": "campaign:1", "next_at": BEGIN} for key in keys]
        )
        db.session.commit()
