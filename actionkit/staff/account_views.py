"""A member's own account: how she signs in, and where she is signed in."""

from __future__ import annotations

from flask import Blueprint, flash, render_template, session, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from actionkit import db, languages
from actionkit.redirects import see_other
from actionkit.staff import audit, current, door, rights, second_factor, signed_in

blueprint = Blueprint("account", __name__, url_prefix=current.DESK)


@blueprint.get("/account")
@rights.signed_in
def show() -> str:
    languages.choose()
    member = current.member()
    assert member is not None
    return render_template(
        "staff/account.html",
        member=member,
        must_set_up=door.must_set_up(),
        recovery_left=second_factor.recovery_codes_left(member),
        sessions=signed_in.running(member),
        this=signed_in.this_session(),
        end_path=lambda public_id: url_for("account.end_session", public_id=public_id),
    )


@blueprint.get("/account/again")
@rights.signed_in
def again() -> str:
    """Before one changes how one signs in: sign in once more."""
    languages.choose()
    return render_template("staff/again.html")


@blueprint.post("/account/again")
@rights.signed_in
def sign_in_again() -> Response:
    """Sign out here, and come back to the account after signing in."""
    member, row = current.member(), signed_in.this_session()
    assert member is not None
    assert row is not None
    signed_in.end(member, row.public_id)
    audit.record("sign-out", member.email)
    db.session.commit()
    session.clear()
    return see_other("security.login", next="/staff/account")


@blueprint.post("/account/sessions/<public_id>/end")
@rights.signed_in
def end_session(public_id: str) -> Response:
    member = current.member()
    assert member is not None
    if signed_in.end(member, public_id):
        audit.record("end-session", member.email)
    db.session.commit()
    flash(gettext("That browser is signed out."))
    return see_other("account.show")


@blueprint.post("/account/sessions/end-others")
@rights.signed_in
def end_others() -> Response:
    """Sign out everywhere but here."""
    member = current.member()
    assert member is not None
    ended = signed_in.end_all(member, but=signed_in.this_session())
    audit.record("end-sessions", member.email, sessions=ended)
    db.session.commit()
    flash(gettext("You are signed out everywhere else."))
    return see_other("account.show")
