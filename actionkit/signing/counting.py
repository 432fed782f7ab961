"""Counting: traces left by each confirmation, added up by a job; exact, seconds late at most.

No request updates a counter that other requests want too, and no page counts rows.
At every moment: confirmed signatures = stored total + traces not yet added up.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.languages import gettext_noop
from actionkit.prepared import Prepared
from actionkit.signing import milestones
from actionkit.signing.models import (
    CampaignCount,
    CountBucket,
    CountDay,
    CountTrace,
    Measure,
    Signature,
    SignatureState,
    SignedTrace,
    Submission,
)

BATCH = 5_000

K = TypeVar("K")

BY_STAFF = gettext_noop("taken out by staff")
BY_RULE = gettext_noop("taken out by a rule")
WITHDRAWN_AFTER = gettext_noop("taken out, then withdrawn by its owner")
REMOVED = (BY_STAFF, BY_RULE, WITHDRAWN_AFTER)
"""Reasons of signatures that staff took out; those that had been confirmed are counted as removed."""

Bucket = tuple[dt.datetime, str]
"""(hour, country)"""
Day = tuple[str, dt.date, str]
"""(measure, day, value)"""


def hour_of(at: dt.datetime) -> dt.datetime:
    return at.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Trace:
    """A signature confirmed at `at` counts from now on (+1), or no longer (-1).

    `removed` is +1 where staff took it out, and -1 where they put it back.
    """

    campaign_id: int
    at: dt.datetime
    country: str
    delta: int
    removed: int = 0
    language: str = ""
    source: str = ""
    """As those of the submission that counts, or the parts of the day are wrong until the next recount."""


def leave_trace(
    campaign_id: int,
    at: dt.datetime,
    country: str,
    delta: int,
    removed: int = 0,
    *,
    language: str = "",
    source: str = "",
) -> None:
    """Say one `Trace`, in the transaction at hand."""
    leave_traces([Trace(campaign_id, at, country, delta, removed, language, source)])


def leave_traces(traces: Sequence[Trace]) -> None:
    """Say many at once, in the transaction at hand."""
    if traces:
        rows = [
            {
                "campaign_id": trace.campaign_id,
                "hour": hour_of(trace.at),
                "country": trace.country,
                "delta": trace.delta,
                "removed": trace.removed,
                "language": trace.language,
                "source": trace.source,
            }
            for trace in traces
        ]
        db.session.execute(sa.insert(CountTrace), rows)


def leave_signed(campaign_id: int, at: dt.datetime, signed: int = 1, gone: int = 0) -> None:
    """Say that so many signatures sent in at `at` are there from now on, or -1 no longer, in the transaction at hand.

    `gone` are those that leave because nobody confirmed them.
    """
    _insert_signed.each([{"campaign_id": campaign_id, "day": at.date(), "signed": signed, "gone": gone}])


_insert_signed = Prepared(lambda insert: insert(SignedTrace.__table__))


def add_up(most: int = BATCH) -> int:
    """Turn traces into totals, buckets and days, in the transaction at hand; how many traces.

    Reading, adding and deleting are one transaction, and a trace is taken by one job only, so a
    job that dies in the middle has added nothing.
    """
    traces = _take(CountTrace, most)
    signed = _take(SignedTrace, most)
    totals: Counter[int] = Counter()
    removed: Counter[int] = Counter()
    buckets: Counter[tuple[int, dt.datetime, str]] = Counter()
    days: Counter[tuple[int, str, dt.date, str]] = Counter()
    for trace in traces:
        totals[trace.campaign_id] += trace.delta
        removed[trace.campaign_id] += trace.removed
        buckets[trace.campaign_id, trace.hour, trace.country] += trace.delta
        if trace.language is not None:
            for part in _parts(trace.hour.date(), trace.country, trace.language, trace.source):
                days[trace.campaign_id, *part] += trace.delta
    for each in signed:
        for part in _kept_as(Measure.SIGNED, each.day):
            days[each.campaign_id, *part] += each.signed
        for part in _kept_as(Measure.GONE, each.day):
            days[each.campaign_id, *part] += each.gone
    # In one order everywhere, so that two jobs wait for each other and never in a ring.
    for key, delta in sorted(buckets.items()):
        _add_to_bucket(*key, delta)
    for (campaign_id, measure, day, value), number in sorted(days.items()):
        if number:
            _add_to_day(campaign_id, measure, day, value, number)
    for campaign_id, delta in sorted(totals.items()):
        _add_to_total(campaign_id, delta, removed[campaign_id])
    milestones.stamp(totals)
    return len(traces) + len(signed)


def _take(table: type[CountTrace | SignedTrace], most: int) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    """Traces that no other job has in hand; they are gone when this transaction is stored."""
    rows = db.session.execute(
        sa.select(*table.__table__.columns).order_by(table.id).limit(most).with_for_update(skip_locked=True)
    ).all()
    if rows:
        db.session.execute(sa.delete(table).where(table.id.in_([row.id for row in rows])))
    return rows


def _kept_as(measure: Measure, day: dt.date, value: str = "") -> tuple[Day, Day]:
    """Where a number of a day stands: at the day itself, and in the sum of its month."""
    return (measure, day, value), (measure.by_month, day.replace(day=1), value)


def _parts(day: dt.date, country: str, language: str, source: str) -> Iterator[Day]:
    for measure, value in ((Measure.COUNTRY, country), (Measure.LANGUAGE, language), (Measure.SOURCE, source)):
        yield from _kept_as(measure, day, value)


def add_to_day(campaign_id: int, measure: Measure, day: dt.date, value: str, number: int) -> None:
    """Add to a number of a day and to that of its month, in the transaction at hand."""
    for key in _kept_as(measure, day, value):
        _add_to_day(campaign_id, *key, number)


def _add_to_day(campaign_id: int, measure: str, day: dt.date, value: str, number: int) -> None:
    added = db.insert(CountDay).values(campaign_id=campaign_id, measure=measure, day=day, value=value, number=number)
    db.session.execute(
        added.on_conflict_do_update(
            index_elements=["measure", "campaign_id", "day", "value"], set_={"number": CountDay.number + number}
        )
    )


def _add_to_total(campaign_id: int, delta: int, removed: int = 0) -> None:
    added = db.insert(CampaignCount).values(campaign_id=campaign_id, total=delta, removed=removed, as_of=db.now())
    db.session.execute(
        added.on_conflict_do_update(
            index_elements=["campaign_id"],
            set_={
                "total": CampaignCount.total + delta,
                "removed": CampaignCount.removed + removed,
                "as_of": db.now(),
            },
        )
    )


def _add_to_bucket(campaign_id: int, hour: dt.datetime, country: str, delta: int) -> None:
    added = db.insert(CountBucket).values(campaign_id=campaign_id, hour=hour, country=country, signatures=delta)
    db.session.execute(
        added.on_conflict_do_update(
            index_elements=["campaign_id", "hour", "country"],
            set_={"signatures": CountBucket.signatures + delta},
        )
    )


def totals(campaign_ids: list[int] | None = None) -> dict[int, int]:
    """Confirmed signatures by campaign, as of the last count."""
    wanted = sa.select(CampaignCount.campaign_id, CampaignCount.total)
    if campaign_ids is not None:
        wanted = wanted.where(CampaignCount.campaign_id.in_(campaign_ids))
    return {row.campaign_id: row.total for row in db.session.execute(wanted)}


def removed_total(campaign_id: int) -> int:
    """Signatures that counted until staff took them out, as of the last count."""
    stored = db.session.scalar(sa.select(CampaignCount.removed).where(CampaignCount.campaign_id == campaign_id))
    return stored or 0


@dataclass(frozen=True)
class Count:
    """A total, and the moment as of which it is true."""

    total: int
    as_of: dt.datetime


def current(campaign_id: int) -> Count:
    """The campaign's total. While traces wait to be added up it is as old as the last count."""
    stored = db.session.get(CampaignCount, campaign_id)
    oldest_trace = db.session.scalar(
        sa.select(sa.func.min(CountTrace.hour)).where(CountTrace.campaign_id == campaign_id)
    )
    if oldest_trace is None:
        return Count(stored.total if stored else 0, db.now())
    return Count(stored.total, stored.as_of) if stored else Count(0, oldest_trace)


