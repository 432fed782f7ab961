"""The desk's page for files: what is to be in one, how far it is, and the file when it is done."""

from __future__ import annotations

from flask import Blueprint, Response, flash, render_template, request, send_file
from flask_babel import gettext
from werkzeug.exceptions import NotFound

from actionkit import db
from actionkit.campaigns.desk import campaign_for
from actionkit.campaigns.models import Campaign
from actionkit.exports import made_files
from actionkit.exports.estimate import estimate
from actionkit.exports.forms import COLUMN_NAMES, FileForm
from actionkit.exports.models import Contents, Export
from actionkit.exports.wanted import Wanted
from actionkit.redirects import see_other
from actionkit.signing import operations
from actionkit.signing.models import SignatureState
from actionkit.staff import audit, current, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("files", __name__, url_prefix="/staff/campaigns/<slug>/files")


@blueprint.get("")
@rights.needs(Right.EXPORT)
def index(slug: str) -> str:
    """The form, with `?state=` as a link asks for it; and the member's own files."""
    campaign = campaign_for(Right.EXPORT, slug)
    form = FileForm(campaign.languages, formdata=None)
    if (state := request.args.get("state", "")) in set(SignatureState):
        form.state.data = state
    return _form_page(campaign, form)


def _form_page(campaign: Campaign, form: FileForm) -> str:
    chosen = form.state.data if form.state.data in set(SignatureState) else SignatureState.CONFIRMED.value
    return render_template(
        "exports/files.html",
        campaign=campaign,
        form=form,
        estimate=estimate(campaign.id, Wanted(state=chosen)),
        state=chosen,
        files=made_files.of_member(campaign.id, current.member_id()),
        **_words(),
    )


def _words() -> dict[str, object]:
    return {
        "states": operations.STATE_NAMES,
        "column_names": COLUMN_NAMES,
        "wanted_of": lambda export: Wanted.of(export.wanted),
        "is_there": made_files.is_there,
        "Contents": Contents,
        "in_work": made_files.IN_WORK,
    }


@blueprint.post("")
@rights.needs(Right.EXPORT)
def make(slug: str) -> Response | tuple[str, int]:
    """Ask for a file; the worker makes it."""
    campaign = campaign_for(Right.EXPORT, slug)
    contents = Contents.LETTERS if request.form.get("contents") == Contents.LETTERS else Contents.SIGNATURES
    form = FileForm(campaign.languages)
    if contents is Contents.SIGNATURES and not form.validate():
        return _form_page(campaign, form), 422
    wanted = form.wanted if contents is Contents.SIGNATURES else Wanted()
    export = made_files.add(campaign.id, contents, wanted, current.member_id())
    if export is None:
        flash(gettext("You are waiting for several files already. Please let them be made first."))
        return see_other("files.index", slug=slug)
    asked = wanted.stored() if contents is Contents.SIGNATURES else {}
    audit.record("export-asked-for", slug, export=export.public_id, contents=contents.value, **asked)
    db.session.commit()
    return see_other("files.show", slug=slug, public_id=export.public_id)


def _export(campaign: Campaign, public_id: str) -> Export:
    """Her own, and nobody else's: it may hold what she alone asked for."""
    export = made_files.find(campaign.id, public_id, current.member_id())
    if export is None:
        raise NotFound
    return export


@blueprint.get("/<public_id>")
@rights.needs(Right.EXPORT)
def show(slug: str, public_id: str) -> str:
    campaign = campaign_for(Right.EXPORT, slug)
    export = _export(campaign, public_id)
    wanted = Wanted.of(export.wanted)
    return render_template(
        "exports/file.html",
        campaign=campaign,
        export=export,
        wanted=wanted,
        estimate=estimate(campaign.id, wanted) if export.contents == Contents.SIGNATURES else None,
        **_words(),
    )


@blueprint.post("/<public_id>/<any(cancel, delete):decision>")
@rights.needs(Right.EXPORT)
def end(slug: str, public_id: str, decision: str) -> Response:
    """Make no more of a file, or delete one that is done before its day is over."""
    export = _export(campaign_for(Right.EXPORT, slug), public_id)
    if made_files.cancel(export) if decision == "cancel" else made_files.delete(export):
        audit.record(f"{decision}-export", slug, export=public_id)
    else:
        flash(gettext("Nothing was changed: the file had ended before."))
    db.session.commit()
    return see_other("files.show", slug=slug, public_id=public_id)


@blueprint.post("/<public_id>/download")
@rights.needs(Right.EXPORT)
def download(slug: str, public_id: str) -> Response:
    """The file, to whoever asked for it and may still take signatures out; after the audit trail has it."""
    export = _export(campaign_for(Right.EXPORT, slug), public_id)
    if not made_files.is_there(export):
        flash(gettext("This file is no longer there. Please have it made again."))
        return see_other("files.show", slug=slug, public_id=public_id)
    wanted = Wanted.of(export.wanted)
    what = wanted.state if export.contents == Contents.SIGNATURES else export.contents
    audit.record("download-export", slug, export=public_id, rows=export.rows)
    db.session.commit()
    return send_file(
        made_files.file_of(export),
        mimetype="application/gzip" if wanted.gz else "text/csv",
        as_attachment=True,
        download_name=f"{slug}-{what}{wanted.ending}",
        conditional=False,
    )
