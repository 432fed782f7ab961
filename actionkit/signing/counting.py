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


def leave_trace(campaign_id: int, at: dt.datetime, country: str, delta: int) -> None:
    """Say, in the transaction at hand, that a signature confirmed at `at` counts or no longer counts."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    db.session.execute(
        sa.insert(CountTrace).values(campaign_id=campaign_id, hour=hour, country=country, delta=delta)
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
    is_behind = db.session.scalar(
        sa.select(sa.exists().where(CountTrace.campaign_id == campaign_id))
    )
    if stored is None:
        return Count(0, db.now())
    return Count(stored.total, stored.as_of if is_behind else db.now())


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
    missing is added, so that confirmations of the same moment are neither lost nor doubled. The
    caller begins the transaction as a snapshot (REPEATABLE READ on PostgreSQL).
    """
    wanted = sa.select(Campaign.id, Campaign.slug).order_by(Campaign.slug)
    if slug is not None:
        wanted = wanted.where(Campaign.slug == slug)
    differences = []
    for campaign_id, campaign_slug in db.session.execute(wanted).all():
        counted = _counted_buckets(campaign_id)
        stored = _stored_buckets(campaign_id)
        wrong = {key: counted[key] - stored[key] for key in counted | stored if counted[key] != stored[key]}
        total = _stored_total(campaign_id)
        if wrong or total != counted.total():
            for (hour, country), delta in sorted(wrong.items()):
                _add_to_bucket(campaign_id, hour, country, delta)
            _add_to_total(campaign_id, counted.total() - total)
            differences.append(Difference(campaign_slug, total, counted.total(), len(wrong)))
    return differences


def _counted_buckets(campaign_id: int) -> Counter[tuple[dt.datetime, str]]:
    rows = db.session.execute(
        sa.select(Signature.confirmed_at, Submission.country)
        .join(Submission, Submission.id == Signature.submission_id)
        .where(Signature.campaign_id == campaign_id, Signature.state == SignatureState.CONFIRMED)
        .execution_options(yield_per=5_000)
    )
    counted: Counter[tuple[dt.datetime, str]] = Counter()
    for confirmed_at, country in rows:
        counted[confirmed_at.replace(minute=0, second=0, microsecond=0), country] += 1
    return counted


def _stored_buckets(campaign_id: int) -> Counter[tuple[dt.datetime, str]]:
    stored: Counter[tuple[dt.datetime, str]] = Counter()
    for table, amount in ((CountBucket, CountBucket.signatures), (CountTrace, CountTrace.delta)):
        for hour, country, value in db.session.execute(
            sa.select(table.hour, table.country, amount).where(table.campaign_id == campaign_id)
        ):
            stored[hour, country] += value
    return stored


def _stored_total(campaign_id: int) -> int:
    total = db.session.scalar(sa.select(CampaignCount.total).where(CampaignCount.campaign_id == campaign_id)) or 0
    traced = db.session.scalar(
        sa.select(sa.func.sum(CountTrace.delta)).where(CountTrace.campaign_id == campaign_id)
    )
    return total + int(traced or 0)
