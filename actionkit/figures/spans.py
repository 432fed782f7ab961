"""Which days a page of figures is about. Days are whole ones, in UTC, as the buckets are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

CHOICES = ("7", "30", "90", "365", "all")
"""The last so many days, today among them; or all there are."""
USUAL = "30"
HOURLY_UP_TO = 14
"""Spans of at most so many days are shown by the hour, too."""
MOST_DAYS = 5_000


@dataclass(frozen=True)
class Span:
    """From one day to another, both included."""

    first: dt.date
    last: dt.date
    name: str = ""
    """One of `CHOICES`; "" where somebody named the days."""

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def is_hourly(self) -> bool:
        return self.days <= HOURLY_UP_TO

    @property
    def query(self) -> dict[str, str]:
        """The query of links that ask for the same days."""
        if self.name:
            return {} if self.name == USUAL else {"span": self.name}
        return {"first": self.first.isoformat(), "last": self.last.isoformat()}

    def whole_months(self) -> tuple[dt.date, dt.date] | None:
        """From the first day to the last of the months that lie in it wholly; None where there is none."""
        first = self.first if self.first.day == 1 else _next_month(self.first)
        after = _next_month(self.last)
        last = after if (after - self.last).days == 1 else self.last.replace(day=1)
        return (first, last - dt.timedelta(days=1)) if first < last else None

    def each_day(self) -> list[dt.date]:
        return [self.first + dt.timedelta(days=n) for n in range(self.days)]


def asked_for(query: Mapping[str, str], today: dt.date, began_on: dt.date | None) -> Span:
    """The days that a page's query asks for: `span`, or `first` and `last`. What makes no sense is the usual span.

    `began_on` is the first day of which there is any number; None = there is none yet.
    """
    first, last = _day(query.get("first", "")), _day(query.get("last", "")) or today
    if first is not None:
        first = min(first, today)
        last = max(first, min(last, today))
        return Span(max(first, last - dt.timedelta(days=MOST_DAYS)), last)
    name = query.get("span", USUAL)
    if name == "all":
        return Span(max(min(began_on or today, today), today - dt.timedelta(days=MOST_DAYS)), today, name)
    days = int(name) if name in CHOICES else int(USUAL)
    return Span(today - dt.timedelta(days=days - 1), today, name if name in CHOICES else USUAL)


def _next_month(day: dt.date) -> dt.date:
    return (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None
