"""The desk's pages about imports: a file, its columns, its check, its progress, and the way back."""

from __future__ import annotations

import csv
import io

from flask import Blueprint, Response, flash, render_template, request
from flask_babel import gettext
from werkzeug.exceptions import NotFound

from actionkit import db, security
from actionkit.campaigns.desk import campaign_for
from actionkit.campaigns.models import Campaign
from actionkit.imports import importing
from actionkit.imports.choices import BASIS_NAMES, FIELDS, Choices
from actionkit.imports.forms import CheckForm, UploadForm
from actionkit.imports.importing import FileRefused
from actionkit.imports.models import ImportState, SignatureImport
from actionkit.imports.rows import REASONS
from actionkit.paging import page_number
from actionkit.redirects import see_other
from actionkit.staff import audit, current, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("imports", __name__, url_prefix="/staff/campaigns/<slug>/imports")

FAULTS_SHOWN = 50
DECISIONS = {
    "start": importing.start,
    "cancel": importing.stop,
    "undo": importing.undo,
    "discard": importing.discard,
}


@blueprint.get("")
@rights.needs(Right.ACT)
def index(slug: str) -> str:
    return _index(campaign_for(Right.ACT, slug), UploadForm(formdata=None))


def _index(campaign: Campaign, form: UploadForm) -> str:
    found = importing.of_campaign(campaign.id, page_number(request.args.get("page", "")))
    return render_template("imports/imports.html", campaign=campaign, form=form, found=found)


@blueprint.post("")
@rights.needs(Right.ACT)
@security.takes(importing.LARGEST_FILE + 10_000)
def upload(slug: str) -> Response | tuple[str, int]:
    """Keep a file, to say what its columns are. Nothing of it is stored as signatures."""
    campaign = campaign_for(Right.ACT, slug)
    form = UploadForm()
    if not form.validate():
        return _index(campaign, form), 422
    db.session.rollback()  # to read the file takes a second, and must hold up nobody
    db.reading()
    campaign = campaign_for(Right.ACT, slug)
    raw = form.file.data.stream.read()
    db.writing()
    try:
        found = importing.upload(campaign, form.file.data.filename or "", raw, current.member_id())
    except FileRefused as fault:
        form.file.errors = [str(fault)]
        return _index(campaign, form), 422
    audit.record("upload-import", slug, **{"import": found.public_id, "rows": found.total})
    db.session.commit()
    return see_other("imports.show", slug=slug, public_id=found.public_id)


def _found(campaign: Campaign, public_id: str) -> SignatureImport:
    found = importing.find(campaign.id, public_id)
    if found is None:
        raise NotFound
    return found


@blueprint.get("/<public_id>")
@rights.needs(Right.ACT)
def show(slug: str, public_id: str) -> str:
    """How it stands; with `?again=yes` the columns once more, of one that was checked."""
    campaign = campaign_for(Right.ACT, slug)
    found = _found(campaign, public_id)
    return _page(campaign, found, CheckForm(campaign.languages, found.header, None, Choices.of(found.choices)))


def _page(campaign: Campaign, found: SignatureImport, form: CheckForm) -> str:
    is_asked = found.state == ImportState.UPLOADED or (
        found.state == ImportState.CHECKED and (request.method == "POST" or request.args.get("again") == "yes")
    )
    return render_template(
        "imports/import.html",
        campaign=campaign,
        found=found,
        form=form,
        is_asked=is_asked,
        sample=importing.sample(found) if is_asked else [],
        choices=Choices.of(found.choices),
        field_names=FIELDS,
        basis_names=BASIS_NAMES,
        reasons=REASONS,
        faults=importing.faults(found, FAULTS_SHOWN),
        is_in_work=found.state in importing.IN_WORK,
        can_be_undone=found.state in importing.CAN_BE_UNDONE and found.imported,
    )


@blueprint.post("/<public_id>/check")
@rights.needs(Right.ACT)
def check(slug: str, public_id: str) -> Response | tuple[str, int]:
    """Say what the columns are and on what basis it stands; the worker then looks at every row."""
    campaign = campaign_for(Right.ACT, slug)
    found = _found(campaign, public_id)
    form = CheckForm(campaign.languages, found.header, request.form, Choices.of(found.choices))
    if found.state in importing.OPEN and not form.validate():
        return _page(campaign, found, form), 422
    if importing.check(found, form.choices):
        audit.record("check-import", slug, **{"import": public_id})
    else:
        flash(gettext("Nothing was changed: this file was decided about before."))
    db.session.commit()
    return see_other("imports.show", slug=slug, public_id=public_id)


@blueprint.post("/<public_id>/<any(start, cancel, undo, discard):decision>")
@rights.needs(Right.ACT)
def decide(slug: str, public_id: str, decision: str) -> Response:
    """Store what was checked, stop storing, take it out again, or let go of the file."""
    found = _found(campaign_for(Right.ACT, slug), public_id)
    if DECISIONS[decision](found):
        choices = Choices.of(found.choices)
        stated = {"basis": choices.basis, "counts": choices.counts, "letters": choices.letters}
        audit.record(f"{decision}-import", slug, **{"import": public_id}, **(stated if decision == "start" else {}))
    else:
        flash(gettext("Nothing was changed: this was decided before."))
    db.session.commit()
    return see_other("imports.show", slug=slug, public_id=public_id)


@blueprint.get("/<public_id>/faults.csv")
@rights.needs(Right.ACT)
def faults(slug: str, public_id: str) -> Response:
    """Every fault by its row: to be put right in the file. Nothing of what stands there."""
    found = _found(campaign_for(Right.ACT, slug), public_id)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(["row", "column", "reason"])
    writer.writerows([fault.row, FIELDS[fault.field], REASONS[fault.reason]] for fault in importing.faults(found))
    response = Response(buffer.getvalue(), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{slug}-faults.csv"'
    return response