@dataclass(frozen=True)
class Difference:
    """A count that was not what the signatures say."""

    slug: str
    stored: int
    counted: int
    wrong_buckets: int
    stored_removed: int = 0
    counted_removed: int = 0
    wrong_days: int = 0

    @property
    def is_any(self) -> bool:
        """Whether there is a difference at all."""
        return bool(
            self.wrong_buckets
            or self.wrong_days
            or self.stored != self.counted
            or self.stored_removed != self.counted_removed
        )


def recount(slug: str | None = None) -> list[Difference]:
    """Count again from the signatures and repair what differs; the differences found.

    Works beside signing: stored + traces is compared with the rows of one snapshot, and what is
    missing is added, so that confirmations of the same moment are neither lost nor doubled. Where
    something differs it is looked at once more under a lock, so that of two recounts one repairs it.
    """
    wanted = sa.select(Campaign.id, Campaign.slug).order_by(Campaign.slug)
    if slug is not None:
        wanted = wanted.where(Campaign.slug == slug)
    campaigns = db.session.execute(wanted).all()
    db.session.rollback()  # the long reads that follow must hold up nobody
    found = [(campaign, _difference(campaign.id, campaign.slug)[0]) for campaign in campaigns]
    repaired = [_repair(campaign.id, campaign.slug) for campaign, difference in found if difference.is_any]
    milestones.stamp([campaign.id for campaign, difference in found if difference.counted])
    return [difference for difference in repaired if difference.is_any]


