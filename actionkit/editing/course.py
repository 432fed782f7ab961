"""How a campaign goes: published, paused, closed, reopened, put away. Each step is a version; nothing here commits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign, CampaignState, Outcome, Phase, VersionCause
from actionkit.letters import forecast, history
from actionkit.letters.operations import set_pace
from actionkit.signing import counting
from actionkit.signing.models import Signature


def lock(campaign: Campaign) -> None:
    """Let no other change of this campaign happen until this one is stored; and see those that have.

    People sign meanwhile: what points to the campaign is not locked out.
    """
    db.session.execute(sa.select(Campaign.id).where(Campaign.id == campaign.id).with_for_update(key_share=True))
    db.session.expire_all()


@dataclass(frozen=True)
class Numbers:
    """What a step would be about, from stored totals."""

    signatures: int
    waiting_letters: int


def numbers_of(campaign: Campaign) -> Numbers:
    return Numbers(counting.current(campaign.id).total, forecast.of_campaign(campaign).waiting)


def has_signatures(campaign: Campaign) -> bool:
    """Whether anybody has signed, confirmed or not."""
    return bool(db.session.scalar(sa.select(sa.exists().where(Signature.campaign_id == campaign.id))))


def _moved(campaign: Campaign) -> bool:
    db.session.flush()
    set_pace(campaign)
    history.record(campaign, VersionCause.MOVED)
    return True


def publish(campaign: Campaign) -> bool:
    """From now on the public sees it; it can be signed from its first day on. False where it is no draft."""
    if campaign.state != CampaignState.DRAFT:
        return False
    campaign.state, campaign.archived_at = CampaignState.OPEN, None
    return _moved(campaign)


def unpublish(campaign: Campaign) -> bool:
    """A draft again; False where somebody has signed it already, or where it is closed."""
    if campaign.state != CampaignState.OPEN or campaign.phase() is Phase.CLOSED or has_signatures(campaign):
        return False
    campaign.state = CampaignState.DRAFT
    return _moved(campaign)


def close(campaign: Campaign, outcome: Outcome, closings: Mapping[str, str], successor: str) -> bool:
    """End it now, or say how it ended that the clock has closed; False for a draft."""
    if campaign.state == CampaignState.DRAFT:
        return False
    campaign.closed_at = campaign.closed_at or min(campaign.ends_at or db.now(), db.now())
    campaign.state, campaign.outcome, campaign.successor = CampaignState.CLOSED, outcome, successor
    campaign.signing_paused_at = campaign.signing_back_at = None
    for text in campaign.texts:
        text.closing = closings.get(text.language, text.closing)
    return _moved(campaign)


def reopen(campaign: Campaign, closes_on: dt.date | None) -> bool:
    """Open it again until a day that is not over, or without an end; False where it is not closed."""
    if campaign.phase() is not Phase.CLOSED:
        return False
    campaign.state, campaign.outcome, campaign.closed_at = CampaignState.OPEN, None, None
    campaign.closes_on, campaign.archived_at = closes_on, None
    return _moved(campaign)


def put_away(campaign: Campaign) -> bool:
    """Take a draft or a closed campaign out of the desk's lists; for the public nothing changes."""
    if campaign.phase() not in (Phase.CLOSED, Phase.DRAFT) or campaign.archived_at:
        return False
    campaign.archived_at = db.now()
    return _moved(campaign)


def take_out_again(campaign: Campaign) -> bool:
    if not campaign.archived_at:
        return False
    campaign.archived_at = None
    return _moved(campaign)


def pause_signing(campaign: Campaign, back_at: dt.datetime | None) -> bool:
    """Let nobody sign for now; confirming and letters go on. False where it is paused already, or cannot be signed."""
    if campaign.is_signing_paused or campaign.phase() is not Phase.OPEN:
        return False
    campaign.signing_paused_at, campaign.signing_back_at = db.now(), back_at
    return _moved(campaign)


def resume_signing(campaign: Campaign) -> bool:
    if not campaign.is_signing_paused:
        return False
    campaign.signing_paused_at = campaign.signing_back_at = None
    return _moved(campaign)
