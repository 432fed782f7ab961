"""The desk's pages of imports: a file is sent in, looked at, read otherwise, stored, taken back."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response, flash, make_response, render_template, request
from flask_babel import gettext, ngettext

from actionkit import db, freshness, languages, security
from actionkit.campaigns.desk import campaign_for, changeable
from actionkit.campaigns.models import Campaign
from actionkit.campaigns.operations import all_campaigns
from actionkit.officials import columns, exporting, importing, reading, staging
from actionkit.officials.files import LARGEST_FILE, MOST_ROWS, FileRefused
from actionkit.officials.import_forms import ChoicesForm, UploadForm
from actionkit.officials.models import ImportState, OfficialImport
from actionkit.officials.reading import Choices, Read
from actionkit.officials.sheets import KIND_NAMES, Kind
from actionkit.officials.staging import AlreadyDecided, AlreadyUsed
from actionkit.redirects import see_other
from actionkit.staff import audit, current, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("official_imports", __name__, url_prefix="/staff/officials/import")

ROOM_FOR_THE_FORM = 50_000
SHOWN = 100
"""Entries of a kind on a page; the numbers are of all."""

FIELD_NAMES = {**columns.FIELDS, "postal_address": columns.FIELDS["address"], "wants_digest": columns.FIELDS["mode"]}
"""Of columns of a file, and of officials."""
DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "|"}


def _member_id() -> int:
    member_id = current.member_id()
    assert member_id is not None  # who has a right is somebody
    return member_id


def _campaigns() -> list[Campaign]:
    return all_campaigns(rights.campaign_ids(Right.EDIT))


# ---------------------------------------------------------------- sending one in


@blueprint.get("")
@rights.needs(Right.EDIT)
def index() -> str:
    languages.choose()
    return _index(UploadForm(_campaigns(), formdata=None, campaign=request.args.get("campaign", "")))


def _index(form: UploadForm) -> str:
    return render_template(
        "officials/import.html",
        form=form,
        mine=staging.mine(_member_id()),
        columns=columns.FIELDS,
        largest=LARGEST_FILE // 1_000_000,
        most_rows=MOST_ROWS,
    )


@blueprint.post("")
@rights.needs(Right.EDIT)
@security.takes(LARGEST_FILE + ROOM_FOR_THE_FORM)
def send() -> Response:
    """Keep the file until she has seen what it would do. No official is touched."""
    languages.choose()
    form = UploadForm(_campaigns())
    if form.validate():
        upload = form.file.data
        raw = upload.stream.read(LARGEST_FILE + 1)
        db.reading()  # nobody waits for the one place of a writer while a file is read
        try:
            choices = reading.guess(reading.open_sheet(raw))
        except FileRefused as fault:
            form.file.errors = [fault.description]
        else:
            db.writing()
            choices = replace(choices, campaign=form.campaign.data or "")
            staged = staging.stage(_member_id(), upload.filename or "", raw, choices)
            db.session.commit()
            return see_other("official_imports.show", public_id=staged.public_id)
    db.reading()
    return make_response(_index(form), 422)


# ---------------------------------------------------------------- one of them


def _read(staged: OfficialImport) -> Read:
    assert staged.raw is not None
    return reading.read(reading.open_sheet(staged.raw), Choices.of(staged.choices))


def _find(public_id: str) -> OfficialImport:
    languages.choose()
    return staging.find(_member_id(), public_id)


@blueprint.get("/<public_id>")
@rights.needs(Right.EDIT)
def show(public_id: str) -> str:
    """What it would do; or, once it is stored, what it did."""
    found = _find(public_id)
    return _preview(found) if found.state == ImportState.STAGED else _report(found)


def _preview(staged: OfficialImport, refused: str = "") -> str:
    plan = importing.compare(_read(staged), changeable)
    sheet, choices = plan.read.sheet, plan.read.choices
    values = {"language": choices.language, "country": choices.country, "campaign": choices.campaign}
    campaigns = _campaigns()
    return render_template(
        "officials/preview.html",
        staged=staged,
        plan=plan,
        sheet=sheet,
        choices=choices,
        form=ChoicesForm(campaigns, formdata=None, **values),
        campaign=next((each for each in campaigns if each.slug == choices.campaign), None),
        kind_name=KIND_NAMES[sheet.kind],
        delimiter=DELIMITER_NAMES.get(sheet.delimiter, sheet.delimiter),
        is_table=sheet.kind is Kind.CSV,
        fields=columns.FIELDS,
        field_names=FIELD_NAMES,
        missing=reading.missing(choices),
        shown=SHOWN,
        refused=refused,
    )


def _report(stored: OfficialImport) -> str:
    return render_template(
        "officials/report.html",
        stored=stored,
        report=stored.report,
        may_be_undone=staging.may_be_undone(stored),
    )


@blueprint.post("/<public_id>/choices")
@rights.needs(Right.EDIT)
def choose(public_id: str) -> Response:
    """Read it like this."""
    found = _find(public_id)
    form = ChoicesForm(_campaigns())
    if found.raw is None or not form.validate():
        flash(gettext("Nothing was changed: please choose from the lists."))
    else:
        staging.choose(found, form.chosen(reading.open_sheet(found.raw), request.form))
        db.session.commit()
    return see_other("official_imports.show", public_id=public_id)


@blueprint.post("/<public_id>/store")
@rights.needs(Right.EDIT)
def store(public_id: str) -> Response:
    """All of it or nothing, or the good ones. What became of officials since the preview counts."""
    db.reading()  # nobody waits for the one place of a writer while the file is read
    found = _find(public_id)
    if found.raw is None:
        raise AlreadyDecided(gettext("This file has been stored already."))
    read = _read(found)
    db.writing()
    found, plan = _find(public_id), importing.compare(read, changeable)
    campaign = campaign_for(Right.EDIT, plan.read.choices.campaign) if plan.read.choices.campaign else None
    try:
        done = staging.store(found, plan, campaign, only_good=request.form.get("only-good") == "yes")
    except staging.HasFaults as fault:
        db.session.rollback()
        db.reading()
        return make_response(_preview(_find(public_id), str(fault.description)), 422)
    subject = campaign.slug if campaign else "officials"
    audit.record("import-officials", subject, **{"import": public_id}, **done.numbers)
    db.session.commit()
    freshness.published()
    return see_other("official_imports.show", public_id=public_id)


@blueprint.post("/<public_id>/undo")
@rights.needs(Right.EDIT)
def undo(public_id: str) -> Response:
    """Put back what it changed, where no mail has left because of it."""
    found = _find(public_id)
    try:
        undone = staging.undo(found)
    except (AlreadyUsed, AlreadyDecided) as fault:
        db.session.rollback()
        flash(str(fault.description))
        return see_other("official_imports.show", public_id=public_id)
    audit.record("undo-import-officials", "officials", **{"import": public_id}, **vars(undone))
    db.session.commit()
    freshness.published()
    flash(
        ngettext("%(num)s official is deleted again.", "%(num)s officials are deleted again.", undone.deleted)
        + " "
        + ngettext("%(num)s is as it was before.", "%(num)s are as they were before.", undone.restored)
    )
    return see_other("official_imports.show", public_id=public_id)


@blueprint.post("/<public_id>/discard")
@rights.needs(Right.EDIT)
def discard(public_id: str) -> Response:
    """Forget the file."""
    is_done = staging.discard(_find(public_id))
    db.session.commit()
    flash(gettext("The file is forgotten; nothing was stored.") if is_done else gettext("Nothing was changed."))
    return see_other("official_imports.index")


@blueprint.get("/<public_id>/to-fill.csv")
@rights.needs(Right.EDIT)
def to_fill(public_id: str) -> Response:
    """Those without an e-mail address, as a table in which somebody can fill them in."""
    found = _find(public_id)
    rows = reading.to_fill(_read(found)) if found.raw is not None else []
    return exporting.as_download(exporting.table(rows), "text/csv", "officials-without-address.csv")
