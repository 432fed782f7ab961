"""Drawing a campaign's page: the pieces that are the same for everyone are drawn once in two seconds."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import render_template
from markupsafe import Markup

from actionkit import countries, db, languages, remember
from actionkit.campaigns.models import Campaign, Phase
from actionkit.campaigns.operations import find_successor, updates_of_campaign
from actionkit.letters.compose import compose_all, unknown_sender
from actionkit.letters.models import LetterVersion
from actionkit.letters.operations import version_seen
from actionkit.signing import consent, counting, milestones
from actionkit.signing.forms import SignForm
from actionkit.signing.kinds import kind_of
from actionkit.signing.models import Purpose, Signature, Submission

SIGNERS_SHOWN = 12


@dataclass(frozen=True)
class PublicSigner:
    """Someone who asked to be shown."""

    name: str
    country: str


@dataclass(frozen=True)
class Pieces:
    """The form and the letters with their gaps, as HTML; "" for what the page does not have."""

    form: Markup
    letters: Markup
    letter_count: int


def consent_texts(campaign: Campaign) -> dict[Purpose, str]:
    """The words beside the ticks of the campaign's form."""
    kind = kind_of(campaign)
    return {
        purpose: consent.current_text(purpose, writes_letters=kind.writes_letters, sends_reports=kind.sends_reports)
        for purpose in Purpose
    }


def links_stay_in(campaign: Campaign) -> dict[str, str]:
    """The `lang` argument of links that stay in the language of the page."""
    language = languages.current()
    return {} if language == campaign.language else {"lang": language}


def letter_version(campaign: Campaign, version_id: int | None = None) -> LetterVersion | None:
    """The version that a form says it showed, or the current one; None for a campaign without letters."""
    return version_seen(campaign.id, version_id) if kind_of(campaign).writes_letters else None


def draw(campaign: Campaign, form: SignForm | None = None) -> str:
    """The page of a campaign; with `form`, that form with what was typed and what is wrong."""
    version = letter_version(campaign, form.version_id if form else None)
    key = (campaign.id, version and version.id, languages.current())
    pieces = remember.shortly(("pieces", *key), lambda: _pieces(campaign, version))
    if form:
        pieces = Pieces(_form(campaign, form, pieces.letter_count), pieces.letters, pieces.letter_count)
    return render_template(
        "signing/campaign.html",
        campaign=campaign,
        text=campaign.text_in(languages.current()),
        phase=campaign.phase(),
        total=remember.shortly(("total", campaign.id), lambda: counting.current(campaign.id).total),
        goal_reached_on=milestones.goal_reached_on(campaign),
        removed=_removed(campaign) if campaign.shows_removed else 0,
        form=form,
        pieces=pieces,
        signers=remember.shortly(("signers", campaign.id, languages.current()), lambda: _latest_signers(campaign)),
        lang=links_stay_in(campaign),
        updates=updates_of_campaign(campaign),
        successor=find_successor(campaign),
        back_at=_back_at(campaign),
    )


def _back_at(campaign: Campaign) -> dt.datetime | None:
    """When signing is expected to go on, in the campaign's own time; None where that is not known, or has passed."""
    back_at = campaign.signing_back_at
    if not campaign.is_signing_paused or back_at is None or back_at <= db.now():
        return None
    return back_at.astimezone(ZoneInfo(campaign.timezone))


def _removed(campaign: Campaign) -> int:
    return remember.shortly(("removed", campaign.id), lambda: counting.removed_total(campaign.id))


def _pieces(campaign: Campaign, version: LetterVersion | None) -> Pieces:
    letters = compose_all(campaign, version, unknown_sender())
    form = Markup()
    if campaign.phase() is Phase.OPEN and not campaign.is_signing_paused:
        fresh = SignForm.for_campaign(campaign, consent_texts(campaign), formdata=None)
        fresh.letter_version.data = str(version.id) if version else ""
        form = _form(campaign, fresh, len(letters))
    html = Markup(render_template("components/letters.html", letters=letters)) if letters else Markup()
    return Pieces(form, html, len(letters))


def _form(campaign: Campaign, form: SignForm, letter_count: int) -> Markup:
    return Markup(
        render_template(
            "components/sign_form.html",
            campaign=campaign,
            form=form,
            lang=links_stay_in(campaign),
            letters=letter_count,
        )
    )


def _latest_signers(campaign: Campaign) -> list[PublicSigner]:
    rows = db.session.execute(
        sa.select(Submission.name, Submission.country)
        .join(Signature, Signature.submission_id == Submission.id)
        .where(Signature.campaign_id == campaign.id, Signature.is_name_public)
        .order_by(Signature.confirmed_at.desc())
        .limit(SIGNERS_SHOWN)
    )
    return [PublicSigner(name, countries.name(country, languages.current())) for name, country in rows]
