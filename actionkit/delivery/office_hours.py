"""Office hours: pure arithmetic of the time in which mails may leave, in a zone of its own."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FORM = re.compile(r"([A-Z][a-z]{2})-([A-Z][a-z]{2}) ([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


class HoursFault(ValueError):
    """A text that names no office hours."""


@dataclass(frozen=True)
class Hours:
    """From one day of the week to another (over the week's end, where the first comes later), from a time to a time."""

    first_day: int
    last_day: int
    opens: dt.time
    closes_minute: int
    """Minutes after midnight: 24:00 is 1440."""

    def __str__(self) -> str:
        hour, minute = divmod(self.closes_minute, 60)
        return f"{DAYS[self.first_day]}-{DAYS[self.last_day]} {self.opens:%H:%M}-{hour:02}:{minute:02}"

    def has_day(self, weekday: int) -> bool:
        return (weekday - self.first_day) % 7 <= (self.last_day - self.first_day) % 7


@lru_cache(maxsize=256)
def parse(text: str) -> Hours | None:
    """ "Mon-Fri 09:00-17:00" as hours; None for "", which is any time. Raises `HoursFault`."""
    if not text:
        return None
    found = _FORM.fullmatch(text)
    if not found or found[1] not in DAYS or found[2] not in DAYS:
        raise HoursFault(f"office hours are written such as Mon-Fri 09:00-17:00, not '{text[:40]}'")
    opens, closes = int(found[3]) * 60 + int(found[4]), int(found[5]) * 60 + int(found[6])
    if not opens < closes <= 24 * 60:
        raise HoursFault("office hours must end after they begin, on the same day")
    return Hours(DAYS.index(found[1]), DAYS.index(found[2]), dt.time(*divmod(opens, 60)), closes)


@dataclass(frozen=True)
class OfficeTime:
    """The time in which mails may leave to an office: `hours` in `zone`, or all time where there are none.

    Seconds of it are counted only while the office is open. Moments are aware, in UTC.
    """

    hours: Hours | None = None
    zone: str = "UTC"

    def is_open(self, at: dt.datetime) -> bool:
        return self.later(at, 0) == at

    def later(self, start: dt.datetime, seconds: float) -> dt.datetime:
        """The moment when so many seconds of office time have passed since `start`; an open one."""
        if self.hours is None:
            return start + dt.timedelta(seconds=seconds)
        for opens, closes in self.windows(start):
            begin = max(opens, start)
            moment = begin + dt.timedelta(seconds=seconds)
            if moment < closes:
                return moment
            seconds -= (closes - begin).total_seconds()
        raise AssertionError("office hours without an end")

    def between(self, start: dt.datetime, end: dt.datetime) -> float:
        """Seconds of office time from `start` to `end`; 0 where the end comes first."""
        if self.hours is None:
            return max((end - start).total_seconds(), 0.0)
        total = 0.0
        for opens, closes in self.windows(start):
            if opens >= end:
                break
            total += max((min(closes, end) - max(opens, start)).total_seconds(), 0.0)
        return total

    @property
    def seconds_a_day(self) -> float:
        """Of a day on which the office is open."""
        if self.hours is None:
            return 86_400.0
        return 60.0 * (self.hours.closes_minute - self.hours.opens.hour * 60 - self.hours.opens.minute)

    def windows(self, start: dt.datetime) -> Iterator[tuple[dt.datetime, dt.datetime]]:
        """Opening and closing of each day from `start` on, without an end; the first may have begun. Needs hours."""
        assert self.hours is not None
        day = start.astimezone(ZoneInfo(self.zone)).date() - dt.timedelta(days=1)
        while True:
            if self.hours.has_day(day.weekday()):
                opens, closes = _window(self.hours, self.zone, day)
                if closes > start and closes > opens:
                    yield opens, closes
            day += dt.timedelta(days=1)


@lru_cache(maxsize=4096)
def _window(hours: Hours, zone: str, day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """As UTC: on the day of a change of the clocks it is an hour shorter or longer."""
    midnight = dt.datetime.combine(day, dt.time.min, ZoneInfo(zone))
    opens = midnight + dt.timedelta(hours=hours.opens.hour, minutes=hours.opens.minute)
    closes = midnight + dt.timedelta(minutes=hours.closes_minute)  # wall time, so 24:00 is the next midnight
    return opens.astimezone(dt.UTC), closes.astimezone(dt.UTC)
