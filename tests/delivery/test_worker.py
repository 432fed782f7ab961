"""The ledger's promises, in a real SMTP conversation, on both databases."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa
import sqlalchemy.exc
from flask import Flask

from actionkit import db
from actionkit.delivery import claims, outbox, pace, policy, relay
from actionkit.delivery.models import Lane, State
from actionkit.delivery.renderers import CannotBeSent, Item, Mail, NotToBeSent
from actionkit.delivery.worker import Worker
from tests.conftest import MakeApp
from tests.delivery.conftest import Ledger, MakeWorker, plain
from tests.sink import DROP, Session, Sink

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def test_a_mail_is_sent_once_with_its_message_id(ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    ledger.put("a@example.org")
    worker = make_worker()
    ledger.deliver(worker)
    ledger.deliver(worker)
    (mail,) = sink.received
    row = ledger.row()
    assert mail.rcpt == "a@example.org"
    assert mail.mail_from == "us@sender.example"
    assert mail.message_id == f"<{row.public_id}@sender.example>"
    assert (row.state, row.attempts, row.is_maybe_twice) == (State.SENT, 1, False)
    (attempt,) = ledger.attempts()
    assert attempt.outcome == State.SENT
    assert attempt.ended_at is not None


def test_many_mails_leave_on_one_connection_each_in_its_own_envelope(
    ledger: Ledger, sink: Sink, make_worker: MakeWorker
) -> None:
    ledger.put(*[f"p{n}@example.org" for n in range(30)])
    ledger.deliver(make_worker())
    assert sink.connections == 1
    assert Counter(mail.rcpt for mail in sink.received) == Counter(f"p{n}@example.org" for n in range(30))
    assert all(str(mail.message["To"]) == mail.rcpt for mail in sink.received)


def test_the_same_mail_cannot_be_put_twice(ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    ledger.put("a@example.org")
    ledger.put("a@example.org")
    ledger.deliver(make_worker())
    ledger.put("a@example.org")
    ledger.deliver(make_worker())
    assert len(sink.received) == 1


def test_a_cancelled_mail_does_not_leave_and_can_be_put_again(
    app: Flask, ledger: Ledger, sink: Sink, make_worker: MakeWorker
) -> None:
    ledger.put("a@example.org")
    with app.app_context():
        assert outbox.cancel("test", 1) == 1
        db.session.commit()
    ledger.deliver(make_worker())
    assert sink.received == []
    ledger.put("a@example.org")
    ledger.deliver(make_worker())
    assert len(sink.received) == 1


# ---------------------------------------------------------------- errors by step


def _answering(step: str, reply: Any) -> Any:
    return lambda at, session: reply if at == step else None


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("step", "reply"),
    [
        ("connect", "421 4.3.2 too busy"),
        ("connect", DROP),
        ("mail", "550 5.7.1 your sender is not allowed"),
        ("mail", "451 4.3.0 later"),
        ("rcpt", "421 4.4.2 going down"),
    ],
)
def test_trouble_of_the_relay_is_not_the_mails(
    ledger: Ledger, sink: Sink, make_worker: MakeWorker, step: str, reply: Any
) -> None:
    first, second = make_worker(), make_worker()
    for worker in (first, second):
        ledger.deliver(worker)  # nothing is due; from now on they are not new
    ledger.put(*[f"p{n}@example.org" for n in range(20)])
    sink.script = _answering(step, reply)
    for worker in (first, second, first, second, first, second):
        ledger.deliver(worker)
    rows = ledger.rows()
    assert {row.state for row in rows} == {State.QUEUED}
    assert {row.attempts for row in rows} == {0}, "an outage charges no attempt"
    tries = 1 if isinstance(reply, str) and reply.startswith("5") else relay.FAULTS_UNTIL_SHUT
    if step != "mail":  # where the conversation goes on
        assert sink.connections == tries, "after trouble nobody tries for a while, in no worker"
    sink.script = lambda at, session: None
    ledger.try_now()
    ledger.deliver(first)
    waiting = 0 if step == "connect" else tries
    assert len(sink.received) == 20 - waiting, "those that met the trouble and may be its cause wait a minute"
    ledger.change(not_before=LONG_AGO)
    ledger.deliver(make_worker())
    assert Counter(ledger.states()) == {State.SENT: 20}
    assert len(sink.received) == 20


@pytest.mark.parametrize("answer", ["554 5.7.1 relaying denied", "550 we do not relay: Relay access denied"])
def test_a_policy_against_us_fails_nobody_and_pauses(
    ledger: Ledger, sink: Sink, make_worker: MakeWorker, answer: str
) -> None:
    worker = make_worker()
    ledger.deliver(worker)
    ledger.put(*[f"p{n}@office{n % 5}.example" for n in range(10)])
    sink.script = _answering("rcpt", answer)
    for _ in range(3):
        ledger.deliver(worker)
    assert {(row.state, row.attempts) for row in ledger.rows()} == {(State.QUEUED, 0)}
    assert len(ledger.attempts()) == policy.DOMAINS_UNTIL_OURS
    ledger.try_now()
    ledger.deliver(worker)
    assert set(ledger.states()) == {State.QUEUED}, "who finds out is not failed either"
    assert len(ledger.attempts()) == policy.DOMAINS_UNTIL_OURS + 1
    sink.script = lambda at, session: None
    ledger.try_now()
    ledger.deliver(worker)
    assert Counter(ledger.states()) == {State.SENT: 10}
    assert worker.streak.refused == {}


def test_a_policy_of_one_office_is_that_letters_own(ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    ledger.put(*[f"p{n}@{'closed' if n % 2 else 'open'}.example" for n in range(8)])
    sink.script = lambda at, s: "550 5.7.1 not you" if at == "rcpt" and "closed" in s.rcpt else None
    ledger.deliver(make_worker())
    assert Counter(ledger.states()) == {State.SENT: 4, State.FAILED: 4}


def test_a_mail_that_always_brings_trouble_stops_no_other(ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    ledger.put("poison@example.org", *[f"p{n}@example.org" for n in range(5)])
    sink.script = lambda at, s: "421 4.7.0 go away" if at == "rcpt" and s.rcpt.startswith("poison") else None
    ledger.deliver(make_worker())
    ledger.deliver(make_worker())
    assert len(sink.received) == 5


@pytest.mark.parametrize("reply", ["251 2.1.5 will forward", "299 fine"])
def test_any_yes_after_the_final_dot_is_a_yes(ledger: Ledger, sink: Sink, make_worker: MakeWorker, reply: str) -> None:
    ledger.put("a@example.org")
    sink.script = _answering("dot", reply)
    ledger.deliver(make_worker())
    assert ledger.row().state == State.SENT


@pytest.mark.parametrize("reply", ["hello?", "354 more", "100 what"])
def test_nonsense_after_the_final_dot_is_uncertain(
    ledger: Ledger, sink: Sink, make_worker: MakeWorker, reply: str
) -> None:
    ledger.put("a@example.org")
    sink.script = _answering("dot", reply)
    ledger.deliver(make_worker())
    assert ledger.row().state == State.UNCERTAIN


def test_a_database_that_is_away_for_a_moment_leaves_nothing_stuck(
    app: Flask, ledger: Ledger, sink: Sink, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.put(*[f"p{n}@example.org" for n in range(8)])
    genuine, calls = claims.record, []

    def failing(owner: str, outcome: claims.Outcome) -> None:
        calls.append(owner)
        if len(calls) == 1:
            raise sa.exc.OperationalError("x", {}, Exception("away"))
        genuine(owner, outcome)

    monkeypatch.setattr(claims, "record", failing)
    worker = make_worker()
    ledger.deliver(worker)
    assert worker.held == {}
    assert set(ledger.states()) == {State.SENT}, "what was leased is sent when the database is back"
    ledger.change(lease_until=LONG_AGO)
    assert ledger.end_dead_leases(worker) == 0, "what was sent is known to be sent"
    ledger.deliver(worker)
    assert set(ledger.states()) == {State.SENT}
    assert len(sink.received) == 8


def test_a_refused_recipient_fails_alone(ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    ledger.put("a@example.org", "bad@example.org", "c@example.org")
    sink.script = lambda at, s: "550 5.1.1 no bad@example.org here" if at == "rcpt" and s.rcpt[:3] == "bad" else None
    ledger.deliver(make_worker())
    a, bad, c = ledger.rows()
    assert (a.state, bad.state, c.state) == (State.SENT, State.FAILED, State.SENT)
    assert bad.last_step == "rcpt-to"
    assert bad.last_answer == "550 5.1.1 no <address> here", "the answer is kept without the address"


def test_greylisting_is_waited_out_with_growing_gaps(ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    ledger.put("a@example.org")
    sink.script = _answering("rcpt", "451 4.7.1 greylisted")
    worker = make_worker()
    gaps = []
    for _ in range(3):
        before = dt.datetime.now(dt.UTC)
        ledger.deliver(worker)
        row = ledger.row()
        assert row.state == State.QUEUED
        gaps.append((row.not_before - before).total_seconds() / 60)
        ledger.change(not_before=LONG_AGO)
    assert [round(gap / minutes, 0) for gap, minutes in zip(gaps, (1, 2, 4), strict=True)] == [1, 1, 1]
    sink.script = lambda at, session: None
    ledger.deliver(worker)
    assert ledger.row().state == State.SENT
    assert ledger.row().attempts == 4
    assert len(sink.received) == 1


@pytest.mark.one_database
def test_what_is_put_off_for_a_week_fails(ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    ledger.put("a@example.org")
    ledger.change(first_tried_at=LONG_AGO)
    sink.script = _answering("rcpt", "451 4.7.1 greylisted")
    worker = make_worker()
    ledger.deliver(worker)
    assert ledger.row().state == State.QUEUED, "the week begins when it is first put off, not in an outage before"
    ledger.change(not_before=LONG_AGO, give_up_at=LONG_AGO)
    ledger.deliver(worker)
    assert ledger.row().state == State.FAILED


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("reply", "state"), [("554 5.7.1 looks like spam", State.FAILED), ("452 4.3.1 disk full", State.QUEUED)]
)
def test_an_answer_after_the_final_dot_is_about_the_message(
    ledger: Ledger, sink: Sink, make_worker: MakeWorker, reply: str, state: State
) -> None:
    ledger.put("a@example.org")
    sink.script = _answering("dot", reply)
    ledger.deliver(make_worker())
    assert ledger.row().state == state
    assert sink.received == []


def test_a_connection_lost_before_the_final_dot_is_tried_again(
    ledger: Ledger, sink: Sink, make_worker: MakeWorker
) -> None:
    ledger.put("a@example.org")
    sink.script = _answering("body", DROP)
    worker = make_worker()
    ledger.deliver(worker)
    row = ledger.row()
    assert (row.state, row.is_maybe_twice) == (State.QUEUED, False)
    sink.script = lambda at, session: None
    ledger.change(not_before=LONG_AGO)
    ledger.deliver(worker)
    assert (ledger.row().state, ledger.row().is_maybe_twice) == (State.SENT, False)
    assert len(sink.received) == 1


def test_silence_after_the_final_dot_is_uncertain_and_due_once_more(
    ledger: Ledger, sink: Sink, make_worker: MakeWorker
) -> None:
    ledger.put("a@example.org")
    sink.script = _answering("dot", DROP)
    worker = make_worker()
    ledger.deliver(worker)
    row = ledger.row()
    assert (row.state, row.is_maybe_twice) == (State.UNCERTAIN, False)
    ledger.deliver(worker)
    assert len(sink.received) == 1, "not before its lease has ended"
    ledger.change(lease_until=LONG_AGO)
    sink.script = lambda at, session: None
    ledger.deliver(worker)
    assert (ledger.row().state, ledger.row().is_maybe_twice) == (State.SENT, True)
    first, second = sink.received
    assert first.message_id == second.message_id
    assert first.raw == second.raw, "every try says the same"


def test_a_second_silence_waits_for_a_person(app: Flask, ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    ledger.put("a@example.org")
    sink.script = _answering("dot", DROP)
    worker = make_worker()
    ledger.deliver(worker)
    ledger.change(lease_until=LONG_AGO)
    ledger.deliver(worker)
    row = ledger.row()
    assert (row.state, row.is_maybe_twice, row.lease_until) == (State.UNCERTAIN, True, None)
    ledger.deliver(worker)
    assert len(sink.received) == 2
    with app.app_context():
        assert outbox.send_again(row.id)
        assert not outbox.send_again(row.id)
        db.session.commit()
    sink.script = lambda at, session: None
    ledger.deliver(worker)
    assert (ledger.row().state, ledger.row().is_maybe_twice) == (State.SENT, True)
    assert len({mail.message_id for mail in sink.received}) == 1


# ---------------------------------------------------------------- a worker that dies


def test_a_dead_worker_leaves_what_it_began_uncertain_and_the_rest_queued(
    app: Flask, ledger: Ledger, make_worker: MakeWorker
) -> None:
    ledger.put(*[f"p{n}@example.org" for n in range(4)])
    with app.app_context():
        items = claims.claim("dead", 4)
        assert claims.open_attempt("dead", items[0])
        db.session.commit()
    worker = make_worker()
    assert ledger.end_dead_leases(worker) == 0, "its lease has not ended"
    ledger.change(lease_until=LONG_AGO)
    assert ledger.end_dead_leases(worker) == 1
    assert Counter(ledger.states()) == {State.UNCERTAIN: 1, State.QUEUED: 3}
    ledger.deliver(worker)
    assert Counter(ledger.states()) == {State.SENT: 4}
    assert [row.is_maybe_twice for row in ledger.rows()].count(True) == 1


def test_a_late_outcome_does_not_overwrite_who_took_over(app: Flask, ledger: Ledger, make_worker: MakeWorker) -> None:
    ledger.put("a@example.org")
    with app.app_context():
        (item,) = claims.claim("slow", 1)
        claims.open_attempt("slow", item)
        db.session.commit()
    ledger.change(lease_until=LONG_AGO)
    worker = make_worker()
    ledger.end_dead_leases(worker)
    ledger.deliver(worker)
    assert ledger.row().state == State.SENT
    with app.app_context():
        claims.record("slow", claims.Outcome(item, State.FAILED, "rcpt-to", "550"))
        db.session.commit()
    assert ledger.row().state == State.SENT


def test_own_leases_are_renewed_and_never_ended_when_the_clock_leaps(
    app: Flask, ledger: Ledger, make_worker: MakeWorker
) -> None:
    ledger.put("a@example.org")
    worker = make_worker()
    with app.app_context():
        (item,) = claims.claim("sender", 1)
        claims.open_attempt("sender", item)
        worker.held[item.id] = "sender"
        db.session.commit()
    ledger.change(lease_until=LONG_AGO)
    assert ledger.end_dead_leases(worker) == 0
    with app.app_context():
        claims.renew(worker.held)
        db.session.commit()
    assert ledger.row().lease_until > dt.datetime.now(dt.UTC)


def test_stopping_ends_after_the_letter_in_hand_and_gives_the_rest_back(
    ledger: Ledger, sink: Sink, make_worker: MakeWorker
) -> None:
    ledger.put(*[f"p{n}@example.org" for n in range(10)])
    worker = make_worker()

    def stop_at_second(step: str, session: Session) -> None:
        if step == "dot" and len(sink.received) == 1:
            worker.stopping.set()

    sink.script = stop_at_second
    ledger.deliver(worker)
    assert Counter(ledger.states()) == {State.SENT: 2, State.QUEUED: 8}
    assert {row.lease_owner for row in ledger.rows()} == {""}


def test_a_cut_connection_leaves_its_mail_uncertain(ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    ledger.put("a@example.org")
    worker = make_worker()
    sink.script = lambda step, session: threading.Timer(0.2, worker.cut).start() or 30.0 if step == "dot" else None
    ledger.deliver(worker)
    assert ledger.row().state == State.UNCERTAIN


def test_many_senders_and_one_mail(ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    for round_ in range(10):
        ledger.put("a@example.org", subject=round_)
        workers = [make_worker() for _ in range(4)]
        threads = [threading.Thread(target=ledger.deliver, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(sink.received) == 10
    assert set(ledger.states()) == {State.SENT}


# ---------------------------------------------------------------- rendering


def test_a_poison_mail_stops_alone(ledger: Ledger, sink: Sink) -> None:
    def poison(item: Item) -> Mail:
        match item.subject_id:
            case 1:
                raise RuntimeError("ann@example.org broke it")
            case 2:
                raise CannotBeSent("the letter is missing")
            case 3:
                raise NotToBeSent("withdrawn")
        return plain(item)

    for subject in range(1, 6):
        ledger.put("a@example.org", subject=subject)
    worker = Worker({"test": poison})
    ledger.deliver(worker)
    worker.close()
    assert ledger.states() == [State.FROZEN, State.FROZEN, State.CANCELLED, State.SENT, State.SENT]
    assert [row.last_answer for row in ledger.rows()[:3]] == [
        "unexpected: RuntimeError",
        "the letter is missing",
        "withdrawn",
    ]


def test_a_header_that_would_break_out_stops_the_mail(ledger: Ledger, sink: Sink) -> None:
    def injecting(item: Item) -> Mail:
        return Mail(to=("", "a@example.org"), subject="Hello\r\nBcc: x@example.org", text="", language="en")

    ledger.put("a@example.org")
    worker = Worker({"test": injecting})
    ledger.deliver(worker)
    worker.close()
    assert ledger.states() == [State.FROZEN]
    assert sink.received == []


def test_an_address_beyond_ascii_needs_a_relay_for_it(ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    ledger.put("üser@example.org", "a@bücher.example")
    sink.extensions = ("8BITMIME",)
    ledger.deliver(make_worker())
    assert ledger.states() == [State.HELD, State.SENT]
    assert sink.received[0].rcpt == "a@xn--bcher-kva.example"
    sink.extensions = ("8BITMIME", "SMTPUTF8")
    with ledger.app.app_context():
        assert outbox.send_again(ledger.rows()[0].id)
        db.session.commit()
    ledger.deliver(make_worker())
    assert ledger.states() == [State.SENT, State.SENT]
    assert sink.received[1].rcpt == "üser@example.org"


# ---------------------------------------------------------------- pace


def test_a_recipient_gets_one_at_a_time(make_app: MakeApp, sink: Sink, make_worker: MakeWorker) -> None:
    app = make_app(mail_server="127.0.0.1", mail_port=str(sink.port), letters_per_official_per_hour="30")
    ledger = Ledger(app)
    for subject in range(5):
        ledger.put("a@example.org", "b@example.org", subject=subject, lane=Lane.PACED, group="g")
    worker = make_worker()
    ledger.deliver(worker)
    ledger.deliver(worker)
    assert Counter(mail.rcpt for mail in sink.received) == {"a@example.org": 1, "b@example.org": 1}


def test_a_group_may_have_its_own_pace(app: Flask, ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    with app.app_context():
        pace.set_group("slow", 1)
        db.session.commit()
    for subject in range(3):
        ledger.put("a@example.org", subject=subject, lane=Lane.PACED, group="slow")
        ledger.put("b@example.org", subject=subject, lane=Lane.PACED, group="quick")
    ledger.deliver(make_worker())
    assert Counter(mail.rcpt for mail in sink.received) == {"a@example.org": 1, "b@example.org": 3}


def test_who_is_waited_for_goes_first(ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    for subject in range(20):
        ledger.put("a@example.org", subject=subject, lane=Lane.PACED)
    ledger.put("waiting@example.org", subject=99)
    ledger.deliver(make_worker())
    assert sink.received[0].rcpt == "waiting@example.org"
