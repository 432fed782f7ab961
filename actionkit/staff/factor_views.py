"""The second factor: asked for at sign-in, and set up, changed and taken away by its owner."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, flash, make_response, redirect, render_template, session, url_for
from flask_babel import gettext
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from actionkit import db, languages
from actionkit.redirects import see_other
from actionkit.staff import current, door, passkeys, rights, second_factor, signed_in
from actionkit.staff.forms import CodeForm, PasskeyForm
from actionkit.staff.models import StaffMember

blueprint = Blueprint("factors", __name__, url_prefix=current.DESK)

_SETTING_UP = "codes-to-set-up"
"""In the session: what the app is to know, encrypted, until a code shows that it knows it."""


def _member() -> StaffMember:
    member = current.member()
    assert member is not None  # `rights.signed_in` has looked
    return member


def when_fresh(view: Callable[..., Any]) -> Callable[..., Any]:
    """Who signed in a while ago signs in again before she changes how she signs in."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        languages.choose()
        if not signed_in.is_fresh():
            return see_other("account.again")
        return view(*args, **kwargs)

    return guarded


# ---------------------------------------------------------------- at sign-in


@blueprint.get("/second-factor")
@rights.for_everyone
def ask() -> str | Response:
    languages.choose()
    if (half := door.half()) is None:
        return redirect(url_for("security.login"), 303)
    return _page(half[0], CodeForm(), half[2])


@blueprint.post("/second-factor")
@rights.for_everyone
def answer() -> Response | tuple[str, int]:
    """A code of the app or a recovery code ends the sign-in; a wrong one is counted, and 422."""
    languages.choose()
    if (half := door.half()) is None:
        flash(gettext("That took too long. Please sign in again."))
        return redirect(url_for("security.login"), 303)
    member, by, next_path = half
    current.is_acting(member)
    form = CodeForm()
    if not form.validate():
        return _page(member, form, next_path), 422
    if not (second := second_factor.check(member, form.code.data or "")):
        db.session.commit()
        form.code.errors = [
            gettext("This code is not right, or was used before. Codes of an app change each half minute.")
        ]
        return _page(member, form, next_path), 422
    signed_in.begin(member, f"{by}+{second}")
    db.session.commit()
    return redirect(next_path, 303)


def _page(member: StaffMember, form: CodeForm, next_path: str) -> str:
    return render_template("staff/second_factor.html", member=member, form=form, next_path=next_path)


# ---------------------------------------------------------------- codes of an app


@blueprint.get("/account/codes")
@rights.signed_in
@when_fresh
def codes() -> str:
    """A QR code for the app. Nothing is kept before a code of the app came back."""
    if _SETTING_UP not in session:
        session[_SETTING_UP] = second_factor.new_secret()
    return _codes_page(CodeForm())


@blueprint.post("/account/codes")
@rights.signed_in
@when_fresh
def set_up_codes() -> str | Response | tuple[str, int]:
    """Keep the app; who had no second factor is shown her recovery codes, this once."""
    member, form = _member(), CodeForm()
    if _SETTING_UP not in session:
        return see_other("factors.codes")
    if not form.validate():
        return _codes_page(form), 422
    had_one = member.has_second_factor
    if not second_factor.set_up(member, session[_SETTING_UP], form.code.data or ""):
        form.code.errors = [gettext("This is not the code that we expect. Is the clock of the telephone right?")]
        return _codes_page(form), 422
    recovery = [] if had_one else second_factor.new_recovery_codes(member)
    db.session.commit()
    session.pop(_SETTING_UP)
    return _done(recovery, gettext("From now on, codes of the app are asked for when you sign in."))


def _codes_page(form: CodeForm) -> str:
    setup = second_factor.how_to_set_up(_member(), session[_SETTING_UP])
    return render_template("staff/codes.html", form=form, setup=setup)


@blueprint.post("/account/codes/remove")
@rights.signed_in
@when_fresh
def remove_codes() -> Response:
    second_factor.remove_codes(_member())
    db.session.commit()
    flash(gettext("The app is no longer asked for."))
    return see_other("account.show")


# ---------------------------------------------------------------- passkeys


@blueprint.get("/account/passkeys")
@rights.signed_in
@when_fresh
def new_passkey() -> str:
    return _passkey_page(PasskeyForm())


@blueprint.post("/account/passkeys")
@rights.signed_in
@when_fresh
def add_passkey() -> str | Response | tuple[str, int]:
    member, form = _member(), PasskeyForm()
    if not form.validate():
        return _passkey_page(form), 422
    had_one = member.has_second_factor
    if not passkeys.add(member, form.name.data or "", form.credential.data or ""):
        form.name.errors = [gettext("No passkey was added. The device has to check who you are, by a PIN or a finger.")]
        return _passkey_page(form), 422
    recovery = [] if had_one else second_factor.new_recovery_codes(member)
    db.session.commit()
    return _done(recovery, gettext("The passkey was added. It signs you in without a password."))


def _passkey_page(form: PasskeyForm) -> str:
    options = passkeys.options_to_add(_member()) if passkeys.are_possible() else ""
    return render_template("staff/passkey.html", form=form, options=options)


@blueprint.post("/account/passkeys/<public_id>/remove")
@rights.signed_in
@when_fresh
def remove_passkey(public_id: str) -> Response:
    if not passkeys.remove(_member(), public_id):
        raise NotFound
    db.session.commit()
    flash(gettext("The passkey no longer signs in."))
    return see_other("account.show")


# ---------------------------------------------------------------- recovery codes


@blueprint.post("/account/recovery-codes")
@rights.signed_in
@when_fresh
def new_recovery_codes() -> str | Response:
    """New ones in place of all before, shown this once."""
    member = _member()
    if not member.has_second_factor:
        return see_other("account.show")
    codes = second_factor.new_recovery_codes(member)
    db.session.commit()
    return _done(codes, "")


def _done(recovery: list[str], message: str) -> str | Response:
    """The recovery codes where there are new ones, else the account's page."""
    if not recovery:
        flash(message)
        return see_other("account.show")
    return make_response(render_template("staff/recovery_codes.html", codes=recovery, message=message))
