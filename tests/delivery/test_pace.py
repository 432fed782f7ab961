"""The pace of letters: turns go round, offices are open or not, spreads end with their campaign."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from collections import Counter
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from actionkit import db
from actionkit.delivery import office_hours, outbox, pace
from actionkit.delivery.models import Lane, Outgoing, Turn
from actionkit.delivery.office_hours import HoursFault, OfficeTime
from tests.conftest import MakeApp

MONDAY = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(letters_per_official_per_hour="30")


def put(moment: dt.datetime, group: str, *recipients: str, letters: int = 1) -> None:
    for _ in range(letters):
        put.subject += 1  # type: ignore[attr-defined]
        outbox.put("test", put.subject, recipients, group=group, lane=Lane.PACED)  # type: ignore[attr-defined]
    for table in (pace.Recipient, Turn):
        db.session.execute(sa.update(table).where(table.next_at > moment).values(next_at=moment))
    db.session.execute(sa.update(Outgoing).where(Outgoing.not_before > moment).values(not_before=moment))
    db.session.commit()


put.subject = 0  # type: ignore[attr-defined]


def walk(start: dt.datetime, end: dt.datetime) -> list[tuple[dt.datetime, str, str]]:
    """Take what is due, a second after it is: (moment, recipient, group) of each letter that left."""
    left, moment = [], start
    turn_at, free_at = pace.Turn.next_at, pace.Recipient.next_at
    comes_at = sa.select(sa.func.min(sa.case((turn_at > free_at, turn_at), else_=free_at), type_=db.UTCDateTime()))
    comes_at = comes_at.where(Turn.recipient_key == pace.Recipient.recipient_key)
    waits = sa.exists().where(Outgoing.recipient_key == Turn.recipient_key, Outgoing.group_key == Turn.group_key)
    comes_at = comes_at.where(waits.where(Outgoing.state == "queued"))
    while moment < end:
        if ids := pace.take_turns(moment, 8):
            rows = db.session.execute(sa.select(Outgoing.recipient_key, Outgoing.group_key).where(Outgoing.id.in_(ids)))
            left += [(moment, *row) for row in rows]
            db.session.execute(sa.update(Outgoing).where(Outgoing.id.in_(ids)).values(state="sent"))
        next_at = db.session.scalar(comes_at)
        if next_at is None:
            break
        moment = max(moment, next_at + dt.timedelta(seconds=1))
    db.session.commit()
    return left


# ---------------------------------------------------------------- turns


@pytest.mark.usefixtures("context")
def test_the_default_pace_holds_with_jitter() -> None:
    put(MONDAY, "g", "a", "b", letters=66)
    left = walk(MONDAY, MONDAY + 2 * HOUR)
    assert all(58 <= n <= 63 for n in Counter(recipient for _at, recipient, _group in left).values()), left
    moments = [at for at, recipient, _group in left if recipient == "a"]
    gaps = {round((b - a).total_seconds()) for a, b in itertools.pairwise(moments)}
    assert len(gaps) > 3, "no jitter"
    assert min(gaps) >= 80
    assert max(gaps) <= 160


@pytest.mark.usefixtures("context")
def test_turns_go_round_between_campaigns_and_a_slow_one_holds_up_nobody() -> None:
    put(MONDAY, "big", "a", letters=40)
    put(MONDAY, "small", "a", letters=5)
    left = [group for _at, _recipient, group in walk(MONDAY, MONDAY + HOUR)]
    assert 27 <= len(left) <= 33, "one official, one pace, however many write"
    assert Counter(left[:10]) == {"big": 5, "small": 5}, left

    pace.set_group("slow", 1)
    pace.set_group("quick", 60)
    put(MONDAY, "slow", "b", letters=5)
    put(MONDAY, "quick", "b", letters=90)
    groups = Counter(g for _at, r, g in walk(MONDAY, MONDAY + 1.5 * HOUR) if r == "b")
    assert 1 <= groups["slow"] <= 3
    assert groups["quick"] >= 80, groups


@pytest.mark.one_database
@pytest.mark.usefixtures("context")
def test_letters_leave_while_each_office_is_open() -> None:
    pace.set_group("g", 6, office_hours="Mon-Fri 09:00-17:00", zone="Europe/Rome")
    pace.set_zones({"delhi": "Asia/Kolkata"})
    put(MONDAY - 12 * HOUR, "g", "rome", "delhi", letters=60)
    left = walk(MONDAY - 12 * HOUR, MONDAY + dt.timedelta(days=2))
    for recipient, zone in (("rome", "Europe/Rome"), ("delhi", "Asia/Kolkata")):
        local = [at.astimezone(ZoneInfo(zone)) for at, to, _group in left if to == recipient]
        assert all(9 <= at.hour < 17 and at.weekday() < 5 for at in local)
        a_day = Counter(at.date() for at in local)
        assert 43 <= next(iter(a_day.values())) <= 53, a_day
        assert len(local) == 60


@pytest.mark.one_database
@pytest.mark.usefixtures("context")
def test_a_spread_ends_with_its_campaign_and_follows_what_comes_in() -> None:
    end = MONDAY + dt.timedelta(hours=20)
    pace.set_group("g", None, spread_until=end)
    put(MONDAY, "g", "a", letters=100)
    first = walk(MONDAY, MONDAY + 10 * HOUR)
    assert 44 <= len(first) <= 56, "half of the time, half of the letters"
    put(MONDAY + 10 * HOUR, "g", "a", letters=100)
    rest = walk(MONDAY + 10 * HOUR, end + HOUR)
    assert len(first) + len(rest) == 200
    assert end - dt.timedelta(minutes=25) <= rest[-1][0] <= end + dt.timedelta(minutes=10)


@pytest.mark.one_database
@pytest.mark.usefixtures("context")
def test_a_lonely_letter_of_a_long_spread_waits_a_day_at_most() -> None:
    pace.set_group("g", None, spread_until=MONDAY + dt.timedelta(days=60))
    put(MONDAY, "g", "a", letters=3)
    left = [at - MONDAY for at, _r, _g in walk(MONDAY, MONDAY + dt.timedelta(days=4))]
    assert [round(gap / HOUR) for gap in left] == [0, 24, 48]


@pytest.mark.usefixtures("context")
def test_a_new_pace_is_followed_at_once() -> None:
    pace.set_group("g", 1, office_hours="Sat-Sun 09:00-17:00")
    put(MONDAY, "g", "a", letters=50)
    assert walk(MONDAY, MONDAY + HOUR) == []
    pace.set_group("g", 1)
    slow = len(walk(MONDAY + HOUR, MONDAY + 2 * HOUR))
    assert 1 <= slow <= 2
    pace.set_group("g", 60)
    assert len(walk(MONDAY + 2 * HOUR, MONDAY + 3 * HOUR)) == 50 - slow


@pytest.mark.usefixtures("context")
def test_turns_without_mail_sleep_and_are_woken() -> None:
    long_ago = db.now() - 3 * HOUR
    put(long_ago, "g", "a", "b")
    assert len(walk(long_ago, long_ago + HOUR)) == 2
    put(db.now() - dt.timedelta(minutes=1), "g", "b")
    assert pace.rest() == 0
    asleep = db.session.scalars(sa.select(Turn.recipient_key).where(Turn.next_at.is_(None))).all()
    assert asleep == ["a"]
    put(db.now() - dt.timedelta(minutes=1), "g", "a")
    assert pace.rest() == 1
    assert {recipient for _at, recipient, _group in walk(db.now(), db.now() + HOUR)} == {"a", "b"}


def test_many_workers_take_a_turn_once(app: Flask) -> None:
    """Ten threads ask for the same turns at one moment: each official's next letter is taken once."""
    with app.app_context():
        put(MONDAY, "g", *(f"r{n}" for n in range(12)), letters=3)
    taken: list[int] = []
    start = threading.Barrier(10)

    def take() -> None:
        with app.app_context():
            start.wait()
            for _ in range(4):
                db.writing()
                taken.extend(pace.take_turns(MONDAY, 8))
                db.session.commit()

    threads = [threading.Thread(target=take) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 12


# ---------------------------------------------------------------- office hours

ZONES = st.sampled_from(["UTC", "Europe/Rome", "Asia/Kolkata", "America/New_York", "Pacific/Chatham"])
HOURS = st.sampled_from(
    ["", "Mon-Fri 09:00-17:00", "Sun-Thu 08:30-12:00", "Sat-Sun 00:00-24:00", "Fri-Mon 01:30-03:00"]
)
MOMENTS = st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 12, 31), timezones=st.just(dt.UTC))


@given(hours=HOURS, zone=ZONES, start=MOMENTS, seconds=st.floats(0, 400_000))
def test_office_time_adds_up(hours: str, zone: str, start: dt.datetime, seconds: float) -> None:
    office = OfficeTime(office_hours.parse(hours), zone)
    later = office.later(start, seconds)
    assert later >= start + dt.timedelta(seconds=seconds) - dt.timedelta(milliseconds=1)
    assert office.between(start, later) == pytest.approx(seconds, abs=0.01)
    assert office.is_open(later)


@pytest.mark.parametrize("text", ["9-17", "Mon-Fri 17:00-09:00", "Mon-Fri 09:00-25:00", "Mon-Foo 09:00-17:00", "Mon"])
def test_what_names_no_hours_is_refused(text: str) -> None:
    with pytest.raises(HoursFault):
        office_hours.parse(text)
    assert str(office_hours.parse("Sun-Thu 08:00-24:00")) == "Sun-Thu 08:00-24:00"
