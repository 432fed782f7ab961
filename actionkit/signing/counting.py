"""Counting: traces left by each confirmation, added up by a job; exact, seconds late at most.

No request updates a counter that other requests want too, and no page counts rows.
At every moment: confirmed signatures = stored total + traces not yet added up.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.signing.models import (
    CampaignCount,
    CountBucket,
    CountTrace,
    Signature,
    SignatureState,
    Submission,
)

BATCH = 5_000

Bucket = tuple[dt.datetime, str]
"""(hour, country)"""


def hour_of(at: dt.datetime) -> dt.datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def leave_trace(campaign_id: int, at: dt.datetime, country: str, delta: int) -> None:
    """Say, in the transaction at hand, that a signature confirmed at `at` counts or no longer counts."""
    db.session.execute(
        sa.insert(CountTrace).values(campaign_id=campaign_id, hour=hour_of(at), country=country, delta=delta)
    )


def add_up(most: int = BATCH) -> int:
    """Turn traces into totals and buckets, in the transaction at hand; how many traces.

    Reading, adding and deleting are one transaction, and a trace is taken by one job only, so a
    job that dies in the middle has added nothing.
    """
    traces = db.session.execute(
        sa.select(CountTrace.id, CountTrace.campaign_id, CountTrace.hour, CountTrace.country, CountTrace.delta)
        .order_by(CountTrace.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    ).all()
    totals: Counter[int] = Counter()
    buckets: Counter[tuple[int, dt.datetime, str]] = Counter()
    for trace in traces:
        totals[trace.campaign_id] += trace.delta
        buckets[trace.campaign_id, trace.hour, trace.country] += trace.delta
    # In one order everywhere, so that two jobs wait for each other and never in a ring.
    for key, delta in sorted(buckets.items()):
        _add_to_bucket(*key, delta)
    for campaign_id, delta in sorted(totals.items()):
        _add_to_total(campaign_id, delta)
    if traces:
        db.session.execute(sa.delete(CountTrace).where(CountTrace.id.in_([trace.id for trace in traces])))
    return len(traces)


def _add_to_total(campaign_id: int, delta: int) -> None:
    added = db.insert(CampaignCount).values(campaign_id=campaign_id, total=delta, as_of=db.now())
    db.session.execute(
        added.on_conflict_do_update(
            index_elements=["campaign_id"],
            set_={"total": CampaignCount.total + delta, "as_of": db.now()},
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


def recount(slug: str | None = None) -> list[Difference]:
    """Count again from the signatures and repair what differs; the differences found.

    Works beside signing: stored + traces is compared with the rows of one snapshot, and what is
    missing is added, so that confirmations of the same moment are neither lost nor doubled.
    """
    wanted = sa.select(Campaign.id, Campaign.slug).order_by(Campaign.slug)
    if slug is not None:
        wanted = wanted.where(Campaign.slug == slug)
    campaigns = db.session.execute(wanted).all()
    db.session.rollback()  # the long reads that follow must hold up nobody
    found = [(campaign.id, *_difference(campaign.id, campaign.slug)) for campaign in campaigns]
    for campaign_id, difference, wrong in found:
        for (hour, country), delta in sorted(wrong.items()):
            _add_to_bucket(campaign_id, hour, country, delta)
        if difference.counted != difference.stored:
            _add_to_total(campaign_id, difference.counted - difference.stored)
    return [difference for _id, difference, wrong in found if wrong or difference.counted != difference.stored]


def _difference(campaign_id: int, slug: str) -> tuple[Difference, dict[Bucket, int]]:
    with db.snapshot() as moment:
        counted = _counted_buckets(moment, campaign_id)
        stored = _stored_buckets(moment, campaign_id)
        total = _stored_total(moment, campaign_id)
    wrong = {key: counted[key] - stored[key] for key in counted | stored if counted[key] != stored[key]}
    return Difference(slug, total, counted.total(), len(wrong)), wrong


def _counted_buckets(moment: sa.Connection, campaign_id: int) -> Counter[Bucket]:
    rows = moment.execution_options(yield_per=5_000).execute(
        sa.select(Signature.confirmed_at, Submission.country)
        .join(Submission, Submission.id == Signature.submission_id)
        .where(Signature.campaign_id == campaign_id, Signature.state == SignatureState.CONFIRMED)
    )
    counted: Counter[Bucket] = Counter()
    for confirmed_at, country in rows:
        assert confirmed_at is not None
        counted[hour_of(confirmed_at), country] += 1
    return counted


def _stored_buckets(moment: sa.Connection, campaign_id: int) -> Counter[Bucket]:
    stored: Counter[Bucket] = Counter()
    for table, amount in ((CountBucket, CountBucket.signatures), (CountTrace, CountTrace.delta)):
        for hour, country, value in moment.execute(
            sa.select(table.hour, table.country, amount).where(table.campaign_id == campaign_id)
        ):
            stored[hour, country] += value
    return stored


def _stored_total(moment: sa.Connection, campaign_id: int) -> int:
    total = moment.scalar(sa.select(CampaignCount.total).where(CampaignCount.campaign_id == campaign_id))
    traced = moment.scalar(sa.select(sa.func.sum(CountTrace.delta)).where(CountTrace.campaign_id == campaign_id))
    return int(total or 0) + int(traced or 0)
