"""The desk: campaigns with their counts, their signatures, and where each letter is."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from flask import Blueprint, Response, flash, render_template, request
from flask_babel import gettext, lazy_gettext
from werkzeug.exceptions import NotFound

from actionkit import db, languages
from actionkit.campaigns.desk import campaign_for
from actionkit.campaigns.operations import all_campaigns
from actionkit.delivery import groups, history, outbox
from actionkit.delivery.models import Outgoing, State
from actionkit.letters import delivery_desk, forecast, progress
from actionkit.letters.operations import group_key
from actionkit.paging import page_number
from actionkit.redirects import see_other
from actionkit.signing import counting, operations, search
from actionkit.signing.models import SignatureState
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("desk", __name__, url_prefix="/staff")

LETTER_STATES = {
    State.QUEUED: lazy_gettext("waiting to be sent"),
    State.SENDING: lazy_gettext("being sent"),
    State.SENT: lazy_gettext("sent"),
    State.FAILED: lazy_gettext("refused"),
    State.UNCERTAIN: lazy_gettext("uncertain: the mail server fell silent"),
    State.HELD: lazy_gettext("held back"),
    State.FROZEN: lazy_gettext("stopped: it cannot be written"),
    State.CANCELLED: lazy_gettext("cancelled"),
}
CAN_BE_SENT_AGAIN = (State.FAILED, State.UNCERTAIN, State.HELD, State.FROZEN)


@blueprint.get("/")
@rights.needs(Right.VIEW)
def index() -> str:
    languages.choose()
    campaigns = all_campaigns(rights.campaign_ids(Right.VIEW))
    return render_template(
        "desk/campaigns.html",
        campaigns=campaigns,
        totals=counting.totals([campaign.id for campaign in campaigns]),
    )


@blueprint.get("/campaigns/<slug>/signatures")
@rights.needs(Right.VIEW)
def signatures(slug: str) -> str:
    return _signatures(slug, search.Wanted.of(request.args), request.args.get("page", ""))


@blueprint.post("/campaigns/<slug>/signatures")
@rights.needs(Right.VIEW)
def search_signatures(slug: str) -> str:
    """The same for a name, an address or a postcode, which must not stand in the address of a page."""
    db.reading()
    return _signatures(
        slug, search.Wanted.of(request.form, text=request.form.get("q", "")), request.form.get("page", "")
    )


def _signatures(slug: str, wanted: search.Wanted, page: str) -> str:
    campaign = campaign_for(Right.VIEW, slug)
    found = search.signatures(campaign.id, wanted, number=page_number(page))
    return render_template(
        "desk/signatures.html",
        campaign=campaign,
        found=found,
        wanted=wanted,
        held=search.held_by_reason(campaign.id) if wanted.state == SignatureState.HELD else None,
        states=operations.STATE_NAMES,
        reason_name=search.reason_name,
        NOT_COUNTED=operations.NOT_COUNTED,
        total=counting.current(campaign.id).total,
        can_export=rights.may(Right.EXPORT, campaign.id),
        can_act=rights.may(Right.ACT, campaign.id),
    )


@blueprint.post("/campaigns/<slug>/signatures/<public_id>/<any(release, refuse):decision>")
@rights.needs(Right.ACT)
def decide(slug: str, public_id: str, decision: str) -> Response:
    """Release a held signature, or take it out."""
    campaign = campaign_for(Right.ACT, slug)
    signature = search.find_signature(campaign.id, public_id)
    if signature is None:
        raise NotFound
    if decision == "release":
        is_done = operations.release(signature)
        said = gettext("The signature is released; its owner is asked to confirm it.")
    else:
        is_done = signature.state == SignatureState.HELD and operations.take_out(signature)
        said = gettext("The signature is taken out.")
    if is_done:
        audit.record(f"{decision}-signature", slug, signature=public_id)
    db.session.commit()
    flash(said if is_done else gettext("Nothing was changed: the signature is no longer held."))
    reason = request.form.get("reason", "")[: search.LONGEST_SEARCH]
    return see_other("desk.signatures", slug=slug, state=SignatureState.HELD, reason=reason or None)


@blueprint.get("/campaigns/<slug>/letters")
@rights.needs(Right.VIEW)
def letters(slug: str) -> str:
    campaign = campaign_for(Right.VIEW, slug)
    state, key = request.args.get("state", ""), group_key(campaign.id)
    return render_template(
        "desk/letters.html",
        campaign=campaign,
        found=search.letters(campaign.id, state=state, number=page_number(request.args.get("page", ""))),
        state=state,
        states=LETTER_STATES,
        by_state=search.letters_by_state(campaign.id),
        forecast=forecast.of_campaign(campaign),
        zone=ZoneInfo(campaign.timezone),
        most_counted=search.LETTERS_COUNTED,
        pause=groups.pause_of(key),
        stopping=groups.stopping(key),
        stopped=groups.stopped(key),
        suspended=delivery_desk.suspended_officials({campaign.id}),
        again=CAN_BE_SENT_AGAIN,
        can_act=rights.may(Right.ACT, campaign.id),
    )


@blueprint.get("/campaigns/<slug>/letters/<public_id>")
@rights.needs(Right.VIEW)
def letter(slug: str, public_id: str) -> str:
    """What happened to one letter, try by try."""
    campaign = campaign_for(Right.VIEW, slug)
    found = search.find_letter(campaign.id, public_id)
    if found is None:
        raise NotFound
    return render_template(
        "desk/letter.html",
        campaign=campaign,
        letter=found,
        states=LETTER_STATES,
        official=search.official_of(found),
        events=history.of(found.id),
        in_words=progress.in_words,
        ways=_ways(found) if rights.may(Right.ACT, campaign.id) else (),
    )


def _ways(letter: Outgoing) -> tuple[str, ...]:
    """What a person may decide about a letter."""
    is_open = letter.state == State.UNCERTAIN and letter.lease_until is not None
    match letter.state:
        case State.UNCERTAIN if not is_open:
            return ("arrived", "again", "give-up")
        case State.UNCERTAIN | State.FAILED:
            return ("again",)
        case State.HELD | State.FROZEN:
            return ("again", "give-up")
    return ()


@blueprint.post("/campaigns/<slug>/letters/<public_id>/send-again")
@rights.needs(Right.ACT)
def send_again(slug: str, public_id: str) -> Response:
    campaign = campaign_for(Right.ACT, slug)
    found = search.find_letter(campaign.id, public_id)
    if found is None:
        raise NotFound
    if outbox.send_again(found.id):
        audit.record("send-letter-again", slug, letter=public_id, was=found.state)
        flash(gettext("The letter is queued again, with the same Message-ID."))
    else:
        flash(gettext("Nothing was changed: the letter is on its way or has been sent."))
    db.session.commit()
    return see_other("desk.letters", slug=slug)
