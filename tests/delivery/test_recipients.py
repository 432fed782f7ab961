"""Recipients that refuse are written to no more, nothing is lost, and staff set them free."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter

import pytest
import sqlalchemy as sa
from flask import Flask

from actionkit import db
from actionkit.delivery import history, outbox, recipients
from actionkit.delivery.models import Lane, State
from tests.delivery.conftest import Ledger, MakeWorker
from tests.sink import Session, Sink

KEY = "bad@example.org"
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def _refusing(step: str, session: Session) -> str | None:
    return "550 5.1.1 no such user" if step == "rcpt" and session.rcpt == KEY else None


def _letters(ledger: Ledger, *subjects: int) -> None:
    for subject in subjects:
        ledger.put(KEY, "good@example.org", subject=subject, lane=Lane.PACED)


def _states_of(ledger: Ledger, key: str) -> Counter[str]:
    return Counter(row.state for row in ledger.rows() if row.recipient_key == key)


def _resume(app: Flask, key: str = KEY) -> int | None:
    with app.app_context():
        queued = recipients.resume(key)
        db.session.commit()
        return queued


def test_after_three_refusals_later_letters_wait_and_none_is_lost(
    app: Flask, ledger: Ledger, sink: Sink, make_worker: MakeWorker
) -> None:
    sink.script = _refusing
    worker = make_worker()
    _letters(ledger, *range(5))
    ledger.deliver(worker)
    assert _states_of(ledger, KEY) == {State.FAILED: 3, State.HELD: 2}
    _letters(ledger, 5)
    assert _states_of(ledger, KEY) == {State.FAILED: 3, State.HELD: 3}, "what comes in later is held at once"
    ledger.put(KEY, subject=9)
    ledger.deliver(worker)
    assert _states_of(ledger, KEY) == {State.FAILED: 3, State.HELD: 4}, "the fast lane, when it is claimed"
    assert _states_of(ledger, "good@example.org") == {State.SENT: 6}
    held = next(row for row in ledger.rows() if row.state == State.HELD)
    with app.app_context():
        (known,) = recipients.suspended()
        assert (known.recipient_key, known.held, known.reason) == (KEY, 4, "550 5.1.1 no such user")
        (event,) = history.of(held.id)
        assert (event.outcome, event.said) == (State.HELD, "the address is suspended: 550 5.1.1 no such user")
    sink.script = lambda step, session: None
    assert _resume(app) == 4
    assert _resume(app) is None, "once"
    ledger.deliver(worker)
    assert _states_of(ledger, KEY) == {State.FAILED: 3, State.SENT: 4}
    assert Counter(mail.rcpt for mail in sink.received)[KEY] == 4


def test_an_accepted_letter_ends_the_row_of_refusals(ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    worker = make_worker()
    for subject, answer in enumerate(["550 5.1.1 no", "553 5.1.3 no", None, "550 5.1.1 no", "551 5.1.6 no"]):
        sink.script = lambda step, _session, answer=answer: answer if step == "rcpt" else None  # type: ignore[misc]
        ledger.put(KEY, subject=subject, lane=Lane.PACED)
        ledger.deliver(worker)
    assert _states_of(ledger, KEY) == {State.FAILED: 4, State.SENT: 1}
    with ledger.app.app_context():
        assert recipients.suspended() == []


@pytest.mark.parametrize("answer", ["550 5.7.1 we do not like you", "552 5.2.2 full", "451 4.7.1 later"])
def test_what_is_not_about_the_address_is_not_counted(
    ledger: Ledger, sink: Sink, make_worker: MakeWorker, answer: str
) -> None:
    sink.script = lambda step, session: answer if step == "rcpt" else None
    for subject in range(4):
        ledger.put(KEY, subject=subject)
    ledger.deliver(make_worker())
    with ledger.app.app_context():
        assert recipients.suspended() == []
    assert _states_of(ledger, KEY)[State.HELD] == 0


def test_staff_hold_and_free_a_recipient_and_other_held_mails_stay(
    app: Flask, ledger: Ledger, make_worker: MakeWorker
) -> None:
    ledger.put(KEY, subject=0, lane=Lane.PACED)
    ledger.change(state=State.HELD, last_step="rcpt-to", last_answer="SMTPUTF8")
    ledger.put(KEY, subject=1, lane=Lane.PACED)
    with app.app_context():
        assert recipients.suspend(KEY, "it is an old address")
        assert not recipients.suspend(KEY, "again")
        db.session.commit()
    assert ledger.states() == [State.HELD, State.HELD]
    assert _resume(app) == 1
    assert ledger.states() == [State.HELD, State.QUEUED]


def test_letters_put_while_the_recipient_is_freed_are_not_stuck(app: Flask, ledger: Ledger) -> None:
    """Whoever comes second, each letter is queued in the end, or its put saw the suspension lifted."""
    for round_ in range(8):
        with app.app_context():
            recipients.suspend(KEY, "old")
            db.session.commit()
        gate = threading.Barrier(2)

        def put(round_: int = round_, gate: threading.Barrier = gate) -> None:
            gate.wait()
            ledger.put(KEY, subject=round_, lane=Lane.PACED)

        def free(gate: threading.Barrier = gate) -> None:
            gate.wait()
            _resume(app)

        threads = [threading.Thread(target=put), threading.Thread(target=free)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(ledger.states()) == {State.QUEUED}


def test_a_refused_mail_is_not_revived(app: Flask, ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    sink.script = _refusing
    ledger.put(KEY, "waiting@example.org")
    with app.app_context():
        outbox.cancel("test", 1)
        db.session.commit()
    ledger.put(KEY)
    ledger.deliver(make_worker())
    with app.app_context():
        assert outbox.cancel("test", 1) == 0, "one has ended, the other is cancelled already"
        assert outbox.revive("test", sa.select(sa.literal(1))) == 1
        db.session.commit()
    assert ledger.states() == [State.FAILED, State.QUEUED]


@pytest.mark.parametrize(("has_arrived", "state"), [(True, State.SENT), (False, State.FAILED)])
def test_staff_settle_what_stays_uncertain(app: Flask, ledger: Ledger, has_arrived: bool, state: State) -> None:
    ledger.put("a@example.org")
    ledger.change(state=State.UNCERTAIN, is_maybe_twice=True, lease_until=LONG_AGO)
    row = ledger.row()
    with app.app_context():
        assert not outbox.settle(row.id, has_arrived=has_arrived), "it is due once more by itself"
    ledger.change(lease_until=None)
    with app.app_context():
        assert outbox.settle(row.id, has_arrived=has_arrived)
        assert not outbox.settle(row.id, has_arrived=has_arrived)
        db.session.commit()
        assert [event.outcome for event in history.of(row.id)] == [state]
    assert ledger.row().state == state
