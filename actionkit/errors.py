"""Errors with an answer: a status, a sentence for people, and the page that shows it."""

from __future__ import annotations

import logging
import secrets

import sqlalchemy.exc
from flask import Flask, Response, g, make_response, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from werkzeug.exceptions import HTTPException, InternalServerError

from actionkit import db, logs, security

log = logging.getLogger(__name__)

RETRY_SECONDS = 10

TITLES = {
    400: _("This request cannot be read"),
    401: _("Please sign in"),
    403: _("This is not allowed"),
    404: _("There is no such page"),
    405: _("This is not how this page works"),
    410: _("This is over"),
    413: _("This is too much at once"),
    415: _("This is not a form"),
    422: _("Something is missing or wrong"),
    429: _("Too many at once"),
    500: _("Something went wrong on our side"),
    503: _("Please try again in a minute"),
}
TEXTS = {
    400: _("What arrived here was damaged or incomplete. Please go back and try once more."),
    401: _("This page is for staff. Sign in and you will be taken to it."),
    403: _("The request came from another site, or you have no right to this page."),
    404: _("The address may be mistyped, or the page has been taken away."),
    405: _("Please use the buttons on the page."),
    410: _("What stood here has ended."),
    413: _("Please send less than one megabyte."),
    415: _("Please use the form on the page."),
    422: _("Please go back and look at the form again."),
    429: _("We have had very many requests from where you are. Please wait a minute and try again."),
    500: _("We have noted it. Nothing that was confirmed to you is lost. Please try again later."),
    503: _("We cannot store anything at this moment, and nothing was stored. Please send it again in a minute."),
}


class ActionError(HTTPException):
    """Something that was asked for cannot be done, and why, in a sentence for the one who asked.

    Operations raise subclasses named for what happened; the status is what HTTP calls it.
    """

    code = 422

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(description=message)
        if status is not None:
            self.code = status


def _page(error: HTTPException) -> Response:
    if error.response is not None and isinstance(error.response, Response):
        return error.response
    status = error.code or 500
    if 300 <= status < 400:
        return make_response(error.get_response())
    # Werkzeug's own sentences are for developers, and only ours are translated.
    said = error.description if isinstance(error, ActionError) else None
    title = TITLES.get(status, TITLES[500 if status >= 500 else 400])
    if status == 413 and (most := security.largest_request()) > security.LARGEST_REQUEST:
        said = gettext("Please send a file of at most %(n)s megabytes.", n=most // 1_000_000)
    text = said or TEXTS.get(status, TEXTS[500 if status >= 500 else 400])
    if request.path.endswith(".json"):
        response = make_response({"error": str(title), "message": str(text)}, status)
    else:
        response = make_response(
            render_template("errors/error.html", title=title, text=text, error_id=g.get("error_id")), status
        )
    response.headers["Cache-Control"] = "no-store"
    if status == 503 or status == 429:
        response.headers["Retry-After"] = str(RETRY_SECONDS if status == 503 else 60)
    if status == 405 and isinstance(allowed := getattr(error, "valid_methods", None), list | tuple | set):
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _is_passing(error: sqlalchemy.exc.DBAPIError) -> bool:
    """Whether the database is away, busy or full, rather than asked something wrong."""
    if isinstance(error, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError):
        return True
    return error.connection_invalidated


def init_app(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def known(error: HTTPException) -> Response:
        return _page(error)

    @app.errorhandler(sqlalchemy.exc.TimeoutError)
    @app.errorhandler(sqlalchemy.exc.DBAPIError)
    def database(error: Exception) -> Response:
        db.session.rollback()
        if isinstance(error, sqlalchemy.exc.DBAPIError) and not _is_passing(error):
            return unexpected(error)
        # The statement and its values may hold a supporter's data: only the class is named.
        log.error("database unavailable", extra={"cause": type(error).__name__})
        return _page(db.DatabaseUnavailable())

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        """A fault of ours. The page shows an id; the log has the places in the code, never values."""
        db.session.rollback()
        g.error_id = secrets.token_hex(4)
        log.error(
            "unexpected error",
            extra={"error_id": g.error_id, "cause": type(error).__name__, "places": logs.places(error)},
        )
        return _page(InternalServerError())
