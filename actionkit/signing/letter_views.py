"""The desk's buttons over letters: settle one, pause or stop those of a campaign; and the page of all delivery."""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, render_template, request
from flask_babel import gettext, ngettext
from werkzeug.exceptions import NotFound

from actionkit import db, languages
from actionkit.addresses import AddressInvalid, normalise
from actionkit.campaigns.desk import campaign_for, changeable, official_for
from actionkit.delivery import groups, outbox, relay
from actionkit.delivery.groups import Stopping
from actionkit.letters import addresses, delivery_desk
from actionkit.letters.operations import group_key
from actionkit.redirects import see_other
from actionkit.signing.search import find_letter
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("letters", __name__, url_prefix="/staff")


# ---------------------------------------------------------------- one letter


@blueprint.post("/campaigns/<slug>/letters/<public_id>/<any(arrived, 'give-up'):decision>")
@rights.needs(Right.ACT)
def settle(slug: str, public_id: str, decision: str) -> Response:
    """A person says how an uncertain letter ended, or gives one up that waits for a person."""
    campaign = campaign_for(Right.ACT, slug)
    found = find_letter(campaign.id, public_id)
    if found is None:
        raise NotFound
    has_arrived = decision == "arrived"
    if outbox.settle(found.id, has_arrived=has_arrived):
        audit.record(f"letter-{decision}", slug, letter=public_id, was=found.state)
        flash(gettext("The letter counts as sent.") if has_arrived else gettext("The letter is given up."))
    else:
        flash(gettext("Nothing was changed: the letter is in another state now."))
    db.session.commit()
    return see_other("desk.letter", slug=slug, public_id=public_id)


# ---------------------------------------------------------------- all letters of a campaign


@blueprint.post("/campaigns/<slug>/letters/<any(pause, resume):decision>")
@rights.needs(Right.ACT)
def pause(slug: str, decision: str) -> Response:
    """Let no letter of the campaign leave, or let them leave again."""
    campaign = campaign_for(Right.ACT, slug)
    key = group_key(campaign.id)
    if decision == "pause":
        is_done, said = groups.pause(key), gettext("The letters of this campaign are paused. People can sign as ever.")
    else:
        is_done, said = groups.resume(key), gettext("The letters of this campaign leave again, at their pace.")
    if is_done:
        audit.record(f"{decision}-letters", slug)
    db.session.commit()
    flash(said if is_done else gettext("Nothing was changed: it was so already."))
    return see_other("desk.letters", slug=slug)


@blueprint.get("/campaigns/<slug>/letters/stop")
@rights.needs(Right.ACT)
def before_stopping(slug: str) -> str:
    """How many letters would stop, and the button."""
    campaign = campaign_for(Right.ACT, slug)
    return render_template("desk/stop_letters.html", campaign=campaign, number=groups.unsent(group_key(campaign.id)))


@blueprint.post("/campaigns/<slug>/letters/<any(stop, 'undo-stop'):decision>")
@rights.needs(Right.ACT)
def stop(slug: str, decision: str) -> Response:
    """Cancel all letters that have not left, or queue again what was cancelled so."""
    campaign = campaign_for(Right.ACT, slug)
    key = group_key(campaign.id)
    if decision == Stopping.STOP:
        number, is_done, said = groups.unsent(key), groups.stop(key), gettext("The letters are being cancelled.")
    else:
        number, is_done, said = (
            groups.stopped(key),
            groups.undo_stop(key),
            gettext("The letters are being queued again."),
        )
    if is_done:
        audit.record(f"{decision}-letters", slug, letters=number)
    db.session.commit()
    flash(said if is_done else gettext("Nothing was changed: the worker is still at it."))
    return see_other("desk.letters", slug=slug)


# ---------------------------------------------------------------- all delivery


@blueprint.get("/delivery")
@rights.needs(Right.VIEW)
def delivery() -> str:
    """The relay, the officials that refuse us, and the campaigns that rest."""
    languages.choose()
    return _delivery_page()


def _delivery_page(wrong: str = "", typed: str = "") -> str:
    mine = rights.campaign_ids(Right.VIEW)
    officials = delivery_desk.suspended_officials(mine)
    return render_template(
        "desk/delivery.html",
        trouble=relay.stops_sending(),
        moment_now=db.now(),
        officials=officials,
        campaigns=delivery_desk.resting_campaigns(mine),
        changeable=changeable([each.official.id for each in officials]),
        may_admin=rights.may(Right.ADMIN),
        wrong=wrong,
        typed=typed,
    )


@blueprint.post("/delivery/try-now")
@rights.needs(Right.ADMIN)
def try_now() -> Response:
    """End the pause after trouble of the relay: somebody has mended its cause."""
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    if relay.try_now():
        audit.record("try-relay-now", "delivery")
        flash(gettext("The mail server is tried again now. This page says how it went in a few seconds."))
    else:
        flash(gettext("Nothing was changed: mails are not waiting for the mail server."))
    db.session.commit()
    return see_other("letters.delivery")


@blueprint.post("/delivery/officials/<official>")
@rights.needs(Right.EDIT)
def new_address(official: str) -> Response:
    """Give a suspended official a working address (or the same one again); its letters leave then."""
    found = official_for(Right.EDIT, official)
    typed = request.form.get("email", "").strip()
    addresses.locked(found.id)
    before = addresses.domain(found.email)
    try:
        queued = addresses.use(found, normalise(typed))
    except AddressInvalid:
        db.reading()
        return make_response(_delivery_page(wrong=official, typed=typed[:320]), 422)
    audit.record("official-address", official, letters=queued, old=before, new=addresses.domain(found.email))
    db.session.commit()
    if queued is None:
        flash(gettext("The address is stored. No letter was waiting for it."))
    else:
        flash(
            ngettext(
                "The address is stored, and %(num)s letter is queued again.",
                "The address is stored, and %(num)s letters are queued again.",
                queued,
            )
        )
    return see_other("letters.delivery")
