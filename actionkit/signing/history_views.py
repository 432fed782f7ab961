"""A campaign's history for everyone: by hour and country, as JSON and as CSV.

Numbers about a campaign and no person in them; still, no other site's script may read them
(there is no `Access-Control-Allow-Origin`): who wants them fetches them with a program.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from flask import Blueprint, Response, json, request

from actionkit import db, pages
from actionkit.campaigns.models import Campaign
from actionkit.campaigns.operations import find_public_campaign
from actionkit.signing import history

blueprint = Blueprint("history", __name__)


@blueprint.get("/campaigns/<slug>/history.json")
@pages.cached
def as_json(slug: str) -> Response:
    campaign = find_public_campaign(slug)
    at = db.now()
    with db.snapshot() as moment:
        response = _empty(history.version(moment, campaign, at), "application/json")
        if response.status_code != 304:
            response.set_data(json.dumps(history.as_json(moment, campaign, at), separators=(",", ":")) + "\n")
    return response


@blueprint.get("/campaigns/<slug>/history.csv")
def as_csv(slug: str) -> Response:
    """Streamed, so that a long one is in no process's memory; a proxy in front may keep it."""
    campaign = find_public_campaign(slug)
    at = db.now()
    with db.snapshot() as moment:
        response = _empty(history.version(moment, campaign, at), "text/csv; charset=utf-8")
    if response.status_code == 304:
        return response
    response.headers["Content-Disposition"] = f'attachment; filename="{campaign.slug}-history.csv"'
    del response.headers["Content-Length"]
    if request.method == "GET":
        response.response = db.keep_context(_parts(campaign, at))
    return response


def _parts(campaign: Campaign, at: dt.datetime) -> Iterator[bytes]:
    with db.snapshot() as moment:
        yield from history.as_csv(moment, campaign.id, at)


def _empty(version: str, content_type: str) -> Response:
    """The answer before its body: 304 where the client has this version, and needs none."""
    response = Response(content_type=content_type)
    response.set_etag(version, weak=True)
    pages.public(response)
    response.make_conditional(request)
    return response
