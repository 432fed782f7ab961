"""What staff see of sending as a whole: officials whose address refuses us, and campaigns that rest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign, CampaignOfficial, Official
from actionkit.delivery import groups, recipients
from actionkit.letters.operations import campaign_of_group, recipient_key


@dataclass(frozen=True)
class SuspendedOfficial:
    """An official to whom nothing is sent until staff give a working address."""

    official: Official
    since: dt.datetime
    reason: str
    held: int
    """Letters that wait for it."""


@dataclass(frozen=True)
class RestingCampaign:
    """A campaign of which no letter leaves."""

    campaign: Campaign
    since: dt.datetime
    because: str
    """What the mail server said of five letters in a row; "" where staff paused it."""


def suspended_officials(campaign_ids: Collection[int] | None) -> Sequence[SuspendedOfficial]:
    """Those of these campaigns (None = all), the latest first."""
    known = {each.recipient_key: each for each in recipients.suspended()}
    officials = db.session.scalars(_officials(campaign_ids)).all() if known else []
    by_key = {recipient_key(official.id): official for official in officials}
    return [
        SuspendedOfficial(by_key[key], each.since, each.reason, each.held)
        for key, each in known.items()
        if key in by_key
    ]


def _officials(campaign_ids: Collection[int] | None) -> sa.Select[Official]:
    query = sa.select(Official).where(Official.retired_at.is_(None))
    if campaign_ids is None:
        return query
    seats = sa.select(CampaignOfficial.official_id).where(CampaignOfficial.campaign_id.in_(campaign_ids))
    return query.where(Official.id.in_(seats))


def resting_campaigns(campaign_ids: Collection[int] | None) -> Sequence[RestingCampaign]:
    """Those of these campaigns (None = all) whose letters are paused."""
    paused = {campaign_of_group(key): pause for key, pause in groups.paused().items()}
    mine = [id_ for id_ in paused if id_ is not None and (campaign_ids is None or id_ in campaign_ids)]
    campaigns = db.session.scalars(sa.select(Campaign).where(Campaign.id.in_(mine)).order_by(Campaign.slug)).all()
    return [RestingCampaign(each, paused[each.id].since, paused[each.id].because) for each in campaigns]
