"""The forecast says what the turns themselves bring about, letter by letter."""

from __future__ import annotations

import datetime as dt

from hypothesis import given, settings
from hypothesis import strategies as st

from actionkit.delivery import office_hours
from actionkit.delivery.forecast import Line, ends
from actionkit.delivery.office_hours import OfficeTime
from actionkit.delivery.pace import Pace, pace_of

START = dt.datetime(2026, 11, 25, 6, 30, tzinfo=dt.UTC)


def simulated(lines: list[Line]) -> list[dt.datetime]:
    """Each letter by itself: of the turns that have come, the one due longest; then gaps and a hold."""
    left = [line.waiting for line in lines]
    turns = [line.pace.office.later(START, 0) for line in lines]
    ended, free_at = [START] * len(lines), START
    while any(left):
        moment, n = min((max(turns[n], free_at), turns[n], n) for n in range(len(lines)) if left[n])[::2]
        pace = lines[n].pace
        gap = pace.spread_gap(moment, left[n]) if pace.is_spread(moment) else pace.gap
        left[n] -= 1
        ended[n], turns[n] = moment, pace.office.later(moment, gap)
        free_at = moment + dt.timedelta(seconds=pace.hold)
    return ended


def longest_gap(line: Line) -> float:
    spread = line.pace.spread_gap(START, line.waiting) if line.pace.is_spread(START) else 0
    return max(line.pace.gap, spread if line.waiting else 0)


HOURS = st.sampled_from(["", "", "Mon-Fri 09:00-17:00", "Sun-Thu 08:00-12:00"])
PACES = st.builds(
    lambda per_hour, hours, zone, days: pace_of(
        per_hour,
        30,
        OfficeTime(office_hours.parse(hours), zone),
        START + dt.timedelta(days=days) if days else None,
    ),
    st.sampled_from([None, 6, 20, 60, 120]),
    HOURS,
    st.sampled_from(["UTC", "Europe/Rome", "Asia/Kolkata"]),
    st.sampled_from([0, 0, 3]),
)
LINES = st.lists(st.builds(Line, st.integers(0, 400), PACES), min_size=1, max_size=3)


@settings(max_examples=100, deadline=None)
@given(LINES)
def test_it_agrees_with_letters_that_leave_one_by_one(lines: list[Line]) -> None:
    for line, foretold, real in zip(lines, ends(START, lines), simulated(lines), strict=True):
        assert foretold is not None
        # In office time: a gap or two, where it falls over a night, is as long as the night.
        apart = line.pace.office.between(min(foretold, real), max(foretold, real))
        gaps = sum(longest_gap(each) for each in lines)
        assert apart <= 3 * gaps + 0.05 * (real - START).total_seconds(), (foretold, real)


def test_the_words_of_the_desk() -> None:
    """12,400 letters to 100 officials at 30 an hour: 124 each, four hours and eight minutes."""
    pace = pace_of(None, 30, OfficeTime())
    assert ends(START, [Line(124, pace)]) == [START + dt.timedelta(hours=4, minutes=8)]
    assert ends(START, [Line(0, pace), Line(5, Pace(0, 0, OfficeTime()))]) == [START, START]
    assert ends(START, [Line(10**9, pace)]) == [None]
