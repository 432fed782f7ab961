"""Programs: made, written, and taken away while they are empty."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import sqlalchemy as sa
import sqlalchemy.exc
from flask import Blueprint, Response, flash, make_response, render_template, request
from flask_babel import gettext

from actionkit import db, freshness, languages
from actionkit.campaigns import versions
from actionkit.campaigns.models import Campaign, Program, Resource, Story, Update, Version, VersionCause
from actionkit.campaigns.operations import find_program, resources_of, stories_of
from actionkit.content import store
from actionkit.editing import authors, pages
from actionkit.editing.page_forms import ProgramForm, program_of
from actionkit.editing.words import compare
from actionkit.numbers import whole_number
from actionkit.redirects import see_other
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("programs", __name__, url_prefix="/staff/programs")


def _subject(slug: str) -> str:
    return f"program:{slug}"


def _catch_up(program: Program) -> Version:
    """Before a change: the version that says what it is now, added where none does."""
    names = ("slug", "title", "quotation", "quotation_source", "language", "position", "body")
    content: dict[str, Any] = {name: getattr(program, name) for name in names}
    content["links"] = [[link.title, link.url] for link in program.links]
    return versions.record(_subject(program.slug), content, VersionCause.FOUND)


def _page(form: ProgramForm, program: Program | None, *, is_preview: bool = False, **more: Any) -> str:
    kept = pages.kept(_subject(program.slug)) if program else []
    return render_template(
        "editing/program.html",
        form=form,
        program=program,
        is_preview=is_preview,
        updates=pages.updates_of(Update.program_id == program.id) if program else [],
        stories=stories_of(program) if program else [],
        resources=resources_of(program) if program else [],
        is_empty=program is not None and _is_empty(program),
        kept=kept,
        changes={newer.id: compare(older.content, newer.content) for newer, older in pairwise(kept)},
        who=authors.of(kept),
        causes=authors.CAUSES,
        **more,
    )


def _is_empty(program: Program) -> bool:
    tables = (Campaign, Update, Story, Resource)
    return not any(db.session.scalar(sa.select(sa.exists().where(table.program_id == program.id))) for table in tables)


@blueprint.get("/new")
@rights.needs_everywhere(Right.EDIT)
def new() -> str:
    languages.choose()
    return _page(ProgramForm(is_new=True, formdata=None, language=languages.current()), None)


@blueprint.post("/new")
@rights.needs_everywhere(Right.EDIT)
def create() -> Response:
    languages.choose()
    form = ProgramForm(is_new=True)
    is_valid = form.validate()
    if not is_valid or "preview" in request.form:
        db.reading()
        return make_response(_page(form, None, is_preview=is_valid), 200 if is_valid else 422)
    try:
        made = store.store_program(form.record(""), VersionCause.SAVED)
    except sqlalchemy.exc.IntegrityError:  # somebody else took the address at the same moment
        db.session.rollback()
        form.validate()
        db.reading()
        return make_response(_page(form, None), 422)
    audit.record("create-program", made.slug)
    db.session.commit()
    freshness.published()
    flash(gettext("The program is there. Now it can have campaigns."))
    return see_other("editing.index")


@blueprint.get("/<program>")
@rights.needs_everywhere(Right.EDIT)
def edit(program: str) -> str:
    languages.choose()
    found = find_program(program)
    latest = versions.latest(_subject(program))
    values = ProgramForm.values_of(found) | {"base": str(latest.number) if latest else "0"}
    return _page(ProgramForm(is_new=False, formdata=None, **values), found)


@blueprint.post("/<program>")
@rights.needs_everywhere(Right.EDIT)
def save(program: str) -> Response:
    languages.choose()
    found = find_program(program)
    form = ProgramForm(is_new=False)
    is_valid = form.validate()
    if not is_valid or "preview" in request.form:
        db.reading()
        return make_response(_page(form, found, is_preview=is_valid), 200 if is_valid else 422)
    db.session.execute(sa.select(Program.id).where(Program.id == found.id).with_for_update(key_share=True))
    latest = _catch_up(found)
    base = versions.find(latest.subject, whole_number(form.base.data) or 1)
    if base is not None and base.number != latest.number:
        form.base.data = str(latest.number)
        drawn = _page(form, found, meanwhile=compare(base.content, latest.content))
        db.reading()
        return make_response(drawn, 409)
    store.store_program(form.record(program), VersionCause.SAVED)
    audit.record("edit-program", program)
    db.session.commit()
    freshness.published()
    flash(gettext("The program is saved."))
    return see_other("programs.edit", program=program)


@blueprint.post("/<program>/delete")
@rights.needs_everywhere(Right.EDIT)
def delete(program: str) -> Response:
    """Take an empty program away; one that has anything in it stays."""
    languages.choose()
    found = find_program(program)
    db.session.execute(sa.select(Program.id).where(Program.id == found.id).with_for_update(key_share=True))
    if not _is_empty(found):
        db.reading()
        flash(gettext("Nothing was deleted: the program has campaigns, updates, stories or resources."))
        return see_other("programs.edit", program=program)
    version = _catch_up(found)
    db.session.delete(found)
    db.session.flush()
    versions.record(version.subject, version.content, VersionCause.DELETED, is_new=True)
    audit.record("delete-program", program)
    db.session.commit()
    freshness.published()
    return see_other("editing.index", deleted=program)


@blueprint.post("/<program>/restore")
@rights.needs_everywhere(Right.EDIT)
def restore(program: str) -> Response:
    """Make a version what the program says, also where it was deleted; the latest one where none is named."""
    languages.choose()
    number = whole_number(request.form.get("version"))
    version = versions.find(_subject(program), number) if number else versions.latest(_subject(program))
    if version is None:
        find_program(program)  # which says that there is none
        return see_other("programs.edit", program=program)
    store.store_program(program_of(version.content), VersionCause.RESTORED)
    audit.record("restore-program", program, version=version.number)
    db.session.commit()
    freshness.published()
    flash(gettext("It says that again."))
    return see_other("programs.edit", program=program)
