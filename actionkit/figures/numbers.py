"""Numbers of campaigns, from the counts that the counting job keeps. No signature is read, and none is counted here.

`campaign_ids` are those that the reader may see. All numbers are as of the last count, seconds ago.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.figures.spans import Span
from actionkit.signing.models import CountBucket, CountDay, Measure, Source

AN_HOUR = dt.timedelta(hours=1)
A_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Point:
    """A number at a moment: the beginning of an hour or of a day, in UTC."""

    at: dt.datetime
    number: int


@dataclass(frozen=True)
class Part:
    """What one country, language or source has of a whole."""

    value: str
    number: int
    share: float
    """Of all parts, 0 to 1."""
    width: float
    """Of the largest part, 0 to 1: the length of its bar."""


def began_on(campaign_ids: Collection[int]) -> dt.date | None:
    """The first day of which there is a number of confirmed signatures."""
    return db.session.scalar(
        sa.select(sa.func.min(CountDay.day)).where(
            CountDay.measure == Measure.SOURCE, CountDay.campaign_id.in_(campaign_ids)
        )
    )


def by_day(campaign_ids: Collection[int], span: Span) -> list[Point]:
    """Confirmed signatures of each day, days without any too."""
    rows = db.session.execute(
        sa.select(CountDay.day, sa.func.sum(CountDay.number).label("n"))
        .where(_in(Measure.SOURCE, campaign_ids, span))
        .group_by(CountDay.day)
    )
    found = {row.day: int(row.n) for row in rows}
    return [Point(_midnight(day), found.get(day, 0)) for day in span.each_day()]


def by_hour(campaign_ids: Collection[int], span: Span) -> list[Point]:
    """Confirmed signatures of each hour until now, hours without any too."""
    begin, end = _midnight(span.first), min(_midnight(span.last) + dt.timedelta(days=1), db.now())
    rows = db.session.execute(
        sa.select(CountBucket.hour, sa.func.sum(CountBucket.signatures).label("n"))
        .where(CountBucket.campaign_id.in_(campaign_ids), CountBucket.hour >= begin, CountBucket.hour < end)
        .group_by(CountBucket.hour)
    )
    found = {row.hour: int(row.n) for row in rows}
    hours = [begin + n * AN_HOUR for n in range(span.days * 24)]
    return [Point(hour, found.get(hour, 0)) for hour in hours if hour < end]


def parts(measure: Measure, campaign_ids: Collection[int], span: Span) -> list[Part]:
    """Confirmed signatures by country, language or source, the largest first."""
    number = sa.func.sum(CountDay.number).label("n")
    rows = db.session.execute(
        sa.select(CountDay.value, number)
        .where(_summed(measure, campaign_ids, span))
        .group_by(CountDay.value)
        .order_by(number.desc(), CountDay.value)
    )
    found = [(row.value, int(row.n)) for row in rows if row.n]
    whole, most = sum(n for _value, n in found), max((n for _value, n in found), default=0)
    return [Part(value, n, n / whole if whole else 0, max(n, 0) / most if most > 0 else 0) for value, n in found]


def by_campaign(campaign_ids: Collection[int], span: Span) -> dict[int, int]:
    """Confirmed signatures of each campaign that has any, the most first."""
    number = sa.func.sum(CountDay.number).label("n")
    rows = db.session.execute(
        sa.select(CountDay.campaign_id, number)
        .where(_summed(Measure.SOURCE, campaign_ids, span))
        .group_by(CountDay.campaign_id)
        .order_by(number.desc(), CountDay.campaign_id)
    )
    return {row.campaign_id: int(row.n) for row in rows if row.n}


@dataclass(frozen=True)
class Funnel:
    """From the page to the signature that counts. What each number is stands on the page beside it."""

    opened: int
    signed: int
    """Sent in on these days, deleted ones included."""
    confirmed: int
    imported: int
    """Of the confirmed ones, those that came from no page."""


def funnel(campaign_ids: Collection[int], span: Span) -> Funnel:
    def total(measure: Measure) -> int:
        return sum(part.number for part in parts(measure, campaign_ids, span))

    by_source = {part.value: part.number for part in parts(Measure.SOURCE, campaign_ids, span)}
    return Funnel(
        opened=total(Measure.OPENED),
        signed=total(Measure.SIGNED) + total(Measure.GONE),
        confirmed=sum(by_source.values()),
        imported=by_source.get(Source.IMPORT, 0),
    )


# ---------------------------------------------------------------- several campaigns beside each other


@dataclass(frozen=True)
class Comparison:
    """Numbers of several campaigns, day beside day."""

    days: Sequence[dt.date | int]
    """Dates; or how many days after its own beginning, where the campaigns are laid over each other."""
    numbers: dict[int, list[int | None]]
    """By campaign, as many as there are days; None = the campaign had not begun, or that day is still to come."""


def compare(begins: dict[int, dt.date], span: Span, *, since_opening: bool, in_all: bool) -> Comparison:
    """Signatures of campaigns by day. `begins` has the first day of each.

    `since_opening` lays their beginnings over each other (the days of the span are counted from there);
    `in_all` adds the days up. A campaign's sum begins with its first day, whatever the span.
    """
    first = min(begins.values(), default=span.first)
    found: dict[int, dict[dt.date, int]] = defaultdict(dict)
    for id_, day, number in db.session.execute(
        sa.select(CountDay.campaign_id, CountDay.day, sa.func.sum(CountDay.number))
        .where(CountDay.measure == Measure.SOURCE, CountDay.campaign_id.in_(begins))
        .where(CountDay.day.between(first, max(span.last, first)))
        .group_by(CountDay.campaign_id, CountDay.day)
    ):
        found[id_][day] = int(number)
    days: Sequence[dt.date | int] = range(_longest(begins, span)) if since_opening else span.each_day()
    numbers = {}
    for id_, begin in begins.items():
        dates = [begin + dt.timedelta(days=n) for n in range(max((span.last - begin).days + 1, 0))]
        line = dict(zip(dates, _numbers(found[id_], dates, in_all=in_all), strict=True))
        numbers[id_] = [line.get(begin + dt.timedelta(days=day) if isinstance(day, int) else day) for day in days]
    return Comparison(days, numbers)


def _longest(begins: dict[int, dt.date], span: Span) -> int:
    return max((min((span.last - begin).days + 1, span.days) for begin in begins.values()), default=0)


def _numbers(found: dict[dt.date, int], dates: Iterable[dt.date], *, in_all: bool) -> list[int]:
    total, numbers = 0, []
    for day in dates:
        total += found.get(day, 0)
        numbers.append(total if in_all else found.get(day, 0))
    return numbers


def _in(measure: Measure, campaign_ids: Collection[int], span: Span) -> sa.ColumnElement[bool]:
    """The rows of each day."""
    return sa.and_(
        CountDay.measure == measure,
        CountDay.campaign_id.in_(campaign_ids),
        CountDay.day.between(span.first, span.last),
    )


def _summed(measure: Measure, campaign_ids: Collection[int], span: Span) -> sa.ColumnElement[bool]:
    """The rows that add up to the same: of whole months where there are any, and of the days around them."""
    months = span.whole_months()
    if months is None:
        return _in(measure, campaign_ids, span)
    first, last = months
    around = sa.or_(CountDay.day.between(span.first, first - A_DAY), CountDay.day.between(last + A_DAY, span.last))
    return sa.and_(
        CountDay.campaign_id.in_(campaign_ids),
        sa.or_(
            sa.and_(CountDay.measure == measure, around),
            sa.and_(CountDay.measure == measure.by_month, CountDay.day.between(first, last)),
        ),
    )


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
