"""A campaign behind the desk: the one way to get at it."""

from __future__ import annotations

from actionkit import languages
from actionkit.campaigns.models import Campaign
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
