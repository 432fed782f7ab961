"""Finding what the public may see, and closing what has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload, selectinload
from werkzeug.exceptions import NotFound

from actionkit import db, remember
from actionkit.campaigns.models import (
    Campaign,
    CampaignOfficial,
    CampaignState,
    Outcome,
    Phase,
    Program,
    Resource,
    Story,
    Update,
)

_WHOLE = (
    joinedload(Campaign.program),
    selectinload(Campaign.texts),
    selectinload(Campaign.seats).joinedload(CampaignOfficial.official),
)


def _whole_campaign(slug: str) -> sa.Select[Campaign]:
    return sa.select(Campaign).where(Campaign.slug == slug).options(*_WHOLE)


def find_campaign(slug: str) -> Campaign:
    """A campaign in any state, for staff. Raises `NotFound`."""
    campaign = db.session.scalar(_whole_campaign(slug))
    if campaign is None:
        raise NotFound
    return campaign


def find_public_campaign(slug: str) -> Campaign:
    """A campaign that is no draft, at most two seconds old and only to be read. Raises `NotFound`."""
    campaign = _public_campaign(slug)
    if campaign is None:
        raise NotFound
    return campaign


def _public_campaign(slug: str) -> Campaign | None:
    campaign = remember.shortly(
        ("campaign", slug), lambda: db.detached(lambda session: session.scalar(_whole_campaign(slug)))
    )
    return None if campaign is None or campaign.phase() is Phase.DRAFT else campaign


def find_successor(campaign: Campaign) -> Campaign | None:
    """The campaign that goes on where this one has ended, if the public may see it; at most two seconds old."""
    return _public_campaign(campaign.successor) if campaign.successor else None


def find_lasting_campaign(campaign_id: int) -> Campaign:
    """A campaign in any state with its texts, at most two seconds old and only to be read; for many mails of one."""

    def find(session: Session) -> Campaign | None:
        return session.get(Campaign, campaign_id, options=[selectinload(Campaign.texts)])

    campaign = remember.shortly(("campaign of mails", campaign_id), lambda: db.detached(find))
    if campaign is None:
        raise NotFound
    return campaign


def published_campaigns(*which: sa.ColumnElement[bool]) -> list[Campaign]:
    """Campaigns that are no drafts, with their texts, the newest first."""
    return list(
        db.session.scalars(
            sa.select(Campaign)
            .where(Campaign.state != CampaignState.DRAFT, *which)
            .options(selectinload(Campaign.texts), joinedload(Campaign.program))
            .order_by(Campaign.opens_on.desc(), Campaign.slug)
        )
    )


def all_campaigns(ids: set[int] | None, *, are_archived: bool = False) -> list[Campaign]:
    """Campaigns in any state for staff, the newest first; only those of `ids`, or all for None.

    Those that were put away are left out, or are all there is with `are_archived`.
    """
    query = (
        sa.select(Campaign)
        .where(Campaign.archived_at.is_not(None) if are_archived else Campaign.archived_at.is_(None))
        .options(selectinload(Campaign.texts), joinedload(Campaign.program))
        .order_by(Campaign.opens_on.desc(), Campaign.slug)
    )
    return list(db.session.scalars(query if ids is None else query.where(Campaign.id.in_(ids))))


def find_program(slug: str) -> Program:
    program = db.session.scalar(sa.select(Program).where(Program.slug == slug).options(selectinload(Program.links)))
    if program is None:
        raise NotFound
    return program


def all_programs() -> list[Program]:
    return list(db.session.scalars(sa.select(Program).order_by(Program.position, Program.title)))


def updates(*which: sa.ColumnElement[bool], most: int = 500) -> list[Update]:
    """Updates that the public may see, the newest first; none of a draft campaign."""
    return list(db.session.scalars(_latest_updates(*which).limit(most)))


def updates_of_campaign(campaign: Campaign) -> Sequence[Update]:
    """The latest ten, at most two seconds old and only to be read."""

    def find(session: Session) -> Sequence[Update]:
        return session.scalars(_latest_updates(Update.campaign_id == campaign.id).limit(10)).all()

    return remember.shortly(("updates", campaign.id), lambda: db.detached(find))


def _latest_updates(*which: sa.ColumnElement[bool]) -> sa.Select[Update]:
    return (
        sa.select(Update)
        .outerjoin(Campaign, Campaign.id == Update.campaign_id)
        .where(sa.or_(Update.campaign_id.is_(None), Campaign.state != CampaignState.DRAFT), *which)
        .options(joinedload(Update.program), joinedload(Update.campaign).selectinload(Campaign.texts))
        .order_by(Update.published_on.desc(), Update.id.desc())
    )


def stories_of(program: Program) -> list[Story]:
    return list(db.session.scalars(sa.select(Story).where(Story.program_id == program.id).order_by(Story.title)))


def resources_of(program: Program) -> list[Resource]:
    return list(db.session.scalars(sa.select(Resource).where(Resource.program_id == program.id).order_by(Resource.id)))


# ---------------------------------------------------------------- archive


@dataclass(frozen=True)
class ArchiveFilter:
    """What a visitor of the archive asked for; what cannot be is ignored."""

    program: str = ""
    country: str = ""
    year: str = ""
    outcome: str = ""

    def keeps(self, campaign: Campaign) -> bool:
        ended = campaign.closed_on
        return (
            (not self.program or campaign.program.slug == self.program)
            and (not self.country or campaign.country == self.country.upper())
            and (not self.year or (ended is not None and str(ended.year) == self.year))
            and (not self.outcome or (campaign.outcome or Outcome.ENDED) == self.outcome)
        )


def past_campaigns() -> list[Campaign]:
    """Campaigns that have ended, the latest end first."""
    ended = [campaign for campaign in published_campaigns() if campaign.phase() is Phase.CLOSED]
    return sorted(ended, key=lambda campaign: (campaign.closed_on is not None, campaign.closed_on), reverse=True)


# ---------------------------------------------------------------- the clock


def close_ended() -> list[str]:
    """Close campaigns whose last day is over, once; their slugs. The caller commits.

    From here on a later `closes_on` in a file no longer opens them.
    """
    slugs = []
    candidates = db.session.scalars(
        sa.select(Campaign)
        .where(Campaign.state == CampaignState.OPEN, Campaign.closes_on.is_not(None))
        .with_for_update(skip_locked=True)
    )
    for campaign in candidates:
        if campaign.phase() is Phase.CLOSED:
            campaign.closed_at = campaign.ends_at
            campaign.state = CampaignState.CLOSED
            campaign.outcome = campaign.outcome or Outcome.ENDED
            slugs.append(campaign.slug)
    return slugs
