"""The door: sign-in by password or by a one-time link, sign-out, a new password.

Sign-in, sign-out and password are Flask-Security's own views; what stands around them here is
where they lead, what they answer, and what they leave in the audit trail.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, g, make_response, redirect, render_template, request, session
from flask_security import login_user
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.wrappers import Response

from actionkit import db
from actionkit.staff import audit, current, operations, rights

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
    member = operations.use_sign_in_link(token)
    session.clear()
    login_user(member, remember=False, authn_via=["link"])
    audit.record("sign-in", member.email, by="link")
    db.session.commit()
    return redirect(HOME, 303)


# ---------------------------------------------------------------- around Flask-Security's views


def around_sign_in(view: View) -> View:
    """Sign in by password: 303 to `next` or the desk, 422 with one sentence for all that is wrong."""

    @wraps(view)
    def sign_in() -> Response:
        g.next_path = safe_path(request.values.get("next", ""))
        # Flask-Security would follow `next` by rules of its own.
        request.args = _without_next(request.args)
        request.form = _without_next(request.form)
        was_signed_in = current.member() is not None
        if request.method == "POST":
            # A password takes its time to be checked: no writer waits for it.
            db.reading()
        response = make_response(view())
        if not _is_redirect(response):
            return _refused_if_posted(response)
        if not was_signed_in:
            db.writing()
            # What was in the session before, and a token that another may know, ends here.
            session.pop("csrf_token", None)
            if member := current.member():
                audit.record("sign-in", member.email, by="password")  # Flask-Security's view commits
        return redirect(g.next_path, 303)

    return sign_in


def around_sign_out(view: View) -> View:
    """Sign out: every session of the account ends, here and wherever a copy of its cookie is."""

    @wraps(view)
    def sign_out() -> Response:
        member = current.member()
        if member is not None:
            operations.end_sessions(member)
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
