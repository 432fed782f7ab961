"""The page of the unsubscribe link: GET shows a button, POST acts at once (RFC 8058)."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template

from actionkit import db, languages
from actionkit.security import keep_private, read_form
from actionkit.signing import unsubscribe

blueprint = Blueprint("unsubscribe", __name__)


def _page(token_language: str, *, is_stopped: bool) -> Response:
    languages.choose((token_language, *(tag for tag in languages.INTERFACE if tag != token_language)))
    return keep_private(make_response(render_template("signing/unsubscribe.html", is_stopped=is_stopped)))


@blueprint.get("/unsubscribe/<token>")
def page(token: str) -> Response:
    signed = unsubscribe.of_token(token)
    return _page(signed.submission.language, is_stopped=unsubscribe.is_stopped(signed.signature.canonical_email))


@blueprint.post("/unsubscribe/<token>")
def stop(token: str) -> Response:
    """The click of a person, or of her mail provider's server: no cookie, no login, no redirect."""
    read_form()
    signed = unsubscribe.of_token(token)
    language = signed.submission.language
    unsubscribe.stop(signed.signature.canonical_email)
    db.session.commit()
    db.reading()
    return _page(language, is_stopped=True)
