"""The desk's page of all sending: whether mail leaves, and the buttons that pause it and end a pause."""

from __future__ import annotations

from flask import Blueprint, Response, flash, render_template, request
from flask_babel import gettext, ngettext

from actionkit import db, languages
from actionkit.delivery import sending_pause
from actionkit.delivery.sending_pause import OldMailsWait
from actionkit.redirects import see_other
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("sending", __name__, url_prefix="/staff/sending")

SEND, CANCEL = "send", "cancel"
"""What becomes of mails from before a restore, as the form says it."""


@blueprint.get("")
@rights.needs(Right.ADMIN)
def show() -> str:
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    return render_template("upkeep/sending.html", pause=sending_pause.current(), waiting=sending_pause.waiting())


@blueprint.post("/pause")
@rights.needs(Right.ADMIN)
def pause() -> Response:
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    if sending_pause.pause():
        audit.record("pause-sending", "sending")
        flash(gettext("Sending is paused. Mails wait, and signing goes on."))
    db.session.commit()
    return see_other("sending.show")


@blueprint.post("/resume")
@rights.needs(Right.ADMIN)
def resume() -> Response:
    """End the pause. Where mails from before a restore wait, the form says what becomes of them."""
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    old = request.form.get("old")
    try:
        cancelled = sending_pause.resume(send_old={SEND: True, CANCEL: False}.get(old or ""))
    except OldMailsWait:
        db.session.rollback()
        flash(gettext("Please say first what becomes of the mails from before the restore."))
        return see_other("sending.show")
    if cancelled is None:
        flash(gettext("Nothing was changed: sending was not paused."))
    else:
        audit.record("resume-sending", "sending", old=old or "none", cancelled=cancelled)
        flash(gettext("Mails leave again."))
        if cancelled:
            flash(ngettext("%(num)s mail was cancelled.", "%(num)s mails were cancelled.", cancelled))
    db.session.commit()
    return see_other("sending.show")
