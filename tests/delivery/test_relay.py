"""The breaker that all workers share, by a clock that the test holds."""

from __future__ import annotations

import datetime as dt

import pytest

from actionkit import db
from actionkit.delivery import relay
from actionkit.delivery.relay import Permit, Relay

BEGIN = dt.datetime(2026, 11, 24, 9, tzinfo=dt.UTC)


class Clock:
    def __init__(self) -> None:
        self.moment = BEGIN

    def __call__(self) -> dt.datetime:
        return self.moment

    def wait(self, seconds: float) -> None:
        self.moment += dt.timedelta(seconds=seconds)


@pytest.fixture
def clock(context: None, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(db, "now", clock)
    return clock


def _asks(one: Relay) -> Permit | None:
    permit = one.may_try()
    db.session.commit()
    return permit


def _fails(one: Relay, permit: Permit, *, is_final: bool = False, step: str = "connect") -> None:
    db.writing()
    one.failed(permit, step, "no", is_final=is_final)
    db.session.commit()


def _outage(workers: list[Relay], clock: Clock, seconds: float) -> int:
    """Tick each worker once a second; how many tries the outage cost."""
    tries = 0
    for _ in range(int(seconds)):
        for one in workers:
            if (permit := _asks(one)) is not None:
                tries += 1
                _fails(one, permit)
        clock.wait(1)
    return tries


@pytest.mark.one_database
def test_ten_minutes_of_outage_cost_few_tries_and_end_within_two_minutes(clock: Clock) -> None:
    workers = [Relay() for _ in range(2)]
    assert _outage(workers, clock, 600) <= 15
    opened, permit = clock.moment, None
    while permit is None:
        permits = [_asks(one) for one in workers]
        assert permits.count(None) >= 1, "one finds out, not all"
        permit = next((each for each in permits if each), None)
        clock.wait(1)
    assert (clock.moment - opened).total_seconds() <= 91


@pytest.mark.one_database
def test_a_long_outage_is_looked_at_every_five_minutes(clock: Clock) -> None:
    one = Relay()
    _outage([one], clock, 2 * 3600)
    assert _outage([one], clock, 3600) == 12


def test_a_single_fault_pauses_nobody_and_a_success_forgets_it(clock: Clock) -> None:
    one = Relay()
    for _ in range(3):
        for _ in range(relay.FAULTS_UNTIL_SHUT - 1):
            permit = _asks(one)
            assert permit is not None
            _fails(one, permit)
        db.writing()
        one.answered()
        db.session.commit()
        assert relay.current() is None


def test_wrong_settings_pause_at_once_and_a_new_process_need_not_wait(clock: Clock) -> None:
    one = Relay()
    permit = _asks(one)
    assert permit is not None
    _fails(one, permit, is_final=True, step="login")
    assert _asks(one) is None
    trouble = relay.stops_sending()
    assert trouble is not None
    assert (trouble.step, trouble.since) == ("login", BEGIN)
    probe = _asks(Relay())
    assert probe is not None
    assert probe.is_probe
    assert _asks(Relay()) is not None, "each new process once"


@pytest.mark.one_database
def test_staff_end_a_pause(clock: Clock) -> None:
    one = Relay()
    _outage([one], clock, 10)
    assert _asks(one) is None
    db.writing()
    assert relay.try_now()
    db.session.commit()
    assert _asks(one) is not None


def test_a_clock_that_is_set_back_prolongs_no_pause(clock: Clock) -> None:
    one = Relay()
    _outage([one], clock, 10)
    clock.wait(-2 * 3600)
    assert _asks(one) is not None


def test_who_finds_nothing_to_try_with_lets_another_look_soon(clock: Clock) -> None:
    one = Relay()
    _outage([one], clock, 10)
    clock.wait(60)
    probe = _asks(one)
    assert probe is not None
    db.writing()
    one.found_nothing(probe)
    db.session.commit()
    assert _asks(one) is None
    clock.wait(5)
    assert _asks(one) is not None


def test_one_process_alone_finds_out(clock: Clock) -> None:
    workers = [Relay() for _ in range(4)]
    _outage(workers, clock, 10)
    clock.wait(60)
    assert sum(_asks(one) is not None for one in workers) == 1
