"""The editor of a campaign: begin one, write it, see it before it is saved, and keep what is typed."""

from __future__ import annotations

import sqlalchemy as sa
import sqlalchemy.exc
from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from flask_babel import gettext

from actionkit import db, freshness, languages, redirects
from actionkit.campaigns import versions
from actionkit.campaigns.desk import campaign_for
from actionkit.campaigns.models import Campaign, Official, Phase, Program, Version, VersionCause
from actionkit.campaigns.operations import all_campaigns, find_campaign
from actionkit.content import store
from actionkit.editing import checks, course, drafts, new_campaign, preview
from actionkit.editing.editor import Typed, Values, arranged, merge, record_of, values_of
from actionkit.editing.new_campaign import NewCampaignForm
from actionkit.editing.words import Change, compare
from actionkit.errors import ActionError
from actionkit.letters import history, templates
from actionkit.letters.history import COURSE
from actionkit.letters.operations import group_key, stop_where_reported
from actionkit.numbers import whole_number
from actionkit.redirects import see_other
from actionkit.staff import audit, current, rights
from actionkit.staff.models import StaffMember
from actionkit.staff.rights import Right

blueprint = Blueprint("editing", __name__, url_prefix="/staff")


def _member_id() -> int:
    member_id = current.member_id()
    assert member_id is not None  # who has a right is somebody
    return member_id


# ---------------------------------------------------------------- all that can be written


@blueprint.get("/programs")
@rights.needs(Right.EDIT)
def index() -> str:
    """Programs with their campaigns; what to do first where there is nothing."""
    languages.choose()
    mine = rights.campaign_ids(Right.EDIT)
    campaigns = all_campaigns(mine)
    programs = list(db.session.scalars(sa.select(Program).order_by(Program.position, Program.title)))
    if mine is not None:
        programs = [program for program in programs if program.id in {each.program_id for each in campaigns}]
    return render_template(
        "editing/index.html",
        programs=programs,
        campaigns=campaigns,
        archived=all_campaigns(mine, are_archived=True),
        has_officials=db.session.scalar(sa.select(sa.exists().where(Official.id.is_not(None)))),
        is_everywhere=mine is None,
    )


# ---------------------------------------------------------------- a campaign begins


@blueprint.get("/campaigns/new")
@rights.needs_everywhere(Right.EDIT)
def new() -> Response:
    languages.choose()
    if not db.session.scalar(sa.select(Program.id).limit(1)):
        flash(gettext("Every campaign belongs to a program, so begin with one."))
        return see_other("programs.new")
    source = _source(request.args.get("copy", ""))
    form = NewCampaignForm(formdata=None, language=languages.current(), program=request.args.get("program", ""))
    if source:
        form = NewCampaignForm(
            formdata=None,
            copy_of=source.slug,
            title=new_campaign.copied_title(source),
            program=source.program.slug,
            country=source.country,
        )
    return make_response(_new_page(form, source))


def _source(slug: str) -> Campaign | None:
    """The campaign that is to be copied. Raises `NotFound` where there is none of this name."""
    return find_campaign(slug) if slug else None


def _new_page(form: NewCampaignForm, source: Campaign | None) -> str:
    return render_template("editing/new_campaign.html", form=form, source=source)


@blueprint.post("/campaigns/new")
@rights.needs_everywhere(Right.EDIT)
def create() -> Response:
    languages.choose()
    source = _source(request.form.get("copy_of", ""))
    form = NewCampaignForm()
    if source:
        form.take_language_of(source)
    is_valid, made = form.validate(), None
    if is_valid:
        try:
            made = new_campaign.create(form, source)
        except sqlalchemy.exc.IntegrityError:  # somebody else took the address at the same moment
            form.validate()
    if made is None:
        db.reading()
        return make_response(_new_page(form, source), 422)
    audit.record("create-campaign", made.slug, copy_of=source.slug if source else "")
    db.session.commit()
    flash(gettext("The campaign is there, as a draft that nobody but staff can see."))
    return see_other("editing.edit", slug=made.slug)


# ---------------------------------------------------------------- the editor


@blueprint.get("/campaigns/<slug>/edit")
@rights.needs(Right.EDIT)
def edit(slug: str) -> str:
    """The campaign as it is; with `?draft=1`, as the member has typed it before."""
    campaign = campaign_for(Right.EDIT, slug)
    draft = drafts.of(_member_id(), history.subject_of(slug))
    goes_on = draft is not None and request.args.get("draft") == "1"
    values = drafts.values_of(draft) if draft and goes_on else _stored(campaign)
    return _page(
        Typed(values, campaign),
        draft_of=None if goes_on or draft is None else draft.saved_at,
        others=drafts.of_others(_member_id(), history.subject_of(slug)),
        was_discarded="discarded" in request.args,
    )


def _stored(campaign: Campaign) -> Values:
    latest = versions.latest(history.subject_of(campaign.slug))
    return values_of(history.content_of(campaign), latest.number if latest else 0)


def _page(typed: Typed, *, meanwhile: list[Change] | None = None, **more: object) -> str:
    officials, has_more = typed.found_officials()
    return render_template(
        "editing/edit.html",
        campaign=typed.campaign,
        typed=typed,
        form=typed.form,
        is_closed=typed.campaign.phase() is Phase.CLOSED,
        placeholders=templates.VARIABLES,
        required_placeholders=templates.REQUIRED,
        new_languages=[pair for pair in languages.choices(languages.current()) if pair[0] not in typed.languages],
        found_officials=officials,
        has_more_officials=has_more,
        preview=preview.of(typed, typed.values.get("preview_language", "")),
        meanwhile=meanwhile or [],
        **more,
    )


