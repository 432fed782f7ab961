"""A campaign and an official behind the desk: the one way to get at each."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from werkzeug.exceptions import Forbidden, NotFound

from actionkit import db, languages
from actionkit.campaigns.models import Campaign, CampaignOfficial, Official
from actionkit.campaigns.operations import find_campaign
from actionkit.staff import rights
from actionkit.staff.rights import Right


def campaign_for(right: Right, slug: str) -> Campaign:
    """The campaign, for a member who has `right` on it; the page then speaks the desk's language.

    Raises `NotFound` for another's campaign, as if it were not there, and `Forbidden` for one that
    the member may see without having this right.
    """
    languages.choose()
    campaign = find_campaign(slug)
    rights.require(right, campaign.id)
    return campaign


def official_for(right: Right, slug: str) -> Official:
    """The official, for a member who has `right` wherever it is written to; the page speaks the desk's language.

    Officials are kept once for all campaigns, and every member may see them. To change one is to
    change all campaigns that write to it, so it needs the right on each of them: `Forbidden`
    otherwise. Raises `NotFound` for an unknown one.
    """
    languages.choose()
    official = db.session.scalar(sa.select(Official).where(Official.slug == slug))
    if official is None:
        raise NotFound
    if right is not Right.VIEW and not changeable([official.id], right):
        raise Forbidden
    return official


def changeable(official_ids: Collection[int], right: Right = Right.EDIT) -> set[int]:
    """Those of these officials that the current member may change: she has the right on all their campaigns."""
    mine = rights.campaign_ids(right)
    if mine is None:
        return set(official_ids)
    if not mine:
        return set()
    others = sa.select(CampaignOfficial.official_id).where(
        CampaignOfficial.official_id.in_(official_ids), CampaignOfficial.campaign_id.not_in(mine)
    )
    return set(official_ids) - set(db.session.scalars(others))
