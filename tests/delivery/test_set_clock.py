"""The time of day is set back or forward under a ledger: what waits still waits as long as it was to, and no longer."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from flask import Flask

from actionkit import clock, db, jobs
from actionkit.clock import SetClock
from actionkit.delivery import claims, set_back
from actionkit.delivery.models import Lane, Recipient, State, Turn
from actionkit.delivery.worker import Worker
from tests.conftest import MakeApp
from tests.delivery.conftest import Ledger, MakeWorker
from tests.signing.clock import Clock
from tests.sink import Sink

TWO_HOURS = dt.timedelta(hours=2)
OFFICIAL = "official@example.org"


@pytest.fixture
def time_of_day(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def _look(ledger: Ledger, worker: Worker) -> int:
    with ledger.app.app_context():
        return jobs.end_dead_leases(worker)


def _seconds_from_now(moment: dt.datetime | None) -> float:
    assert moment is not None
    return (moment - db.now()).total_seconds()


def _claim(ledger: Ledger, owner: str) -> None:
    with ledger.app.app_context():
        for item in claims.claim(owner, 8):
            assert claims.open_attempt(owner, item)
        db.session.commit()


def test_what_waits_waits_no_longer_and_no_shorter(
    ledger: Ledger, sink: Sink, make_worker: MakeWorker, time_of_day: Clock
) -> None:
    ledger.put("before@example.org")
    next_week = db.now() + dt.timedelta(days=7)
    ledger.change(not_before=next_week)
    time_of_day.pass_by(hours=2)
    ledger.put("greylisted@example.org")
    sink.script = lambda step, _session: "451 4.7.1 greylisted" if step == "rcpt" else None
    ledger.deliver(make_worker())
    sink.script = lambda _step, _session: None
    ledger.put("due@example.org")
    time_of_day.ahead = dt.timedelta()
    for _ in range(2):  # a second worker that starts finds nothing to do
        _look(ledger, make_worker())
        before, greylisted, due = ledger.rows()
        assert before.not_before == next_week
        assert 30 < _seconds_from_now(greylisted.not_before) < 80
        assert _seconds_from_now(due.not_before) <= 0
        assert all(row.created_at <= db.now() for row in (before, greylisted, due))
        with ledger.app.app_context():
            assert not set_back.by_how_much()
    ledger.deliver(make_worker())
    assert [mail.rcpt for mail in sink.received] == ["due@example.org"]


def test_more_than_a_page_is_put_right(
    ledger: Ledger, make_worker: MakeWorker, time_of_day: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_back, "PAGE", 2)
    time_of_day.pass_by(hours=2)
    ledger.put(*(f"{n}@example.org" for n in range(5)))
    time_of_day.ahead = dt.timedelta()
    _look(ledger, make_worker())
    assert all(row.not_before <= db.now() and row.created_at <= db.now() for row in ledger.rows())


def test_turns_come_as_soon_as_they_were_to(
    make_app: MakeApp, sink: Sink, make_worker: MakeWorker, time_of_day: Clock
) -> None:
    ledger = Ledger(make_app(mail_server="127.0.0.1", mail_port=str(sink.port), letters_per_official_per_hour="30"))
    time_of_day.pass_by(hours=2)
    for subject in (1, 2):
        ledger.put(OFFICIAL, subject=subject, lane=Lane.PACED, group="campaign:1")
    ledger.deliver(make_worker())
    assert len(sink.received) == 1
    time_of_day.ahead = dt.timedelta()
    _look(ledger, make_worker())
    with ledger.app.app_context():
        assert 60 < _seconds_from_now(db.session.scalar(sa.select(Recipient.next_at))) < 180
        assert -5 < _seconds_from_now(db.session.scalar(sa.select(Turn.last_at))) <= 0
    ledger.deliver(make_worker())
    assert len(sink.received) == 1, "the pace is kept"
    time_of_day.pass_by(minutes=3)
    ledger.deliver(make_worker())
    assert len(sink.received) == 2


def test_a_lease_ends_in_its_time_unless_its_worker_lives(
    ledger: Ledger, make_worker: MakeWorker, time_of_day: Clock
) -> None:
    time_of_day.pass_by(hours=2)
    ledger.put("alive@example.org", "dead@example.org")
    _claim(ledger, "other")
    time_of_day.ahead = dt.timedelta()
    worker = make_worker()
    assert _look(ledger, worker) == 0
    alive, dead = ledger.rows()
    with ledger.app.app_context():
        lease = claims.lease()
    assert alive.state == dead.state == State.SENDING
    assert _seconds_from_now(dead.lease_until) <= lease.total_seconds()
    time_of_day.pass_by(seconds=lease.total_seconds() - 10)
    with ledger.app.app_context():
        claims.renew({alive.id: "other"})
        db.session.commit()
    time_of_day.pass_by(seconds=11)
    assert _look(ledger, worker) == 1
    assert ledger.states() == [State.SENDING, State.UNCERTAIN]


def test_a_leap_forward_takes_no_mail_from_a_worker_that_lives(
    ledger: Ledger, make_worker: MakeWorker, time_of_day: Clock
) -> None:
    with ledger.app.app_context():
        lease = claims.lease().total_seconds()
    steady = 1000.0
    worker = make_worker()
    worker.clock = SetClock(time_of_day=lambda: time_of_day.ahead.total_seconds() + steady, steady=lambda: steady)
    _look(ledger, worker)
    ledger.put("a@example.org")
    _claim(ledger, "other")
    time_of_day.pass_by(hours=2)
    assert _look(ledger, worker) == 0
    steady += lease - 1
    assert _look(ledger, worker) == 0
    assert ledger.states() == [State.SENDING], "the other worker may have had no time to renew its lease"
    steady += 2
    assert _look(ledger, worker) == 1


def test_jobs_keep_their_rhythm_whatever_the_time_of_day(
    app: Flask, time_of_day: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = app.extensions["celery"].conf.beat_schedule.values()
    entry = next(entry["schedule"] for entry in entries if entry["task"] == "actionkit.count")
    last = entry.now()
    seconds = clock.time.monotonic()
    monkeypatch.setattr(clock.time, "time", lambda: 0.0)
    monkeypatch.setattr(clock.time, "monotonic", lambda: seconds + 0.5)
    assert not entry.is_due(last).is_due
    monkeypatch.setattr(clock.time, "monotonic", lambda: seconds + 1.5)
    assert entry.is_due(last).is_due


def test_small_differences_are_none_and_a_failed_repair_is_tried_again() -> None:
    now = {"of day": 5000.0, "steady": 100.0}
    watched = SetClock(time_of_day=lambda: now["of day"], steady=lambda: now["steady"])
    assert watched.was_set()
    assert watched.was_set(), "nobody has heeded it yet"
    watched.heeded()
    now["of day"] -= 20
    assert not watched.was_set()
    now["of day"] -= 20
    assert watched.was_set()
    assert not watched.is_settled(60)
    assert watched.was_set()
    watched.heeded()
    now["steady"] += 61
    now["of day"] += 61
    assert not watched.was_set()
    assert watched.is_settled(60)


def test_a_clock_is_trusted_when_it_was_left_alone_for_an_hour() -> None:
    now = {"of day": 1e9, "steady": 50.0}
    watched = SetClock(time_of_day=lambda: now["of day"], steady=lambda: now["steady"])
    watched.heeded()
    assert not watched.is_trusted(3600), "a process that has just begun may have begun at a wrong time"
    for each in now:
        now[each] += 3600
    assert watched.is_trusted(3600)
    now["of day"] += 400 * 86_400
    assert not watched.is_trusted(3600), "it is seen at once, whoever else looks"
    watched.heeded()
    for each in now:
        now[each] += 3599
    assert not watched.is_trusted(3600)
    now["of day"] -= 400 * 86_400
    assert not watched.is_trusted(3600)
    watched.heeded()
    for each in now:
        now[each] += 3600
    assert watched.is_trusted(3600)
