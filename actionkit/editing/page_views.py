"""Pages beside campaigns: updates, stories and resources of a program, and updates of a campaign.

The same work for both: what differs is who may do it, and where the page belongs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import sqlalchemy.exc
from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from flask_babel import gettext

from actionkit import db, freshness, languages, redirects
from actionkit.campaigns import versions
from actionkit.campaigns.desk import campaign_for
from actionkit.campaigns.models import Campaign, Program, Update, VersionCause
from actionkit.campaigns.operations import find_program
from actionkit.editing import authors, pages
from actionkit.editing.pages import KINDS, UPDATES, Kind, Page
from actionkit.editing.words import compare
from actionkit.errors import ActionError
from actionkit.numbers import whole_number
from actionkit.redirects import see_other
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("program_pages", __name__, url_prefix="/staff/programs/<program>")
campaign_blueprint = Blueprint("campaign_news", __name__, url_prefix="/staff/campaigns/<slug>/updates")

OF_KIND = "/<any(updates, stories, resources):kind>"


@dataclass(frozen=True)
class Place:
    """Where a page belongs, and how its addresses are made."""

    kind: Kind
    plural: str
    program: Program
    campaign: Campaign | None

    def url(self, action: str, **values: Any) -> str:
        if self.campaign:
            return url_for(f"campaign_news.{action}", slug=self.campaign.slug, **values)
        return url_for(f"program_pages.{action}", program=self.program.slug, kind=self.plural, **values)

    @property
    def up(self) -> str:
        """The list that it stands in."""
        if self.campaign:
            return url_for("campaign_news.index", slug=self.campaign.slug)
        return url_for("programs.edit", program=self.program.slug)

    def find(self, key: str, *, is_to_change: bool = False) -> Page:
        return pages.find(self.kind, key, self.program, self.campaign, is_to_change=is_to_change)


def _of_program(program: str, kind: str) -> Place:
    languages.choose()
    rights.require_everywhere(Right.EDIT)
    return Place(KINDS[kind], kind, find_program(program), None)


def _of_campaign(slug: str) -> Place:
    campaign = campaign_for(Right.EDIT, slug)
    return Place(UPDATES, "updates", campaign.program, campaign)


# ---------------------------------------------------------------- the work, for both


def _form_page(place: Place, form: Any, page: Page | None, *, is_preview: bool = False, **more: Any) -> str:
    kept = pages.kept(place.kind.subject_of(page)) if page else []
    return render_template(
        "editing/page.html",
        place=place,
        form=form,
        page=page,
        key=place.kind.key_of(page) if page else "",
        is_preview=is_preview,
        kept=kept,
        changes={newer.id: compare(older.content, newer.content) for newer, older in pairwise(kept)},
        who=authors.of(kept),
        causes=authors.CAUSES,
        **more,
    )


def _new(place: Place) -> str:
    today = {"published_on": db.now().date().isoformat()} if place.kind is UPDATES else {}
    return _form_page(place, place.kind.form(is_new=True, formdata=None, **today), None)


def _edit(place: Place, key: str) -> str:
    page = place.find(key)
    latest = versions.latest(place.kind.subject_of(page))
    values = place.kind.form.values_of(page) | {"base": str(latest.number) if latest else "0"}
    return _form_page(place, place.kind.form(is_new=False, formdata=None, **values), page)


def _stored(place: Place, key: str) -> Response | None:
    """Store what was sent; the page with what is wrong where it cannot be, and None where it is."""
    page = place.find(key, is_to_change=True) if key else None
    form = place.kind.form(is_new=page is None)
    is_valid = form.validate()
    if not is_valid or "preview" in request.form:
        db.reading()
        drawn = _form_page(place, form, page, is_preview=is_valid)
        return make_response(drawn, 200 if is_valid else 422)
    if page is not None and (conflict := _conflict(place, form, page)):
        return conflict
    record = form.record(place.kind.fixed_of(page) if page else "", place.program, place.campaign or _campaign_of(page))
    try:
        stored = place.kind.store(record, VersionCause.SAVED)
    except sqlalchemy.exc.IntegrityError:  # somebody else took the address at the same moment
        db.session.rollback()
        form.validate()
        db.reading()
        return make_response(_form_page(place, form, page), 422)
    audit.record(f"{'edit' if page else 'create'}-{place.kind.name}", place.kind.key_of(stored))
    flash(str(place.kind.saved))
    return None


def _campaign_of(page: Page | None) -> Campaign | None:
    """An update that belongs to a campaign goes on doing so, from wherever it is edited."""
    return page.campaign if isinstance(page, Update) else None


def _conflict(place: Place, form: Any, page: Page) -> Response | None:
    """What somebody else has changed since the form was opened, with what was typed; None where nobody has."""
    latest = pages.catch_up(place.kind, page)
    base = versions.find(latest.subject, whole_number(form.base.data) or 1)
    if base is None or base.number == latest.number:
        return None
    form.base.data = str(latest.number)
    drawn = _form_page(place, form, page, meanwhile=compare(base.content, latest.content))
    db.reading()
    return make_response(drawn, 409)


def _delete(place: Place, key: str) -> int:
    page = place.find(key, is_to_change=True)
    version = pages.delete(place.kind, page)
    audit.record(f"delete-{place.kind.name}", key)
    return version.id


def _restore(place: Place) -> None:
    """Make a version what the page says, also where the page was deleted."""
    if "version" not in request.form:
        raise ActionError(gettext("No version was named."))
    version = pages.version_of(place.kind, whole_number(request.form.get("version")), place.program, place.campaign)
    stored = place.kind.store(place.kind.read(version.content), VersionCause.RESTORED)
    audit.record(f"restore-{place.kind.name}", place.kind.key_of(stored), version=version.number)
    flash(gettext("It says that again."))


# ---------------------------------------------------------------- of a program


@blueprint.get(f"{OF_KIND}/new")
@rights.needs_everywhere(Right.EDIT)
def new(program: str, kind: str) -> str:
    return _new(_of_program(program, kind))


@blueprint.post(f"{OF_KIND}/new")
@rights.needs_everywhere(Right.EDIT)
def create(program: str, kind: str) -> Response:
    place = _of_program(program, kind)
    if refused := _stored(place, ""):
        return refused
    db.session.commit()
    freshness.published()
    return redirects.to(place.up, 303)


@blueprint.get(f"{OF_KIND}/<key>")
@rights.needs_everywhere(Right.EDIT)
def edit(program: str, kind: str, key: str) -> str:
    return _edit(_of_program(program, kind), key)


@blueprint.post(f"{OF_KIND}/<key>")
@rights.needs_everywhere(Right.EDIT)
def save(program: str, kind: str, key: str) -> Response:
    place = _of_program(program, kind)
    if refused := _stored(place, key):
        return refused
    db.session.commit()
    freshness.published()
    return redirects.to(place.up, 303)


@blueprint.post(f"{OF_KIND}/<key>/delete")
@rights.needs_everywhere(Right.EDIT)
def delete(program: str, kind: str, key: str) -> Response:
    version_id = _delete(_of_program(program, kind), key)
    db.session.commit()
    freshness.published()
    return see_other("programs.edit", program=program, deleted=version_id, kind=kind)


@blueprint.post(f"{OF_KIND}/restore")
@rights.needs_everywhere(Right.EDIT)
def restore(program: str, kind: str) -> Response:
    place = _of_program(program, kind)
    _restore(place)
    db.session.commit()
    freshness.published()
    return redirects.to(place.up, 303)


# ---------------------------------------------------------------- of a campaign


@campaign_blueprint.get("", endpoint="index")
@rights.needs(Right.EDIT)
def news(slug: str) -> str:
    place = _of_campaign(slug)
    assert place.campaign is not None
    found = pages.updates_of(Update.campaign_id == place.campaign.id)
    return render_template("editing/news.html", campaign=place.campaign, updates=found)


@campaign_blueprint.get("/new", endpoint="new")
@rights.needs(Right.EDIT)
def new_news(slug: str) -> str:
    return _new(_of_campaign(slug))


@campaign_blueprint.post("/new", endpoint="create")
@rights.needs(Right.EDIT)
def create_news(slug: str) -> Response:
    place = _of_campaign(slug)
    if refused := _stored(place, ""):
        return refused
    db.session.commit()
    freshness.published()
    return redirects.to(place.up, 303)


@campaign_blueprint.get("/<key>", endpoint="edit")
@rights.needs(Right.EDIT)
def edit_news(slug: str, key: str) -> str:
    return _edit(_of_campaign(slug), key)


@campaign_blueprint.post("/<key>", endpoint="save")
@rights.needs(Right.EDIT)
def save_news(slug: str, key: str) -> Response:
    place = _of_campaign(slug)
    if refused := _stored(place, key):
        return refused
    db.session.commit()
    freshness.published()
    return redirects.to(place.up, 303)


@campaign_blueprint.post("/<key>/delete", endpoint="delete")
@rights.needs(Right.EDIT)
def delete_news(slug: str, key: str) -> Response:
    version_id = _delete(_of_campaign(slug), key)
    db.session.commit()
    freshness.published()
    return see_other("campaign_news.index", slug=slug, deleted=version_id)


@campaign_blueprint.post("/restore", endpoint="restore")
@rights.needs(Right.EDIT)
def restore_news(slug: str) -> Response:
    place = _of_campaign(slug)
    _restore(place)
    db.session.commit()
    freshness.published()
    return redirects.to(place.up, 303)
