"""The door: sign-in by password, link, invitation or passkey, sign-out, a new password.

Sign-in, sign-out and password are Flask-Security's own views; what stands around them here is
where they lead, what they answer, and what they leave in the audit trail. What else is asked of
whoever has proven one thing is in `door`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, session
from flask_babel import gettext
from flask_security import UserMixin
from flask_security.tf_plugin import TfPlugin
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.wrappers import Response

from actionkit import db, languages
from actionkit.redirects import see_other
from actionkit.staff import audit, current, door, invitations, operations, passkeys, rights, signed_in
from actionkit.staff.forms import ChoosePasswordForm, ForgottenForm, PasskeyAnswerForm
from actionkit.staff.models import LinkPurpose, StaffMember

View = Callable[..., Any]

HOME = "/staff/"

# "//host" and "/\host" name another site; a control character may begin another header.
_OWN_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")

blueprint = Blueprint("staff", __name__, url_prefix=current.DESK)


def safe_path(text: str) -> str:
    """The text where it is a path of this site, else the desk's first page."""
    return text if _OWN_PATH.fullmatch(text) else HOME


# ---------------------------------------------------------------- one-time links


@blueprint.get("/link/<token>")
@rights.for_everyone
def show_link(token: str) -> str:
    """A button. Mail scanners follow links, so looking changes nothing."""
    return render_template("staff/link.html", member=operations.look_at_link(token))


@blueprint.post("/link/<token>")
@rights.for_everyone
def use_link(token: str) -> Response:
    way = door.enter(operations.use_link(token), "link", HOME)
    db.session.commit()
    return redirect(way, 303)


@blueprint.get("/invitation/<token>")
@rights.for_everyone
def show_invitation(token: str) -> str:
    languages.choose()
    member = operations.look_at_link(token, LinkPurpose.INVITATION)
    return render_template("staff/invitation.html", member=member, form=ChoosePasswordForm())


@blueprint.post("/invitation/<token>")
@rights.for_everyone
def accept_invitation(token: str) -> tuple[str, int] | Response:
    """Choose a password, and come in."""
    languages.choose()
    return _choose_password(token, LinkPurpose.INVITATION, "staff/invitation.html")


@blueprint.get("/new-password/<token>")
@rights.for_everyone
def show_reset(token: str) -> str:
    languages.choose()
    member = operations.look_at_link(token, LinkPurpose.RESET)
    return render_template("staff/reset.html", member=member, form=ChoosePasswordForm())


@blueprint.post("/new-password/<token>")
@rights.for_everyone
def reset(token: str) -> tuple[str, int] | Response:
    """Set a new password, which ends all sessions; then the second factor, where there is one."""
    languages.choose()
    return _choose_password(token, LinkPurpose.RESET, "staff/reset.html")


def _choose_password(token: str, purpose: LinkPurpose, template: str) -> tuple[str, int] | Response:
    member = operations.look_at_link(token, purpose)
    form = ChoosePasswordForm(email=member.email)
    if not form.validate():
        return render_template(template, member=member, form=form), 422
    member = operations.use_link(token, purpose)
    current.is_acting(member)
    if purpose is LinkPurpose.INVITATION:
        audit.record("accept-invitation", member.email)
    operations.set_password(member, form.new_password.data or "")
    way = door.enter(member, str(purpose), HOME)
    db.session.commit()
    return redirect(way, 303)


@blueprint.get("/password-forgotten")
@rights.for_everyone
def forgotten() -> str:
    languages.choose()
    return render_template("staff/forgotten.html", form=ForgottenForm())


@blueprint.post("/password-forgotten")
@rights.for_everyone
def ask_for_reset() -> tuple[str, int] | Response:
    """One answer for every address, whether it has an account or not."""
    language = languages.choose()
    form = ForgottenForm()
    if not form.validate():
        return render_template("staff/forgotten.html", form=form), 422
    invitations.ask_for_reset(form.email.data or "", language)
    db.session.commit()
    flash(gettext("If this address has an account, a mail with a link is on its way. The link works for an hour."))
    return see_other("security.login", lang=request.args.get("lang"))


@blueprint.post("/sign-in/passkey")
@rights.for_everyone
def sign_in_by_passkey() -> Response:
    """A passkey alone is enough: it proves the device and its owner."""
    form = PasskeyAnswerForm()
    next_path = safe_path(request.form.get("next", ""))
    member = passkeys.member_of(form.credential.data or "") if form.validate() else None
    if member is None:
        page = render_template("staff/passkey_refused.html", next_path=next_path)
        return make_response(page, 422)
    signed_in.begin(member, "passkey")
    db.session.commit()
    return redirect(next_path, 303)


# ---------------------------------------------------------------- around Flask-Security's views


class Proven(TfPlugin):
    """Where Flask-Security asks for a second factor: it leaves the member to us, signed in by nobody yet."""

    def tf_enter(self, user: UserMixin, *_about: Any, **_more: Any) -> Any:
        assert isinstance(user, StaffMember)
        g.proven_member_id = user.id
        return redirect(HOME, 303)


def around_sign_in(view: View) -> View:
    """Sign in by password: 303 to `next` or the desk, 422 with one sentence for all that is wrong."""

    @wraps(view)
    def sign_in() -> Response:
        languages.choose()
        g.next_path = safe_path(request.values.get("next", ""))
        # Flask-Security would follow `next` by rules of its own.
        request.args = _without_next(request.args)
        request.form = _without_next(request.form)
        if request.method == "POST":
            # A password takes its time to be checked: no writer waits for it.
            db.reading()
        response = make_response(view())
        if not _is_redirect(response):
            return _refused_if_posted(response)
        if (member_id := g.pop("proven_member_id", None)) is None:
            return redirect(g.next_path, 303)
        db.writing()
        way = door.enter(db.session.get_one(StaffMember, member_id), "password", g.next_path)
        db.session.commit()
        return redirect(way, 303)

    return sign_in


def around_sign_out(view: View) -> View:
    """Sign out: this session ends, here and wherever a copy of its cookie is."""

    @wraps(view)
    def sign_out() -> Response:
        member, row = current.member(), signed_in.this_session()
        if member is not None and row is not None:
            signed_in.end(member, row.public_id)
            audit.record("sign-out", member.email)
        view()
        session.clear()
        db.session.commit()
        return redirect("/staff/sign-in", 303)

    return sign_out


def around_new_password(view: View) -> View:
    """Change the password: all other sessions of the account end."""

    @wraps(view)
    def new_password() -> Response:
        response = make_response(view())
        if not _is_redirect(response):
            return _refused_if_posted(response)
        if member := current.member():
            signed_in.end_all(member, but=signed_in.this_session())
            audit.record("set-password", member.email)  # Flask-Security's view commits
        return redirect(HOME, 303)

    return new_password


def _is_redirect(response: Response) -> bool:
    return 300 <= response.status_code < 400


def _refused_if_posted(response: Response) -> Response:
    if request.method == "POST" and response.status_code == 200:
        response.status_code = 422
    return response


def _without_next(values: MultiDict[str, str]) -> ImmutableMultiDict[str, str]:
    return ImmutableMultiDict((name, value) for name, value in values.items(multi=True) if name != "next")
