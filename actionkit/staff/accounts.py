"""Flask-Security, set up for the desk.

What it brings is used: password hashing, sign-in, sign-out, change of password, codes of an app. What
would open a second door is off: registration, mails, JSON and tokens in place of a session, its commands.
Its pages for second factors are not used: see docs/decisions/0021-accounts.md.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import flask_login
from flask import Flask, Response
from flask_limiter import Limiter
from flask_security import RoleMixin, Security, SQLAlchemySessionUserDatastore

from actionkit import db
from actionkit.staff import (
    account_views,
    csrf,
    current,
    factor_views,
    passkeys,
    rights,
    sessions,
    signed_in,
    throttle,
    views,
)
from actionkit.staff.forms import NewPasswordForm, SignInForm
from actionkit.staff.models import StaffMember
from actionkit.staff.passwords import SHORTEST, StaffPasswords

SETTINGS = {
    "LOGIN_URL": "/staff/sign-in",
    "LOGOUT_URL": "/staff/sign-out",
    "CHANGE_URL": "/staff/password",
    "LOGOUT_METHODS": ["POST"],
    "POST_LOGIN_VIEW": views.HOME,
    "POST_LOGOUT_VIEW": "/staff/sign-in",
    "POST_CHANGE_VIEW": views.HOME,
    "LOGIN_USER_TEMPLATE": "staff/sign_in.html",
    "CHANGE_PASSWORD_TEMPLATE": "staff/password.html",
    "REGISTERABLE": False,
    "RECOVERABLE": False,
    "CONFIRMABLE": False,
    "TRACKABLE": False,  # a sign-in stores no client address, and loading an account never writes
    "CHANGEABLE": True,
    # Requests never talk SMTP.
    "SEND_REGISTER_EMAIL": False,
    "SEND_PASSWORD_CHANGE_EMAIL": False,
    "SEND_PASSWORD_RESET_EMAIL": False,
    "SEND_PASSWORD_RESET_NOTICE_EMAIL": False,
    # The form itself answers alike for all; Flask-Security's way takes the field's own
    # "please enter" away as well.
    "RETURN_GENERIC_RESPONSES": False,
    "PASSWORD_HASH": "argon2",
    "PASSWORD_SCHEMES": ["argon2"],
    # argon2 alone: a second secret in every hash would make a new SECRET_KEY close all accounts.
    "PASSWORD_SINGLE_HASH": True,
    # OWASP's first choice, 19 MB: a burst of sign-ins must not take a small machine's memory.
    "PASSWORD_HASH_PASSLIB_OPTIONS": {
        "argon2__memory_cost": 19_456,
        "argon2__rounds": 2,
        "argon2__parallelism": 1,
    },
    "PASSWORD_LENGTH_MIN": SHORTEST,
    "PASSWORD_NORMALIZE_FORM": "NFKC",
    "API_ENABLED_METHODS": ["session"],
    # A session lives twelve hours: never stale, and no page to prove oneself again.
    "FRESHNESS": dt.timedelta(days=-1),
    "STATIC_FOLDER": None,
    "CACHE_CONTROL": None,  # sessions.py has one for the whole desk
    "CLI_USERS_NAME": "",
    "CLI_ROLES_NAME": "",
}


EXTENSIONS = ("flask_principal", "flask_limiter", "flask_login", "flask_wtf")


def init_app(app: Flask) -> None:
    """Accounts, sessions, CSRF tokens and limits of the desk, and its door.

    After `db`, `security`, `languages` and `errors`.
    """
    app.config.update({f"SECURITY_{name}": value for name, value in SETTINGS.items()})
    sessions.init_app(app)
    security = Security(
        app,
        SQLAlchemySessionUserDatastore(db.session, StaffMember, RoleMixin),
        password_util_cls=StaffPasswords,
        login_form=SignInForm,
        change_password_form=NewPasswordForm,
    )
    security.login_manager.user_loader(signed_in.load)
    security.two_factor_plugins = views.Proven()
    # A session signs in, and nothing else: no token in a header, a query or a body, no JSON.
    security.login_manager.request_loader(lambda _request: None)
    security.want_json(lambda _request: False)
    # Flask-Login would look for a session each time any page is drawn, an error page too.
    app.template_context_processors[None].remove(flask_login.utils._user_context_processor)
    app.jinja_env.globals.update(current_user=flask_login.current_user, may=rights.may, Right=rights.Right)
    app.jinja_env.globals.update(passkey_question=_passkey_question)
    for blueprint in (views.blueprint, factor_views.blueprint, account_views.blueprint):
        app.register_blueprint(blueprint)
    _wrap_views(app, throttle.make_limiter(app))
    app.before_request(rights.deny_by_default)
    csrf.init_app(app)
    _keep_to_the_desk(app)


def _passkey_question() -> str:
    """What a page asks the browser's passkeys, as JSON; "" where the browser makes none for our name."""
    return passkeys.options_to_sign_in() if passkeys.are_possible() else ""


def _keep_to_the_desk(app: Flask) -> None:
    """Let extensions do behind the desk only what they would do at every request.

    Public pages have no session for them to read, and a crowd there pays for none of it.
    """
    before, after = app.before_request_funcs[None], app.after_request_funcs[None]
    first = [hook for hook in before if _is_of_an_extension(hook)]
    last = [hook for hook in after if _is_of_an_extension(hook)]

    def extensions_of_the_desk() -> Any:
        if current.is_desk():
            for hook in first:
                if (answer := app.ensure_sync(hook)()) is not None:
                    return answer
        return None

    def extensions_of_the_desk_afterwards(response: Response) -> Response:
        if current.is_desk():
            for hook in reversed(last):
                response = app.ensure_sync(hook)(response)
        return response

    _put_in_place_of(first, extensions_of_the_desk, before)
    _put_in_place_of(last, extensions_of_the_desk_afterwards, after)


def _put_in_place_of(some: list[Any], one: Any, hooks: list[Any]) -> None:
    at = min((hooks.index(hook) for hook in some), default=len(hooks))
    hooks[:] = [*hooks[:at], one, *(hook for hook in hooks[at:] if hook not in some)]


def _is_of_an_extension(hook: Any) -> bool:
    function = getattr(hook, "func", hook)  # a method of an object may come as a partial
    return str(function.__module__).split(".")[0] in EXTENSIONS


def _wrap_views(app: Flask, limiter: Limiter) -> None:
    known = app.view_functions
    sign_in = views.around_sign_in(known["security.login"])
    known["security.login"] = rights.for_everyone(throttle.few_failures(limiter, sign_in))
    known["security.logout"] = rights.for_everyone(views.around_sign_out(known["security.logout"]))
    new_password = views.around_new_password(known["security.change_password"])
    known["security.change_password"] = rights.signed_in(throttle.few_failures(limiter, new_password))
    for name in ("factors.answer", "factors.set_up_codes", "staff.sign_in_by_passkey"):
        known[name] = throttle.few_failures(limiter, known[name])
    known["staff.ask_for_reset"] = throttle.few_mails(limiter, known["staff.ask_for_reset"])
