"""A campaign's confirmed signatures as open data: by hour and country, never by person.

All of it comes from the buckets of the count, so no signature is read, and every part adds up to
the total of the same count.

Numbers can betray a person where they are small: who sees in a provider's log that someone in a
country visited this site at two o'clock, and here that one signature came from there at two, knows
who signed. So a country is told by its code only where at least three stand together, and not
while its figure still grows with each of them; the others are `ZZ`. See docs/open-data.md.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from actionkit.campaigns.models import Campaign
from actionkit.signing.models import CampaignCount, CountBucket, CountMilestone

UNTOLD = "ZZ"
"""A country that is not told: a code that ISO 3166 leaves to its users, and Unicode calls "unknown"."""
FEWEST = 3
"""As many signatures have to stand together for their country to be told."""

COLUMNS = ("hour", "country", "signatures")
ROWS = 5_000
FORMAT = "1"

AN_HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Hour:
    """The signatures confirmed in an hour, by every country that they came from."""

    starts_at: dt.datetime
    counted: Counter[str]

    def told(self, at: dt.datetime) -> dict[str, int]:
        """What everyone may know of it: no country in the hour that is not over, nor a small number."""
        is_over = self.starts_at + AN_HOUR <= at
        told = Counter({country: n for country, n in self.counted.items() if is_over and n >= FEWEST})
        told[UNTOLD] += self.counted.total() - told.total()
        return {country: told[country] for country in sorted(told) if told[country]}


def hours(moment: sa.Connection, campaign_id: int) -> Iterator[Hour]:
    """The hours in which signatures were confirmed, in their order. Those without any are left out."""
    rows = moment.execution_options(yield_per=ROWS).execute(
        sa.select(CountBucket.hour, CountBucket.country, CountBucket.signatures)
        .where(CountBucket.campaign_id == campaign_id, CountBucket.signatures > 0)
        .order_by(CountBucket.hour, CountBucket.country)
    )
    for hour, buckets in groupby(rows, key=lambda row: row.hour):
        yield Hour(hour, Counter({bucket.country: bucket.signatures for bucket in buckets}))


def told_in_all(by_hour: Iterable[Hour], at: dt.datetime) -> dict[str, int]:
    """Signatures by country: in whole days that are over, and each time only from three on.

    What is too few on one day waits for the next, so that nobody who looks every day sees a
    country grow by one.
    """
    told: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    for day, of_day in groupby(by_hour, key=lambda hour: hour.starts_at.date()):
        for hour in of_day:
            waiting += hour.counted
        if day < at.date():
            told += Counter({country: n for country, n in waiting.items() if n >= FEWEST})
            waiting = Counter({country: n for country, n in waiting.items() if n < FEWEST})
    told[UNTOLD] += waiting.total()
    return {country: n for country, n in told.items() if n}


# ---------------------------------------------------------------- as files


def version(moment: sa.Connection, campaign: Campaign, at: dt.datetime) -> str:
    """What changes whenever the files would: with each count, what staff set, and an hour that is over."""
    count = _count(moment, campaign.id)
    parts = (FORMAT, count and tuple(count), campaign.goal, campaign.shows_removed, f"{at:%Y%m%d%H}")
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def as_json(moment: sa.Connection, campaign: Campaign, at: dt.datetime) -> dict[str, Any]:
    """All of it in one object. `as_of` is the last count that changed anything."""
    count = _count(moment, campaign.id)
    by_hour = list(hours(moment, campaign.id))
    removed = {"removed": count.removed if count else 0} if campaign.shows_removed else {}
    return {
        "campaign": campaign.slug,
        "as_of": _utc(count.as_of if count else campaign.created_at),
        "total": sum(hour.counted.total() for hour in by_hour),
        "goal": campaign.goal,
        **removed,
        "hours": [
            {"hour": _utc(hour.starts_at), "signatures": hour.counted.total(), "countries": hour.told(at)}
            for hour in by_hour
        ],
        "countries": told_in_all(by_hour, at),
        "milestones": [
            {
                "signatures": milestone.threshold,
                "reached_at": _utc(milestone.reached_at),
                "is_goal": milestone.is_goal or milestone.threshold == campaign.goal,
            }
            for milestone in _milestones(moment, campaign.id)
        ],
    }


def as_csv(moment: sa.Connection, campaign_id: int, at: dt.datetime) -> Iterator[bytes]:
    """The hours in parts: RFC 4180, UTF-8, a header and one row for each hour and country."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    rows = ((_utc(hour.starts_at), *cell) for hour in hours(moment, campaign_id) for cell in hour.told(at).items())
    for n, row in enumerate(rows, 1):
        writer.writerow(row)
        if n % ROWS == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _count(moment: sa.Connection, campaign_id: int) -> sa.Row[dt.datetime, int, int] | None:
    return moment.execute(
        sa.select(CampaignCount.as_of, CampaignCount.total, CampaignCount.removed).where(
            CampaignCount.campaign_id == campaign_id
        )
    ).first()


def _milestones(moment: sa.Connection, campaign_id: int) -> Sequence[sa.Row[int, dt.datetime, bool]]:
    return moment.execute(
        sa.select(CountMilestone.threshold, CountMilestone.reached_at, CountMilestone.is_goal)
        .where(CountMilestone.campaign_id == campaign_id)
        .order_by(CountMilestone.threshold)
    ).all()


def _utc(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
