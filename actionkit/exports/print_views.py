"""Staff print letters, to post them: one, or all of an official, a volume at a time."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, render_template, request
from flask_babel import gettext
from werkzeug.exceptions import NotFound

from actionkit import db
from actionkit.campaigns.desk import campaign_for
from actionkit.campaigns.models import Campaign, Official
from actionkit.delivery.models import Outgoing
from actionkit.errors import ActionError
from actionkit.exports import letters_pdf
from actionkit.letters import printing
from actionkit.letters.operations import LETTER
from actionkit.numbers import whole_number
from actionkit.signing import search
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("printing", __name__, url_prefix="/staff")

PATIENCE_SECONDS = 60
SHORT_PATIENCE_SECONDS = 3
"""How long one waits while others print: not long in a request that others wait behind."""


@blueprint.get("/campaigns/<slug>/print")
@rights.needs(Right.EXPORT)
def volumes(slug: str) -> str:
    """The officials of a campaign; with one chosen (or only one), the volumes of letters to her."""
    campaign = campaign_for(Right.EXPORT, slug)
    asked = request.args.get("official", "")
    official = _official(campaign, asked)
    if asked and official is None:
        raise NotFound
    after, first = (whole_number(request.args.get(name, "")) or 0 for name in ("after", "first"))
    return render_template(
        "exports/print.html",
        campaign=campaign,
        official=official,
        found=letters_pdf.volumes(campaign.id, after, max(first, 1)) if official else None,
    )


def _official(campaign: Campaign, slug: str) -> Official | None:
    if not slug and len(campaign.officials) == 1:
        return campaign.officials[0]
    return next((official for official in campaign.officials if official.slug == slug), None)


@blueprint.post("/campaigns/<slug>/print")
@rights.needs(Right.EXPORT)
def volume(slug: str) -> Response:
    """A volume as PDF, after the audit trail has it.

    It is set while it is sent: from then on nobody waits behind this request (see `turnstile`).
    """
    db.reading()
    campaign = campaign_for(Right.EXPORT, slug)
    official = _official(campaign, request.form.get("official", ""))
    after = whole_number(request.form.get("after", ""))
    if official is None or after is None:
        raise ActionError(gettext("Please choose an official and a volume."))
    name = f"{slug}-{official.slug}"
    sheets = letters_pdf.sheets(campaign, official, after)
    ordered = printing.order(sheets, gettext("Letters to %(official)s", official=official.name))
    trace = {"official": official.slug, "after": after, "letters": len(sheets)}
    db.writing()
    audit.record("print-letters", slug, **trace)
    db.session.commit()

    def parts() -> Iterator[bytes]:
        yield printing.typeset(ordered, patience=PATIENCE_SECONDS).pdf

    return _pdf(parts(), f"{name}-{after}")


@blueprint.post("/campaigns/<slug>/letters/<public_id>/print")
@rights.needs(Right.EXPORT)
def letter(slug: str, public_id: str) -> Response:
    """One letter as PDF, after the audit trail has it."""
    db.reading()
    campaign = campaign_for(Right.EXPORT, slug)
    found = search.find_letter(campaign.id, public_id)
    official = _recipient(found) if found else None
    if found is None or found.kind != LETTER or official is None:
        raise NotFound
    sheet = letters_pdf.one_sheet(campaign, official, found.subject_id)
    db.session.rollback()  # nothing is open while it is set
    pdf = printing.typeset_whole(printing.order([sheet], sheet.subject), patience=SHORT_PATIENCE_SECONDS)
    db.writing()
    audit.record("print-letter", slug, letter=public_id)
    db.session.commit()
    return _pdf(iter([pdf]), f"{slug}-{public_id[:8]}")


def _recipient(letter: Outgoing) -> Official | None:
    """Whom a letter of the ledger goes to, though she may have left the campaign since."""
    return db.session.get(Official, int(letter.recipient_key.removeprefix("official:")))


def _pdf(parts: Iterator[bytes], name: str) -> Response:
    response = Response(parts, mimetype="application/pdf")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.pdf"'
    return response