def _repair(campaign_id: int, slug: str) -> Difference:
    """Add what is missing, in the transaction at hand; what was missing, which another may have added meanwhile."""
    mine = sa.select(Campaign.id).where(Campaign.id == campaign_id)
    db.session.execute(mine.with_for_update(key_share=True))  # who signs does not wait for it; another recount does
    difference, wrong, wrong_days = _difference(campaign_id, slug)
    for (hour, country), delta in sorted(wrong.items()):
        _add_to_bucket(campaign_id, hour, country, delta)
    for day, delta in sorted(wrong_days.items()):
        _add_to_day(campaign_id, *day, delta)
    if difference.is_any:  # a new count, whatever it adds
        missing_removed = difference.counted_removed - difference.stored_removed
        _add_to_total(campaign_id, difference.counted - difference.stored, missing_removed)
    return difference


def _difference(campaign_id: int, slug: str) -> tuple[Difference, dict[Bucket, int], dict[Day, int]]:
    with db.snapshot() as moment:
        counted, counted_days = _counted(moment, campaign_id)
        stored, stored_days = _stored_buckets(moment, campaign_id), _stored_days(moment, campaign_id)
        total, stored_removed = _stored_total(moment, campaign_id)
        counted_removed = moment.execute(_counted_removed, {"campaign_id": campaign_id}).scalar_one()
    wrong, wrong_days = _missing(counted, stored), _missing(counted_days, stored_days)
    found = Difference(slug, total, counted.total(), len(wrong), stored_removed, counted_removed, len(wrong_days))
    return found, wrong, wrong_days


def _missing(counted: Counter[K], stored: Counter[K]) -> dict[K, int]:
    """What has to be added to `stored`. (Not `counted | stored`, which leaves out what is below nought.)"""
    return {key: counted[key] - stored[key] for key in {*counted, *stored} if counted[key] != stored[key]}


