"""The history of a campaign: its versions, what changed from one to another, and the way back."""

from __future__ import annotations

from flask import Blueprint, Response, flash, render_template, request
from flask_babel import gettext
from werkzeug.exceptions import NotFound

from actionkit import db, freshness
from actionkit.campaigns import versions
from actionkit.campaigns.desk import campaign_for
from actionkit.campaigns.models import Phase, Version, VersionCause
from actionkit.content import store
from actionkit.content.fields import ContentFault
from actionkit.editing import authors, checks, course
from actionkit.editing.editor import known_officials, record_of
from actionkit.editing.words import compare
from actionkit.letters import history
from actionkit.letters.operations import group_key, stop_where_reported
from actionkit.numbers import whole_number
from actionkit.redirects import see_other
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("versions", __name__, url_prefix="/staff/campaigns/<slug>/versions")


@blueprint.get("")
@rights.needs(Right.EDIT)
def index(slug: str) -> str:
    campaign = campaign_for(Right.EDIT, slug)
    found = versions.all_of(history.subject_of(slug))
    return render_template(
        "editing/versions.html", campaign=campaign, versions=found, who=authors.of(found), causes=authors.CAUSES
    )


def _version(slug: str, number: int) -> Version:
    found = versions.find(history.subject_of(slug), number)
    if found is None:
        raise NotFound
    return found


@blueprint.get("/<int:number>")
@rights.needs(Right.EDIT)
def show(slug: str, number: int) -> str:
    """What a version changed; or, with `?against=`, how it differs from another."""
    campaign = campaign_for(Right.EDIT, slug)
    version = _version(slug, number)
    latest = versions.latest(version.subject)
    assert latest is not None
    against = whole_number(request.args.get("against")) or number - 1
    other = versions.find(version.subject, against)
    first, second = sorted([version, other], key=lambda each: each.number) if other else (None, version)
    return render_template(
        "editing/version.html",
        campaign=campaign,
        version=version,
        latest=latest,
        first=first,
        second=second,
        changes=compare(first.content if first else {}, second.content),
        who=authors.of([version]),
        causes=authors.CAUSES,
    )


@blueprint.post("/<int:number>/restore")
@rights.needs(Right.EDIT)
def restore(slug: str, number: int) -> Response:
    """Make what a version says the newest version. Whether the campaign is open or closed stays as it is."""
    campaign = campaign_for(Right.EDIT, slug)
    version = _version(slug, number)
    course.lock(campaign)
    latest = history.catch_up(campaign)
    here = known_officials(version.content["officials"])
    content = version.content | {"officials": here}
    if campaign.phase() in (Phase.OPEN, Phase.UPCOMING):
        wrong = checks.errors(checks.examine(content, group_key(campaign.id)))
        if wrong:
            db.session.rollback()
            flash(gettext("Nothing was restored, since the campaign is open: %(why)s", why=wrong[0].sentence))
            return see_other("versions.show", slug=slug, number=number)
    try:
        store.store_campaign(record_of(content, campaign), VersionCause.RESTORED, is_whole=True, restored=number)
    except ContentFault:
        db.session.rollback()
        flash(gettext("Nothing was restored: the program of that version is no longer there."))
        return see_other("versions.show", slug=slug, number=number)
    stop_where_reported()
    now = versions.latest(latest.subject)
    assert now is not None
    if now.number == latest.number:
        flash(gettext("Nothing was changed: the campaign says this already."))
    else:
        audit.record("restore-campaign", slug, version=now.number, restored=number)
        missing = len(version.content["officials"]) - len(here)
        flash(gettext("Version %(number)s is what the campaign says again.", number=number))
        if missing:
            flash(gettext("Officials of then that are no longer in the list were left out: %(n)s.", n=missing))
    db.session.commit()
    freshness.published()
    return see_other("versions.index", slug=slug, undo=latest.number if now.number != latest.number else None)
