"""Groups that are paused, refused, stopped and taken back; and a recipient that takes its time."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from flask import Flask

from actionkit import db
from actionkit.delivery import groups, history, outbox
from actionkit.delivery import worker as worker_module
from actionkit.delivery.models import Lane, State
from tests.conftest import MakeApp
from tests.delivery.conftest import Ledger, MakeWorker
from tests.sink import Session, Sink, Trickle


@pytest.fixture
def do(app: Flask) -> Callable[[Callable[[], object]], object]:
    """One transaction that writes."""

    def run(work: Callable[[], object]) -> object:
        with app.app_context():
            result = work()
            db.session.commit()
            return result

    return run


Do = Callable[[Callable[[], object]], object]


def _letters(ledger: Ledger, group: str, count: int, first: int = 0) -> None:
    for subject in range(first, first + count):
        ledger.put(f"{group}@example.org", subject=subject, lane=Lane.PACED, group=group)


def _states_of(ledger: Ledger, group: str) -> Counter[str]:
    return Counter(row.state for row in ledger.rows() if row.group_key == group)


def test_a_paused_group_waits_and_no_other(ledger: Ledger, sink: Sink, make_worker: MakeWorker, do: Do) -> None:
    _letters(ledger, "a", 2)
    _letters(ledger, "b", 2)
    assert do(lambda: groups.pause("a")) is True
    assert do(lambda: groups.pause("a")) is False
    worker = make_worker()
    ledger.deliver(worker)
    assert (_states_of(ledger, "a"), _states_of(ledger, "b")) == ({State.QUEUED: 2}, {State.SENT: 2})
    assert do(lambda: groups.resume("a")) is True
    ledger.deliver(worker)
    assert len(sink.received) == 4


def test_five_refused_in_a_row_pause_their_group(ledger: Ledger, sink: Sink, make_worker: MakeWorker, do: Do) -> None:
    sink.script = lambda step, s: "554 5.7.1 spam" if step == "dot" and s.rcpt.startswith("a@") else None
    _letters(ledger, "a", 8)
    _letters(ledger, "b", 3)
    worker = make_worker()
    ledger.deliver(worker)
    ledger.deliver(worker)
    assert _states_of(ledger, "a") == {State.FAILED: 5, State.QUEUED: 3}
    assert _states_of(ledger, "b") == {State.SENT: 3}
    pause = do(lambda: groups.paused()["a"])
    assert isinstance(pause, groups.Pause)
    assert pause.because == "554 5.7.1 spam"
    sink.script = lambda step, session: None
    do(lambda: groups.resume("a"))
    ledger.deliver(worker)
    assert _states_of(ledger, "a") == {State.FAILED: 5, State.SENT: 3}


def test_refusals_that_are_not_in_a_row_pause_nothing(ledger: Ledger, sink: Sink, make_worker: MakeWorker) -> None:
    count = iter(range(100))
    sink.script = lambda step, s: "554 5.7.1 spam" if step == "dot" and next(count) % 5 != 4 else None
    _letters(ledger, "a", 15)
    worker = make_worker()
    ledger.deliver(worker)
    ledger.deliver(worker)
    assert _states_of(ledger, "a") == {State.FAILED: 12, State.SENT: 3}


def test_all_unsent_of_a_group_are_stopped_and_taken_back(
    ledger: Ledger, sink: Sink, make_worker: MakeWorker, do: Do
) -> None:
    _letters(ledger, "a", 5)
    _letters(ledger, "b", 1)
    do(lambda: outbox.cancel("test", 0))  # two letters, withdrawn before
    assert do(lambda: groups.unsent("a")) == 4
    assert do(lambda: groups.stop("a")) is True
    assert do(lambda: groups.stop("a")) is False, "it is at work"
    _letters(ledger, "a", 1, first=5)
    worker = make_worker()
    ledger.deliver(worker)
    assert sink.received == [], "nothing of it leaves while it is being stopped"
    assert [do(lambda: groups.work_off(3)) for _ in range(3)] == [3, 1, 0]
    assert _states_of(ledger, "a") == {State.CANCELLED: 5, State.QUEUED: 1}, "later ones are not concerned"
    ledger.deliver(worker)
    assert [mail.rcpt for mail in sink.received] == ["a@example.org"]
    assert do(lambda: groups.stopped("a")) == 4
    do(lambda: groups.undo_stop("a"))
    while do(groups.work_off):
        pass
    assert _states_of(ledger, "a") == {State.CANCELLED: 1, State.QUEUED: 4, State.SENT: 1}
    one = next(row for row in ledger.rows() if row.group_key == "a" and row.state == State.QUEUED)
    events = do(lambda: history.of(one.id))
    assert isinstance(events, list)
    assert [event.said for event in events] == [groups.BY_STAFF, groups.TAKEN_BACK]


# ---------------------------------------------------------------- who takes its time


@pytest.mark.one_database
@pytest.mark.parametrize("answer", [3.0, Trickle("250 2.0.0 taken", 0.2)])
def test_a_slow_recipient_holds_up_one_sender_and_nobody_else(
    make_app: MakeApp, sink: Sink, make_worker: MakeWorker, answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "PATIENCE_SECONDS", 0.3)
    app = make_app(mail_server="127.0.0.1", mail_port=str(sink.port), letters_per_official_per_hour="0")
    ledger, worker = Ledger(app), make_worker()
    in_flight: list[int] = []
    most: list[int] = []

    def script(step: str, session: Session) -> object:
        if step == "dot" and session.rcpt == "slow@example.org":
            in_flight.append(1)
            most.append(len(in_flight) - len(done))
            threading.Timer(3.0, done.append, [1]).start()
            return answer
        return None

    done: list[int] = []
    sink.script = script
    for subject in range(3):
        ledger.put("slow@example.org", *[f"p{n}@example.org" for n in range(9)], subject=subject, lane=Lane.PACED)
    began = time.monotonic()

    def send() -> None:
        while time.monotonic() - began < 2.5:
            ledger.deliver(worker)
            time.sleep(0.05)

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    others = [mail.at - began for mail in sink.received if mail.rcpt != "slow@example.org"]
    assert len(others) == 27
    assert max(others) < 2.5, "nobody waits for the slow one"
    assert max(most) == 1, "one letter at a time is on its way to it"
    ledger.deliver(worker)
    ledger.deliver(worker)
    assert Counter(mail.rcpt for mail in sink.received)["slow@example.org"] == 3
    assert set(ledger.states()) == {State.SENT}


def test_an_answer_that_never_ends_is_no_answer(
    ledger: Ledger, sink: Sink, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actionkit.delivery.smtp.FINAL_DOT_SECONDS", 0.5)
    sink.script = lambda step, session: Trickle("250-" + 40 * "x", 0.1) if step == "dot" else None
    ledger.put("a@example.org")
    began = time.monotonic()
    ledger.deliver(make_worker())
    assert time.monotonic() - began < 2
    assert ledger.row().state == State.UNCERTAIN


def test_what_is_leased_and_not_begun_can_still_be_cancelled(
    ledger: Ledger, sink: Sink, make_worker: MakeWorker, do: Do
) -> None:
    """After the answer to a withdrawal nothing more leaves, but what is in flight."""
    for subject in range(4):
        ledger.put(f"p{subject}@example.org", subject=subject)

    def withdraw(step: str, session: Session) -> None:
        if step == "dot" and session.rcpt == "p0@example.org":
            assert do(lambda: outbox.cancel("test", 0)) == 0, "it is in flight"
            assert do(lambda: outbox.cancel("test", 2)) == 1

    sink.script = withdraw
    ledger.deliver(make_worker())
    assert ledger.states() == [State.SENT, State.SENT, State.CANCELLED, State.SENT]
    assert [mail.rcpt for mail in sink.received] == ["p0@example.org", "p1@example.org", "p3@example.org"]
