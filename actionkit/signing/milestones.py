"""Milestones: the moment at which a campaign first reached a round number, or its goal.

Stamped by the count that got there, once for ever: signatures that are withdrawn later take
nothing back. A new goal is stamped like any other, by the first count that finds it reached.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from actionkit import db, remember
from actionkit.campaigns.models import Campaign
from actionkit.signing.models import CampaignCount, CountMilestone

ROUND = tuple(first * 10**zeros for zeros in range(1, 8) for first in (1, 5))
"""10, 50, 100, 500, 1,000, 5,000 … 10,000,000 and 50,000,000."""


def _reached() -> sa.CompoundSelect[Any]:
    """What the campaigns `ids` have reached by their stored totals, stamped or not."""
    numbers = sa.values(sa.column("threshold", sa.Integer), name="numbers").data([(n,) for n in ROUND]).cte()
    moment = sa.bindparam("moment", type_=CountMilestone.reached_at.type)
    ids = CampaignCount.campaign_id.in_(sa.bindparam("ids", expanding=True))
    threshold = numbers.c.threshold
    return (
        sa.select(CampaignCount.campaign_id, threshold, threshold == Campaign.goal, moment)
        .join(Campaign, Campaign.id == CampaignCount.campaign_id)
        .join(numbers, threshold <= CampaignCount.total)
        .where(ids)
        .union(
            sa.select(CampaignCount.campaign_id, Campaign.goal, sa.true(), moment)
            .join(Campaign, Campaign.id == CampaignCount.campaign_id)
            .where(ids, Campaign.goal > 0, Campaign.goal <= CampaignCount.total)
        )
    )


def stamp(campaign_ids: Collection[int]) -> None:
    """Stamp what these campaigns have reached, in the transaction that counted them."""
    if campaign_ids:
        columns = ["campaign_id", "threshold", "is_goal", "reached_at"]
        add = db.insert(CountMilestone).from_select(columns, _reached()).on_conflict_do_nothing()
        # Through the connection: the session would take a SELECT's values for rows of a bulk insert.
        db.session.connection().execute(add, {"ids": sorted(campaign_ids), "moment": db.now()})


def goal_reached_on(campaign: Campaign) -> dt.date | None:
    """The day, in its own zone, on which the campaign's present goal was reached; None before, or without one."""
    if not campaign.goal:
        return None
    at = remember.shortly(("goal reached", campaign.id, campaign.goal), lambda: _reached_at(campaign))
    return at.astimezone(ZoneInfo(campaign.timezone)).date() if at else None


def _reached_at(campaign: Campaign) -> dt.datetime | None:
    return db.session.scalar(
        sa.select(CountMilestone.reached_at).where(
            CountMilestone.campaign_id == campaign.id, CountMilestone.threshold == campaign.goal
        )
    )
