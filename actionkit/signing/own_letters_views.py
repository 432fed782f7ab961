"""A supporter's own letters as PDF, so that she may post them herself."""

from __future__ import annotations

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from actionkit import db, languages
from actionkit.letters import printing
from actionkit.security import keep_private
from actionkit.signing.models import SignatureState
from actionkit.signing.sheets import own_sheets
from actionkit.signing.views import of_confirm_token

blueprint = Blueprint("own_letters", __name__)

MOST = 50
"""Letters in one file, for everybody: half a second of work."""
PATIENCE_SECONDS = 3


@blueprint.get("/confirm/<token>/letters.pdf")
def download(token: str) -> Response:
    """The first letters of a signature that is confirmed, while its confirmation link lives."""
    signed = of_confirm_token(token)
    if signed.signature.state != SignatureState.CONFIRMED or not (sheets := own_sheets(signed, MOST)):
        raise NotFound
    name = signed.campaign.slug
    ordered = printing.order(sheets, signed.campaign.text_in(languages.current()).title)
    db.session.rollback()  # nothing is open while it is set
    response = Response(printing.typeset_whole(ordered, patience=PATIENCE_SECONDS), mimetype="application/pdf")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.pdf"'
    return keep_private(response)
