"""Staff take the signatures out."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest

from actionkit import db
from actionkit.campaigns.desk import campaign_for
from actionkit.exports import signatures_csv
from actionkit.signing.models import SignatureState
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("exports", __name__, url_prefix="/staff")


@blueprint.get("/campaigns/<slug>/signatures.csv")
@rights.needs(Right.EXPORT)
def download(slug: str) -> Response:
    """The CSV, after the audit trail has it: who, which campaign, which state."""
    campaign = campaign_for(Right.EXPORT, slug)
    state = request.args.get("state", SignatureState.CONFIRMED)
    if state not in signatures_csv.STATES:
        raise BadRequest
    campaign_id = campaign.id  # the stream outlives the session that `campaign` belongs to
    db.writing()
    audit.record("export-signatures", slug, state=state)
    db.session.commit()

    def parts() -> Iterator[bytes]:
        with db.snapshot() as connection:
            yield from signatures_csv.stream(connection, campaign_id, state, bom=request.args.get("bom") == "yes")

    response = Response(db.keep_context(parts()), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{slug}-{state}.csv"'
    return response
