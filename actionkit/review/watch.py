"""The job that looks at what was signed: it fills twins and trends, and tells staff.

Each step reads on from its cursor and adds up in one transaction with it, so a job that dies in the
middle has added nothing, and two at once add nothing twice: one holds the cursor, the other goes home.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.delivery import groups
from actionkit.letters.operations import campaign_of_group
from actionkit.review import alerts, trends, twins
from actionkit.review.alerts import AlertKind
from actionkit.review.models import Cursor, TrendKind
from actionkit.signing.counting import hour_of
from actionkit.signing.models import Signature, SignatureState, Source, Submission
from actionkit.signing.operations import REFUSED_BY_OWNER

BATCH = 1_000
"""Rows of one transaction: few, so that on SQLite nobody who signs waits for it."""
SETTLED = dt.timedelta(seconds=20)
"""Younger rows are left for the next time.

On PostgreSQL ids are given out in one order and commit in another: a row whose id was passed while
its transaction was open would never be read. Twenty seconds are more than one of ours takes; it may
wait 5 s for a lock (see `db.POSTGRESQL_SETTINGS`).
"""
IS_NEWS_FOR = dt.timedelta(days=1)
"""What is read later than this, after an outage or an upgrade, alarms nobody."""

TRENDS = "trends"
REFUSALS = "refusals"
PAUSES = "pauses"

MANY_REFUSED = 10
"""Owners of addresses who said within a day "I did not sign this", on one campaign."""


def look_at_signatures() -> bool:
    """Add a batch of new signatures to their hours, and tell staff what is out of the ordinary.

    Whether there may be more to read.
    """
    position = _hold(TRENDS)
    if position is None:
        return False
    earlier = aliased(Submission)
    is_repeat = (
        sa.select(earlier.id)
        .where(earlier.signature_id == Submission.signature_id, earlier.id < Submission.id)
        .exists()
    )
    rows = db.session.execute(
        sa.select(
            Submission.id,
            Submission.created_at,
            Submission.network,
            Submission.source,
            Signature.campaign_id,
            Signature.canonical_email,
            is_repeat.label("is_repeat"),
        )
        .join(Signature, Signature.id == Submission.signature_id)
        .where(Submission.id > position)
        .order_by(Submission.id)
        .limit(BATCH)
    ).all()
    settled = _settled(rows, lambda row: row.created_at)
    if not settled:
        return False
    _move(TRENDS, settled[-1].id)
    moment = db.now()
    more: Counter[trends.Key] = Counter()
    for row in settled:
        if row.is_repeat or row.source == Source.IMPORT:
            continue  # a signature counts once here too; what staff bring in themselves is no surprise
        hour, domain = hour_of(row.created_at), row.canonical_email.partition("@")[2]
        if domain and hour > moment - trends.KEPT_FOR:
            more[row.campaign_id, hour, TrendKind.DOMAIN.value, domain] += 1
        if row.network and hour > moment - IS_NEWS_FOR:
            more[row.campaign_id, hour, TrendKind.NETWORK.value, row.network] += 1
    trends.add(more)
    for each in trends.out_of_the_ordinary(key for key in more if key[1] > moment - IS_NEWS_FOR):
        alerts.tell(each.campaign_id, each.kind, each.value, each.hour, each.signatures)
    return len(settled) == BATCH


def look_at_twins() -> bool:
    """Give a batch of signatures the keys that they share with their likely twins.

    Whether there may be more to read. A change of the table of providers sends the cursor back to
    the beginning. The cursor is held before the table is read, so no key follows an old table.
    """
    position = _hold(twins.CURSOR)
    if position is None:
        return False
    rows = db.session.execute(
        sa.select(Signature.id, Signature.campaign_id, Signature.canonical_email, Signature.signed_at)
        .where(Signature.id > position)
        .order_by(Signature.id)
        .limit(BATCH)
    ).all()
    settled = _settled(rows, lambda row: row.signed_at)
    if not settled:
        return False
    twins.replace_keys(position, settled)
    _move(twins.CURSOR, settled[-1].id)
    return len(settled) == BATCH


def new_refusals() -> list[int]:
    """Campaigns on which owners have said "I did not sign this" since the last look; only reads.

    A refusal leaves no time, only a state. So each campaign has a cursor that keeps how many were
    known, and what is more than that has come since.
    """
    return [campaign_id for campaign_id, count in _refused() if count != refused_in_all(campaign_id)]


def look_at_refusals(campaign_ids: Sequence[int]) -> None:
    """Add the new ones to their hour, and tell staff where there were many within a day."""
    if _hold(REFUSALS) is None:
        return
    moment = db.now()
    for campaign_id, count in _refused(Campaign.id.in_(campaign_ids)):  # again: now nobody else looks
        name = _refusals_of(campaign_id)
        known = db.session.scalar(sa.select(Cursor.position).where(Cursor.name == name))
        if known is None:  # the first look at this campaign: old ones are no news
            news = _refused(Campaign.id == campaign_id, Signature.signed_at > moment - IS_NEWS_FOR)
            known = count - dict(news).get(campaign_id, 0)
        moved = db.insert(Cursor).values(name=name, position=count)
        db.session.execute(moved.on_conflict_do_update(index_elements=["name"], set_={"position": count}))
        if count > known:
            trends.add({(campaign_id, hour_of(moment), AlertKind.REFUSED.value, ""): count - known})
            in_a_day = trends.in_a_day(campaign_id, AlertKind.REFUSED)
            if in_a_day >= MANY_REFUSED:
                alerts.tell(campaign_id, AlertKind.REFUSED, "", hour_of(moment).replace(hour=0), in_a_day)


def look_at_pauses() -> None:
    """Tell staff, once for each, of campaigns whose letters are paused because the mail server refuses them."""
    if _hold(PAUSES) is None:
        return
    for key, pause in groups.paused().items():
        campaign_id = campaign_of_group(key)
        if pause.because and campaign_id is not None:
            alerts.tell(campaign_id, AlertKind.REJECTED, "", pause.since, groups.REFUSALS_UNTIL_PAUSED)


def _refused(campaigns: sa.ColumnElement[bool] | None = None, *which: sa.ColumnElement[bool]) -> list[tuple[int, int]]:
    """(campaign, signatures that their owners refused). Campaign by campaign, along the index of states."""
    count = (
        sa.select(sa.func.count())
        .where(Signature.campaign_id == Campaign.id, Signature.state == SignatureState.INVALIDATED)
        .where(Signature.state_reason == REFUSED_BY_OWNER, *which)
        .correlate(Campaign)
        .scalar_subquery()
    )
    query = sa.select(Campaign.id, count.label("n")).order_by(Campaign.id)
    rows = db.session.execute(query if campaigns is None else query.where(campaigns))
    return [(row.id, row.n) for row in rows if row.n]


def refused_in_all(campaign_id: int) -> int:
    """How many owners of addresses have refused, as of the job's last look."""
    known = sa.select(Cursor.position).where(Cursor.name == _refusals_of(campaign_id))
    return db.session.scalar(known) or 0


def _refusals_of(campaign_id: int) -> str:
    return f"{REFUSALS} {campaign_id}"


# ---------------------------------------------------------------- cursors


def _hold(name: str) -> int | None:
    """The cursor's position, and the cursor for this transaction alone; None where another has it.

    On SQLite the whole transaction is alone already: it began IMMEDIATE.
    """
    db.session.execute(db.insert(Cursor).values(name=name, position=0).on_conflict_do_nothing())
    return db.session.scalar(sa.select(Cursor.position).where(Cursor.name == name).with_for_update(skip_locked=True))


def _move(name: str, position: int) -> None:
    db.session.execute(sa.update(Cursor).where(Cursor.name == name).values(position=position))


def _settled(rows: Sequence[Any], at: Callable[[Any], dt.datetime]) -> Sequence[Any]:
    """The rows before the first that is too young. One from the future is not: a clock was set back."""
    moment = db.now()
    return list(takewhile(lambda row: not moment - SETTLED < at(row) < moment + SETTLED, rows))
