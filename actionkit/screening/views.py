"""What the form of a campaign fetches while it is being filled in."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import Gone

from actionkit.campaigns.models import Phase
from actionkit.campaigns.operations import find_public_campaign
from actionkit.screening import proof

blueprint = Blueprint("screening", __name__)


@blueprint.get("/campaigns/<slug>/challenge.json")
def challenge(slug: str) -> Response:
    """A task for one signature, for any campaign that can be signed: a page may be older than the switch."""
    campaign = find_public_campaign(slug)
    if campaign.phase() is not Phase.OPEN:
        raise Gone
    answer = jsonify(proof.make_challenge(campaign))
    answer.headers["Cache-Control"] = "no-store"
    return answer