def _as_typed(slug: str) -> Typed:
    """What was sent. A campaign that is over keeps its days: they are no fields then."""
    campaign = campaign_for(Right.EDIT, slug)
    values: Values = request.form.copy()
    if campaign.phase() is Phase.CLOSED:
        for name, day in (("opens_on", campaign.opens_on), ("closes_on", campaign.closes_on)):
            values[name] = day.isoformat() if day else ""
    return Typed(values, campaign)


@blueprint.post("/campaigns/<slug>/edit")
@rights.needs(Right.EDIT)
def save(slug: str) -> Response:
    typed = _as_typed(slug)
    campaign = typed.campaign
    if not typed.is_valid():
        db.reading()
        return make_response(_page(typed), 422)
    mine = typed.content()
    findings = checks.examine(mine, group_key(campaign.id))
    if campaign.phase() in (Phase.OPEN, Phase.UPCOMING) and (wrong := checks.errors(findings)):
        typed.faults += [(finding.field, finding.sentence) for finding in wrong]
        db.reading()
        return make_response(_page(typed), 422)
    course.lock(campaign)
    latest = history.catch_up(campaign)
    base = _base(latest.subject, typed.form.base.data)
    if base.number != latest.number:
        if conflict := _conflict(typed, base, latest):
            db.reading()
            return conflict
        mine = merge(base.content, latest.content, mine)
    store.store_campaign(record_of(mine, campaign), VersionCause.SAVED, is_whole=True)
    stop_where_reported()
    version = versions.latest(latest.subject)
    assert version is not None
    is_changed = version.number != latest.number
    drafts.forget(_member_id(), latest.subject)
    if is_changed:
        audit.record("edit-campaign", slug, version=version.number)
    db.session.commit()
    freshness.published()
    flash(_saved(campaign, is_changed))
    return see_other("editing.edit", slug=slug)


def _saved(campaign: Campaign, is_changed: bool) -> str:
    if not is_changed:
        return gettext("Nothing was changed: it says what it said before.")
    if campaign.phase() is Phase.DRAFT:
        return gettext("Saved. It is a draft still: publish it under “Open and close”.")
    return gettext(
        "Saved. The public page says it from now on. Letters of those who have signed stay as they saw them."
    )


def _base(subject: str, number: str | None) -> Version:
    """The version that a form began with; the first one where it names none."""
    base = versions.find(subject, whole_number(number) or 1) or versions.find(subject, 1)
    assert base is not None  # the campaign was caught up with
    return base


def _conflict(typed: Typed, base: Version, latest: Version) -> Response | None:
    """The form with what both have written, where another has changed the same campaign; None where nobody has."""
    mine, was, theirs = typed.content(), base.content, latest.content
    changed = [change for change in compare(was, theirs) if change.place[0] not in COURSE]
    if not changed:
        return None
    own = {change.place for change in compare({name: was[name] for name in mine}, mine)}
    values = values_of(merge(was, theirs, mine), latest.number)
    author = db.session.get(StaffMember, latest.staff_member_id) if latest.staff_member_id else None
    page = _page(
        Typed(values, typed.campaign),
        meanwhile=changed,
        changed_by_both={change.place for change in changed} & own,
        author=author.email if author else "",
        changed_at=latest.made_at,
    )
    return make_response(page, 409)


@blueprint.post("/campaigns/<slug>/edit/arrange")
@rights.needs(Right.EDIT)
def arrange(slug: str) -> Response:
    """The form with a language more or less, or its officials in another order. Nothing is stored."""
    db.reading()
    typed = _as_typed(slug)
    return make_response(_page(Typed(arranged(typed.values), typed.campaign), is_arranged=True))


@blueprint.post("/campaigns/<slug>/edit/preview")
@rights.needs(Right.EDIT)
def show_preview(slug: str) -> Response:
    """The page and the letters as typed; for the script its part alone. Nothing is stored."""
    db.reading()  # it comes with every few words: nobody who writes waits for it
    typed = _as_typed(slug)
    if "part" in request.args:
        found = preview.of(typed, request.form.get("preview_language", ""))
        return make_response(
            render_template("editing/preview.html", typed=typed, preview=found, campaign=typed.campaign)
        )
    return make_response(_page(typed, is_arranged=True))


# ---------------------------------------------------------------- drafts


@blueprint.post("/campaigns/<slug>/edit/draft")
@rights.needs(Right.EDIT)
def keep_draft(slug: str) -> Response:
    """Keep what is typed, for its author alone. The script sends it by itself; a button does without."""
    campaign_for(Right.EDIT, slug)
    if "languages" not in request.form:
        raise ActionError(gettext("There is nothing to keep."))
    drafts.keep(_member_id(), history.subject_of(slug), request.form)
    db.session.commit()
    if "part" in request.args:
        return Response(status=204)
    flash(gettext("What you typed is kept for you. Nothing of it is public."))
    return redirects.to(url_for("editing.edit", slug=slug, draft=1), 303)


@blueprint.post("/campaigns/<slug>/edit/draft/<any(discard, 'take-back'):decision>")
@rights.needs(Right.EDIT)
def settle_draft(slug: str, decision: str) -> Response:
    campaign_for(Right.EDIT, slug)
    subject = history.subject_of(slug)
    if decision == "discard":
        is_done = drafts.discard(_member_id(), subject)
    else:
        is_done = drafts.take_back(_member_id(), subject)
    db.session.commit()
    if is_done and decision == "discard":
        return see_other("editing.edit", slug=slug, discarded=1)
    return see_other("editing.edit", slug=slug, draft=1 if is_done else None)
