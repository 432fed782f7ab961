"""Public pages about campaigns: home, programs, archive, updates, stories, and what machines read."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from flask import Blueprint, Response, make_response, render_template, request, url_for
from sqlalchemy.orm import joinedload
from werkzeug.exceptions import NotFound

from actionkit import countries, db, languages, pages
from actionkit.campaigns import operations
from actionkit.campaigns.models import Campaign, Outcome, Phase, Story, Update
from actionkit.security import absolute_url

blueprint = Blueprint("campaigns", __name__)

UPDATES_ON_A_PAGE = 5
UPDATES_IN_FEED = 50


def _lang() -> dict[str, str]:
    """The `lang` argument of links that stay in the language of the page."""
    language = languages.current()
    return {} if language == languages.INTERFACE[0] else {"lang": language}


def _in_order(campaigns: list[Campaign]) -> list[Campaign]:
    """As a reader looks for them: by the name of the country."""
    language = languages.current()
    return sorted(campaigns, key=lambda campaign: (countries.name(campaign.country, language), campaign.slug))


@blueprint.get("/")
@pages.cached
def home() -> Response:
    languages.choose()
    campaigns = [c for c in operations.published_campaigns() if c.phase() is not Phase.CLOSED]
    return pages.public(
        render_template(
            "campaigns/home.html",
            programs=operations.all_programs(),
            campaigns=_in_order(campaigns),
            updates=operations.updates(most=UPDATES_ON_A_PAGE),
            lang=_lang(),
        )
    )


@blueprint.get("/programs/<slug>")
@pages.cached
def program(slug: str) -> Response:
    languages.choose()
    found = operations.find_program(slug)
    campaigns = operations.published_campaigns(Campaign.program_id == found.id)
    return pages.public(
        render_template(
            "campaigns/program.html",
            program=found,
            campaigns=_in_order([c for c in campaigns if c.phase() is not Phase.CLOSED]),
            has_archive=any(c.phase() is Phase.CLOSED for c in campaigns),
            updates=operations.updates(Update.program_id == found.id, most=UPDATES_ON_A_PAGE),
            stories=operations.stories_of(found),
            resources=operations.resources_of(found),
            lang=_lang(),
        )
    )


@blueprint.get("/archive")
@pages.cached
def archive() -> Response:
    languages.choose()
    wanted = operations.ArchiveFilter(
        **{name: request.args.get(name, "")[:100] for name in ("program", "country", "year", "outcome")}
    )
    past = operations.past_campaigns()
    years = sorted({c.closed_on.year for c in past if c.closed_on}, reverse=True)
    return pages.public(
        render_template(
            "campaigns/archive.html",
            campaigns=[campaign for campaign in past if wanted.keeps(campaign)],
            is_empty=not past,
            wanted=wanted,
            programs=operations.all_programs(),
            countries=sorted(
                {(c.country, countries.name(c.country, languages.current())) for c in past}, key=lambda pair: pair[1]
            ),
            years=years,
            outcomes=list(Outcome),
            lang=_lang(),
        )
    )


@blueprint.get("/updates")
@pages.cached
def updates() -> Response:
    languages.choose()
    return pages.public(render_template("campaigns/updates.html", updates=operations.updates(), lang=_lang()))


@blueprint.get("/updates/<slug>")
@pages.cached
def update(slug: str) -> Response:
    languages.choose()
    found = operations.updates(Update.slug == slug, most=1)
    if not found:
        raise NotFound
    return pages.public(render_template("campaigns/update.html", update=found[0], lang=_lang()))


@blueprint.get("/stories/<slug>")
@pages.cached
def story(slug: str) -> Response:
    languages.choose()
    found = db.session.scalar(sa.select(Story).where(Story.slug == slug).options(joinedload(Story.program)))
    if found is None:
        raise NotFound
    return pages.public(render_template("campaigns/story.html", story=found, lang=_lang()))


# ---------------------------------------------------------------- for machines


@blueprint.get("/feed.atom")
@pages.cached
def feed() -> Response:
    """The updates as Atom (RFC 4287)."""
    latest = operations.updates(most=UPDATES_IN_FEED)
    newest = max((u.changed_at for u in latest), default=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    page = render_template("campaigns/feed.atom.xml", updates=latest, newest=newest)
    return pages.public(page, "application/atom+xml; charset=utf-8")


@blueprint.get("/sitemap.xml")
@pages.cached
def sitemap() -> Response:
    """Every public page with its languages (sitemaps.org)."""
    campaigns = operations.published_campaigns()
    stories = db.session.scalars(sa.select(Story.slug)).all()
    plain = [
        url_for("campaigns.home"),
        url_for("campaigns.archive"),
        url_for("campaigns.updates"),
        *(url_for("campaigns.program", slug=p.slug) for p in operations.all_programs()),
        *(url_for("campaigns.story", slug=slug) for slug in stories),
        *(url_for("campaigns.update", slug=u.slug) for u in operations.updates()),
    ]
    page = render_template("campaigns/sitemap.xml", pages=[absolute_url(path) for path in plain], campaigns=campaigns)
    return pages.public(page, "application/xml; charset=utf-8")


@blueprint.get("/robots.txt")
@pages.cached
def robots() -> Response:
    lines = [
        "User-agent: *",
        "Disallow: /staff/",
        "Disallow: /confirm/",
        "Disallow: /withdraw/",
        "Disallow: /unsubscribe/",
        f"Sitemap: {absolute_url(url_for('campaigns.sitemap'))}",
    ]
    return pages.public(make_response("\n".join(lines) + "\n"), "text/plain; charset=utf-8")
