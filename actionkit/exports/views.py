"""Staff take signatures and letters out while they wait: streamed, without a file on the server."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, request

from actionkit import db
from actionkit.campaigns.desk import campaign_for
from actionkit.exports import letters_csv, made_files, signatures_csv
from actionkit.exports.csv_parts import Part
from actionkit.exports.forms import asked
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("exports", __name__, url_prefix="/staff")


@blueprint.get("/campaigns/<slug>/signatures.csv")
@rights.needs(Right.EXPORT)
def download(slug: str) -> Response:
    """The signatures; docs/export.md has what the query may ask for."""
    return _signatures(slug, gz=False)


@blueprint.get("/campaigns/<slug>/signatures.csv.gz")
@rights.needs(Right.EXPORT)
def download_packed(slug: str) -> Response:
    """The same, packed."""
    return _signatures(slug, gz=True)


@blueprint.get("/campaigns/<slug>/letters.csv")
@rights.needs(Right.EXPORT)
def download_letters(slug: str) -> Response:
    """Where each letter is. Nothing of a supporter."""
    campaign_id = campaign_for(Right.EXPORT, slug).id  # the stream outlives the session that a campaign belongs to
    _leave_trace("export-letters", slug)

    def parts() -> Iterator[Part]:
        with db.snapshot() as connection:
            yield from letters_csv.parts(connection, campaign_id)

    return _streamed("export-letters-sent", slug, parts(), f"{slug}-letters.csv")


def _signatures(slug: str, *, gz: bool) -> Response:
    campaign_id = campaign_for(Right.EXPORT, slug).id
    wanted = asked(request.args, gz=gz)
    _leave_trace("export-signatures", slug, **wanted.stored())

    def parts() -> Iterator[Part]:
        with db.snapshot() as connection:
            yield from signatures_csv.parts(connection, campaign_id, wanted)

    return _streamed("export-signatures-sent", slug, parts(), f"{slug}-{wanted.state}{wanted.ending}")


def _streamed(action: str, slug: str, parts: Iterator[Part], name: str) -> Response:
    """A file, part by part. The audit trail has the export before its first byte, and its rows after its last one."""

    def raw() -> Iterator[bytes]:
        packer = zlib.compressobj(made_files.PACKING, wbits=31) if name.endswith(".gz") else None
        rows = 0
        for part in parts:
            rows += part.rows
            yield packer.compress(part.raw) if packer else part.raw
        _leave_trace(action, slug, rows=rows)
        if packer:
            yield packer.flush()

    response = Response(db.keep_context(raw()), mimetype="application/gzip" if name.endswith(".gz") else "text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _leave_trace(action: str, slug: str, **detail: Any) -> None:
    """An entry that stays, whatever becomes of the transfer."""
    db.writing()
    audit.record(action, slug, **detail)
    db.session.commit()
