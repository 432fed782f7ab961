"""The desk's pages of figures: one campaign, all of them, several beside each other; each with its CSV."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, render_template, request
from flask_babel import lazy_gettext
from werkzeug.exceptions import BadRequest

from actionkit import db, languages
from actionkit.campaigns.desk import campaign_for
from actionkit.campaigns.models import Campaign, CampaignState
from actionkit.campaigns.operations import all_campaigns
from actionkit.delivery import groups
from actionkit.figures import attention, files, goals, numbers, spans
from actionkit.figures.spans import Span
from actionkit.letters import forecast
from actionkit.letters.operations import group_key
from actionkit.signing import counting, search
from actionkit.signing.models import Measure, Source
from actionkit.signing.staff_views import LETTER_STATES
from actionkit.staff import rights
from actionkit.staff.rights import Right

blueprint = Blueprint("figures", __name__, url_prefix="/staff")

PARTS = (Measure.COUNTRY, Measure.LANGUAGE, Measure.SOURCE)
MOST_COMPARED = 6
"""More lines than these nobody tells apart."""

SOURCES = {
    Source.WEB: lazy_gettext("the campaign's page"),
    Source.IMPORT: lazy_gettext("imported"),
    Source.API: lazy_gettext("another program"),
}


# ---------------------------------------------------------------- one campaign


@blueprint.get("/campaigns/<slug>/overview")
@rights.needs(Right.VIEW)
def overview(slug: str) -> str:
    campaign = campaign_for(Right.VIEW, slug)
    span = _span([campaign.id])
    count = counting.current(campaign.id)
    return render_template(
        "figures/overview.html",
        campaign=campaign,
        count=count,
        removed=counting.removed_total(campaign.id),
        waiting=attention.by_campaign([campaign.id]),
        goal_on=goals.reached_on(campaign, count.total, _today()),
        by_state=search.letters_by_state(campaign.id),
        most_counted=search.LETTERS_COUNTED,
        states=LETTER_STATES,
        pause=groups.pause_of(group_key(campaign.id)),
        forecast=forecast.of_campaign(campaign),
        zone=ZoneInfo(campaign.timezone),
        **_figures([campaign.id], span),
    )


@blueprint.get("/campaigns/<slug>/overview.csv")
@rights.needs(Right.VIEW)
def overview_csv(slug: str) -> Response:
    campaign = campaign_for(Right.VIEW, slug)
    return _csv([campaign.id], slug)


# ---------------------------------------------------------------- all campaigns


@blueprint.get("/figures")
@rights.needs(Right.VIEW)
def index() -> str:
    languages.choose()
    campaigns = {campaign.id: campaign for campaign in all_campaigns(rights.campaign_ids(Right.VIEW))}
    span = _span(campaigns)
    ranking = numbers.by_campaign(campaigns, span)
    return render_template(
        "figures/index.html",
        campaigns=campaigns,
        ranking=ranking,
        most=max(ranking.values(), default=0),
        total=sum(counting.totals([*campaigns]).values()),
        **_figures(campaigns, span),
    )


@blueprint.get("/figures.csv")
@rights.needs(Right.VIEW)
def index_csv() -> Response:
    languages.choose()
    campaigns = {campaign.id: campaign.slug for campaign in all_campaigns(rights.campaign_ids(Right.VIEW))}
    if request.args.get("what") == "campaign":
        ranking = numbers.by_campaign(campaigns, _span(campaigns))
        return files.response(files.campaigns({campaigns[id_]: n for id_, n in ranking.items()}), "campaigns")
    return _csv(campaigns, "all-campaigns")


# ---------------------------------------------------------------- beside each other


@blueprint.get("/figures/compare")
@rights.needs(Right.VIEW)
def compare() -> str:
    languages.choose()
    campaigns = all_campaigns(rights.campaign_ids(Right.VIEW))
    chosen = _chosen(campaigns)
    span = _span([campaign.id for campaign in campaigns])
    return render_template(
        "figures/compare.html",
        campaigns=campaigns,
        chosen=chosen,
        totals=counting.totals([campaign.id for campaign in chosen]),
        most=MOST_COMPARED,
        span=span,
        choices=spans.CHOICES,
        since_opening=_since_opening(),
        in_all=_in_all(),
        comparison=_comparison(chosen, span),
    )


@blueprint.get("/figures/compare.csv")
@rights.needs(Right.VIEW)
def compare_csv() -> Response:
    languages.choose()
    campaigns = all_campaigns(rights.campaign_ids(Right.VIEW))
    chosen = _chosen(campaigns)
    comparison = _comparison(chosen, _span([campaign.id for campaign in campaigns]))
    return files.response(files.comparison(comparison, {each.id: each.slug for each in chosen}), "compared")


def _chosen(campaigns: Collection[Campaign]) -> list[Campaign]:
    """The campaigns named in the query; where none is, the newest that are open."""
    asked = set(request.args.getlist("campaign"))
    named = [campaign for campaign in campaigns if campaign.slug in asked]
    if not named and not asked:
        named = [campaign for campaign in campaigns if campaign.state == CampaignState.OPEN][:3]
    return named[:MOST_COMPARED]


def _comparison(chosen: Collection[Campaign], span: Span) -> numbers.Comparison:
    begins = {}
    for campaign in chosen:
        counted_from = numbers.began_on([campaign.id])
        opens = campaign.opens_on or counted_from or campaign.created_at.date()
        begins[campaign.id] = min(opens, counted_from) if counted_from else opens
    return numbers.compare(begins, span, since_opening=_since_opening(), in_all=_in_all())


def _since_opening() -> bool:
    return request.args.get("by") == "opening"


def _in_all() -> bool:
    return request.args.get("numbers") == "all"


# ---------------------------------------------------------------- what they share


def _figures(campaign_ids: Collection[int], span: Span) -> dict[str, Any]:
    """What the charts and tables of a page are drawn from."""
    return {
        "span": span,
        "choices": spans.CHOICES,
        "by_day": numbers.by_day(campaign_ids, span),
        "by_hour": numbers.by_hour(campaign_ids, span) if span.is_hourly else [],
        "parts": {measure: numbers.parts(measure, campaign_ids, span) for measure in PARTS},
        "funnel": numbers.funnel(campaign_ids, span),
        "sources": SOURCES,
    }


def _csv(campaign_ids: Collection[int], name: str) -> Response:
    """One table of such a page, the one that the query names. Raises `BadRequest` for another name."""
    span, what = _span(campaign_ids), request.args.get("what", "day")
    match what:
        case "day":
            rows = files.points(what, numbers.by_day(campaign_ids, span))
        case "hour" if span.is_hourly:
            rows = files.points(what, numbers.by_hour(campaign_ids, span))
        case Measure.COUNTRY | Measure.LANGUAGE | Measure.SOURCE:
            rows = files.parts(what, numbers.parts(Measure(what), campaign_ids, span))
        case "funnel":
            rows = files.funnel(numbers.funnel(campaign_ids, span))
        case _:
            raise BadRequest
    return files.response(rows, f"{name}-{what}-{span.first}-{span.last}")


def _span(campaign_ids: Collection[int]) -> Span:
    began_on = numbers.began_on(campaign_ids) if request.args.get("span") == "all" else None
    return spans.asked_for(request.args, _today(), began_on)


def _today() -> dt.date:
    return db.now().date()
