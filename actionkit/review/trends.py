"""What comes in heaps: signatures by the hour, from one network or with addresses of one domain.

The rules, with their reasons, are in docs/review.md.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.prepared import Prepared
from actionkit.review.models import ProviderRule, Trend, TrendKind

HOUR = dt.timedelta(hours=1)

MANY = {TrendKind.NETWORK.value: 50, TrendKind.DOMAIN.value: 50}
"""Signatures within an hour, on one campaign."""

TIMES_ITS_USUAL_SHARE = 5
HISTORY_HOURS = 24
"""A domain's usual share of a campaign is that of the hours before."""
ASSUMED_WEIGHT = 50
ASSUMED_SHARE = 0.1
"""Until there is a history, and less and less as it grows: as if 50 signatures had come before, a tenth
of them of this domain; or all of them, where it is a provider of the table."""

FEW = 10
"""A network or domain that brings fewer in an hour is not shown; and the row of such a network goes soon."""
FEW_KEPT_HOURS = 3
KEPT_FOR = dt.timedelta(days=30)

Key = tuple[int, dt.datetime, str, str]
"""(campaign, hour, kind, value)"""


@dataclass(frozen=True)
class Grown:
    """How many signatures a network or domain has brought in an hour, as of now."""

    campaign_id: int
    hour: dt.datetime
    kind: str
    value: str
    signatures: int


# ---------------------------------------------------------------- adding up


def add(more: Mapping[Key, int]) -> None:
    """Add signatures to their hours, in the transaction at hand."""
    rows = [
        {"campaign_id": campaign_id, "hour": hour, "kind": kind, "value": value, "signatures": signatures}
        for (campaign_id, hour, kind, value), signatures in sorted(more.items())
    ]
    if rows:
        _add.each(rows)


def _adding(insert: Any) -> Any:
    table = Trend.__table__
    added = insert(table)
    return added.on_conflict_do_update(
        index_elements=["campaign_id", "hour", "kind", "value"],
        set_={"signatures": table.c.signatures + added.excluded.signatures},
    )


_add = Prepared(_adding)


def large(keys: Iterable[Key]) -> list[Grown]:
    """Those of some networks and domains that have come to many in their hour."""
    values: dict[tuple[int, dt.datetime, str], list[str]] = {}
    for campaign_id, hour, kind, value in sorted(keys):
        values.setdefault((campaign_id, hour, kind), []).append(value)
    return [
        Grown(campaign_id, hour, kind, row.value, row.signatures)
        for (campaign_id, hour, kind), some in values.items()
        for row in db.session.execute(
            sa.select(Trend.value, Trend.signatures).where(
                Trend.campaign_id == campaign_id,
                Trend.hour == hour,
                Trend.kind == kind,
                Trend.value.in_(some),
                Trend.signatures >= MANY[kind],
            )
        )
    ]


# ---------------------------------------------------------------- what is more than usual


def out_of_the_ordinary(keys: Iterable[Key]) -> list[Grown]:
    """Those of some networks and domains that staff should look at, the largest first."""
    many = large(keys)
    found = [each for each in many if each.kind == TrendKind.NETWORK]
    candidates = [each for each in many if each.kind == TrendKind.DOMAIN]
    if candidates:
        listed = set(db.session.scalars(sa.select(ProviderRule.domain)))
        for place in sorted({(each.campaign_id, each.hour) for each in candidates}):
            in_the_hour = _domains(place[0], [place[1]]).total()
            before = _domains(place[0], [place[1] - HOUR * n for n in range(1, HISTORY_HOURS + 1)])
            found += [
                each
                for each in candidates
                if (each.campaign_id, each.hour) == place
                and is_unusual(
                    each.signatures,
                    of=in_the_hour,
                    before=before[each.value],
                    of_before=before.total(),
                    is_listed=each.value in listed,
                )
            ]
    return sorted(found, key=lambda each: (-each.signatures, each.campaign_id, each.hour, each.kind, each.value))


def is_unusual(signatures: int, *, of: int, before: int, of_before: int, is_listed: bool) -> bool:
    """Whether a domain brings far more of an hour's signatures than its share of the hours before.

    By share and not by number, so that a campaign that grows is no alarm: `gmail.com` grows with it.
    """
    assumed = 1.0 if is_listed else ASSUMED_SHARE
    usual_share = (before + assumed * ASSUMED_WEIGHT) / (of_before + ASSUMED_WEIGHT)
    return signatures >= MANY[TrendKind.DOMAIN] and signatures >= TIMES_ITS_USUAL_SHARE * usual_share * of


def _domains(campaign_id: int, hours: list[dt.datetime]) -> Counter[str]:
    """Signatures by domain. The hours are named one by one: so the key leads past the networks."""
    rows = db.session.execute(
        sa.select(Trend.value, sa.func.sum(Trend.signatures).label("signatures"))
        .where(Trend.campaign_id == campaign_id, Trend.hour.in_(hours), Trend.kind == TrendKind.DOMAIN)
        .group_by(Trend.value)
    )
    return Counter({row.value: int(row.signatures) for row in rows})


# ---------------------------------------------------------------- what staff see


@dataclass(frozen=True)
class Latest:
    """What a network or domain brought in the last 24 hours, and in the fullest of them."""

    value: str
    signatures: int
    most_in_an_hour: int


def latest(campaign_id: int, kind: str, *, at_least: int, most: int = 10) -> list[Latest]:
    """The largest of a kind over the last 24 hours, with at least so many in one of them."""
    total = sa.func.sum(Trend.signatures)
    rows = db.session.execute(
        sa.select(Trend.value, total.label("signatures"), sa.func.max(Trend.signatures).label("most_in_an_hour"))
        .where(Trend.campaign_id == campaign_id, Trend.hour.in_(_last_hours()), Trend.kind == kind)
        .where(Trend.signatures >= at_least)
        .group_by(Trend.value)
        .order_by(total.desc(), Trend.value)
        .limit(most)
    )
    return [Latest(row.value, int(row.signatures), row.most_in_an_hour) for row in rows]


def in_a_day(campaign_id: int, kind: str, value: str = "") -> int:
    """How many of one kind and value came in the last 24 hours."""
    return int(
        db.session.scalar(
            sa.select(sa.func.sum(Trend.signatures)).where(
                Trend.campaign_id == campaign_id,
                Trend.hour.in_(_last_hours()),
                Trend.kind == kind,
                Trend.value == value,
            )
        )
        or 0
    )


def _last_hours() -> list[dt.datetime]:
    hour = db.now().replace(minute=0, second=0, microsecond=0)
    return [hour - HOUR * n for n in range(24)]


# ---------------------------------------------------------------- forgetting


def forget_old() -> None:
    """Delete what is older than 30 days; and networks that brought few, as soon as their hour is over.

    Most networks bring one signature: kept, they would be as many rows as there are signatures.
    """
    moment = db.now()
    everywhere = Trend.campaign_id.in_(sa.select(Campaign.id))  # leads into the key, which begins with it
    db.session.execute(sa.delete(Trend).where(everywhere, Trend.hour < moment - KEPT_FOR))
    over = moment - HOUR * FEW_KEPT_HOURS
    db.session.execute(
        sa.delete(Trend)
        .where(everywhere, Trend.hour < over, Trend.hour >= over - 2 * dt.timedelta(days=1))
        .where(Trend.kind == TrendKind.NETWORK, Trend.signatures < FEW)
        .execution_options(synchronize_session=False)
    )
