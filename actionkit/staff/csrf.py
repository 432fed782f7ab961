"""Forms behind the desk carry a token of their session; public forms carry none.

The token lives as long as the session. A form that is older is answered with 400 and a page
that keeps what was typed and sends it again with one press.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, current_app, g, make_response, render_template, request
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import UnsupportedMediaType

from actionkit import security
from actionkit.staff import current, rights, views
from actionkit.staff.forms import SignInForm

protection = CSRFProtect()


def _guard() -> None:
    if not current.is_desk() or request.method in ("GET", "HEAD", "OPTIONS") or request.endpoint is None:
        return
    if request.mimetype == security.FORM_TYPES[0]:
        security.read_form()
    elif request.mimetype not in (*security.FORM_TYPES, ""):  # files have encodings of their own
        raise UnsupportedMediaType
    is_open = rights.rule_of(current_app.view_functions[request.endpoint]) == "everyone"
    # Who is not signed in is refused by the view's own rule, unless a form of ours was sent.
    if is_open or current.member() is not None or "csrf_token" in request.form:
        protection.protect()


def _expired(_error: CSRFError) -> Response:
    if request.endpoint == "security.login":
        g.next_path = views.safe_path(request.values.get("next", ""))
        form = SignInForm()
        form.email.errors = [_("The form had expired. Please enter your password and send it again.")]
        page = render_template("staff/sign_in.html", login_user_form=form)
    else:
        page = render_template("staff/expired.html", kept=_kept(), is_signed_in=current.member() is not None)
    return make_response(page, 400)


def _kept() -> list[tuple[str, str]] | None:
    """What was typed, to be sent again; None where it cannot or must not be drawn into a page.

    It is drawn only when the browser says that it came from a page of ours: what another site
    has filled in must not be one press from being done.
    """
    is_ours = request.headers.get("Sec-Fetch-Site") == "same-origin" or "Origin" in request.headers
    values = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
    if not is_ours or request.files or any("password" in name for name, _value in values):
        return None
    return values


def init_app(app: Flask) -> None:
    settings: dict[str, Any] = {
        "WTF_CSRF_CHECK_DEFAULT": False,  # the guard below looks at the desk only
        "WTF_CSRF_TIME_LIMIT": None,
        # The origin of every post is checked by `security`, without a need for a Referer.
        "WTF_CSRF_SSL_STRICT": False,
    }
    app.config.update(settings)
    protection.init_app(app)
    app.before_request(_guard)
    app.register_error_handler(CSRFError, _expired)
