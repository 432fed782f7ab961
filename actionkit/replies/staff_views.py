"""The desk's pages of mail that came in. For those who look after all campaigns: it may hold anything."""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, render_template, request
from flask_babel import gettext, lazy_gettext
from werkzeug.exceptions import NotFound

from actionkit import db, languages
from actionkit.delivery import return_path
from actionkit.delivery.bounces import Effect
from actionkit.paging import page_number
from actionkit.redirects import see_other
from actionkit.replies import desk
from actionkit.replies.forms import BounceForm
from actionkit.replies.models import IncomingMail, IncomingState
from actionkit.signing.staff_views import LETTER_STATES
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("incoming", __name__, url_prefix="/staff/incoming")

STATES = {
    IncomingState.WAITING: lazy_gettext("waiting for a person"),
    IncomingState.HANDLED: lazy_gettext("understood"),
    IncomingState.IGNORED: lazy_gettext("ignored"),
    IncomingState.NEW: lazy_gettext("not looked at yet"),
}


@blueprint.get("")
@rights.needs(Right.ADMIN)
def index() -> str:
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    asked = request.args.get("state", "")
    state = asked if asked in set(IncomingState) else str(IncomingState.WAITING)
    return render_template(
        "replies/incoming.html",
        found=desk.mails(state, page_number(request.args.get("page", ""))),
        state=state,
        states=STATES,
        by_state=desk.by_state(),
        takes_bounces=return_path.takes_bounces(),
        takes_replies=return_path.takes_replies(),
    )


@blueprint.get("/<public_id>")
@rights.needs(Right.ADMIN)
def mail(public_id: str) -> str:
    found = _find(public_id)
    return _page(found, BounceForm.about(desk.candidates(found)))


def _find(public_id: str) -> IncomingMail:
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    found = desk.find(public_id)
    if found is None:
        raise NotFound
    return found


def _page(found: IncomingMail, form: BounceForm) -> str:
    return render_template(
        "replies/mail.html",
        mail=found,
        shown=desk.read(found),
        candidates=desk.candidates(found),
        states=STATES,
        letter_states=LETTER_STATES,
        form=form,
    )


@blueprint.post("/<public_id>/bounce")
@rights.needs(Right.ADMIN)
def say_bounced(public_id: str) -> Response:
    """ "This is a report that … was not delivered"."""
    found = _find(public_id)
    form = BounceForm()
    if not form.validate():
        db.reading()
        return make_response(_page(found, form), 422)
    outgoing_id = form.mail.data or ""
    effect = desk.say_bounced(found, outgoing_id, is_for_good=form.is_for_good)
    if effect in (None, Effect.TOO_EARLY):
        db.session.rollback()
        db.reading()
        form.mail.errors = [_not_done(effect)]
        return make_response(_page(found, form), 422)
    audit.record("incoming-mail-bounced", public_id, mail=outgoing_id, effect=effect)
    db.session.commit()
    flash(_done(effect))
    return see_other("incoming.index")


def _not_done(effect: Effect | None) -> str:
    if effect is Effect.TOO_EARLY:
        return gettext("This mail is being sent at this moment. Please try again in a minute.")
    return gettext("There is no mail of ours with this id, or a colleague was quicker.")


def _done(effect: Effect | None) -> str:
    if effect is Effect.AGAIN:
        return gettext("The mail is queued again, for tomorrow.")
    if effect is Effect.KNOWN:
        return gettext("Nothing was changed at that mail: it was known already, or has not left.")
    return gettext("The mail counts as not delivered.")


@blueprint.post("/<public_id>/ignore")
@rights.needs(Right.ADMIN)
def ignore(public_id: str) -> Response:
    is_done = desk.ignore(_find(public_id))
    if is_done:
        audit.record("incoming-mail-ignored", public_id)
    db.session.commit()
    flash(
        gettext("Ignored; its text is deleted.") if is_done else gettext("Nothing was changed: it was settled before.")
    )
    return see_other("incoming.index")