def _counted(moment: sa.Connection, campaign_id: int) -> tuple[Counter[Bucket], Counter[Day]]:
    """What the signatures say, by hour and by day."""
    rows = moment.execution_options(yield_per=5_000).execute(
        sa.select(Signature.confirmed_at, Submission.country, Submission.language, Submission.source)
        .join(Submission, Submission.id == Signature.submission_id)
        .where(Signature.campaign_id == campaign_id, Signature.state == SignatureState.CONFIRMED)
    )
    counted: Counter[Bucket] = Counter()
    days: Counter[Day] = Counter()
    for confirmed_at, country, language, source in rows:
        assert confirmed_at is not None
        counted[hour_of(confirmed_at), country] += 1
        for key in _parts(confirmed_at.date(), country, language, source):
            days[key] += 1
    sent = sa.select(Signature.signed_at).where(Signature.campaign_id == campaign_id)
    for signed_at in moment.execution_options(yield_per=5_000).scalars(sent):
        for key in _kept_as(Measure.SIGNED, signed_at.date()):
            days[key] += 1
    return counted, days


def _stored_buckets(moment: sa.Connection, campaign_id: int) -> Counter[Bucket]:
    stored: Counter[Bucket] = Counter()
    for table, amount in ((CountBucket, CountBucket.signatures), (CountTrace, CountTrace.delta)):
        for hour, country, value in moment.execute(
            sa.select(table.hour, table.country, amount).where(table.campaign_id == campaign_id)
        ):
            stored[hour, country] += value
    return stored


def _stored_days(moment: sa.Connection, campaign_id: int) -> Counter[Day]:
    """What waits to be added up included. What no signature tells (opened, gone) is left out."""
    stored: Counter[Day] = Counter()
    for measure, day, value, number in moment.execute(
        sa.select(CountDay.measure, CountDay.day, CountDay.value, CountDay.number).where(
            CountDay.campaign_id == campaign_id, CountDay.measure.not_in(_TOLD_BY_NO_SIGNATURE)
        )
    ):
        stored[measure, day, value] += number
    for hour, country, language, source, delta in moment.execute(
        sa.select(CountTrace.hour, CountTrace.country, CountTrace.language, CountTrace.source, CountTrace.delta).where(
            CountTrace.campaign_id == campaign_id, CountTrace.language.is_not(None)
        )
    ):
        for key in _parts(hour.date(), country, language or "", source):
            stored[key] += delta
    for day, signed in moment.execute(
        sa.select(SignedTrace.day, SignedTrace.signed).where(SignedTrace.campaign_id == campaign_id)
    ):
        for key in _kept_as(Measure.SIGNED, day):
            stored[key] += signed
    return stored


_TOLD_BY_NO_SIGNATURE = [
    name for measure in (Measure.OPENED, Measure.GONE) for name in (measure.value, measure.by_month)
]


_counted_removed = (
    sa.select(sa.func.count())
    .select_from(Signature)
    .where(
        Signature.campaign_id == sa.bindparam("campaign_id"),
        Signature.state == SignatureState.INVALIDATED,
        Signature.state_reason.in_(REMOVED),
        Signature.confirmed_at.is_not(None),
    )
)


def _stored_total(moment: sa.Connection, campaign_id: int) -> tuple[int, int]:
    """Confirmed ones and removed ones, what waits to be added up included."""
    stored = moment.execute(
        sa.select(CampaignCount.total, CampaignCount.removed).where(CampaignCount.campaign_id == campaign_id)
    ).one_or_none()
    traced = moment.execute(
        sa.select(sa.func.sum(CountTrace.delta), sa.func.sum(CountTrace.removed)).where(
            CountTrace.campaign_id == campaign_id
        )
    ).one()
    total, removed = stored or (0, 0)
    return int(total) + int(traced[0] or 0), int(removed) + int(traced[1] or 0)
