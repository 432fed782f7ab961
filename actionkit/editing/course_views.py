"""The page "Open and close" of a campaign, and its buttons."""

from __future__ import annotations

import hashlib
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, flash, make_response, render_template, request
from flask_babel import gettext

from actionkit import db, freshness
from actionkit.campaigns.desk import campaign_for
from actionkit.campaigns.models import Campaign, Outcome, Phase
from actionkit.delivery import groups
from actionkit.editing import checks, course
from actionkit.editing.checks import Finding
from actionkit.editing.course_forms import CloseForm, PauseForm, PublishForm, ReopenForm
from actionkit.letters import history
from actionkit.letters.operations import group_key
from actionkit.redirects import see_other
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("course", __name__, url_prefix="/staff/campaigns/<slug>/course")


def _nothing() -> None:
    flash(gettext("Nothing was changed: it was so already."))


def _locked(slug: str) -> Campaign:
    """The campaign, which nobody else changes until this request ends."""
    campaign = campaign_for(Right.EDIT, slug)
    course.lock(campaign)
    history.catch_up(campaign)
    return campaign


@blueprint.get("")
@rights.needs(Right.EDIT)
def show(slug: str) -> str:
    return _page(campaign_for(Right.EDIT, slug))


def _page(campaign: Campaign, **forms: object) -> str:
    """Everything that the state allows; `forms` replaces those that were sent and are not right."""
    findings = checks.examine(history.content_of(campaign), group_key(campaign.id))
    closings = {f"closing_{text.language}": text.closing for text in campaign.texts}
    drawn = {
        "publish_form": PublishForm(formdata=None, seen=_digest(checks.warnings(findings))),
        "close_form": CloseForm.of(
            campaign, formdata=None, outcome=campaign.outcome or "", successor=campaign.successor, **closings
        ),
        "reopen_form": ReopenForm(campaign, formdata=None),
        "pause_form": PauseForm(formdata=None),
    }
    return render_template(
        "editing/course.html",
        campaign=campaign,
        phase=campaign.phase(),
        errors=checks.errors(findings),
        warnings=checks.warnings(findings),
        numbers=course.numbers_of(campaign),
        has_signatures=course.has_signatures(campaign),
        letters_pause=groups.pause_of(group_key(campaign.id)),
        zone=ZoneInfo(campaign.timezone),
        done=request.args.get("done", ""),
        may_act=rights.may(Right.ACT, campaign.id),
        **(drawn | forms),
    )


def _digest(warnings: list[Finding]) -> str:
    return hashlib.sha256("\n".join(finding.sentence for finding in warnings).encode()).hexdigest()[:16]


@blueprint.post("/publish")
@rights.needs(Right.EDIT)
def publish(slug: str) -> Response:
    campaign = _locked(slug)
    form = PublishForm()
    findings = checks.examine(history.content_of(campaign), group_key(campaign.id))
    warnings = checks.warnings(findings)
    if warnings and not (form.accept.data and form.seen.data == _digest(warnings)):
        form.accept.errors = [gettext("Please look at what stands above, and tick this if it is meant so.")]
    if campaign.phase() is Phase.DRAFT and (checks.errors(findings) or form.accept.errors):
        form.seen.data = _digest(warnings)
        db.reading()
        return make_response(_page(campaign, publish_form=form), 422)
    if course.publish(campaign):
        audit.record("publish-campaign", slug, warnings=len(warnings))
        flash(gettext("It is published: everybody can see it."))
    else:
        _nothing()
    db.session.commit()
    freshness.published()
    return see_other("course.show", slug=slug, done="publish")


@blueprint.post("/unpublish")
@rights.needs(Right.EDIT)
def unpublish(slug: str) -> Response:
    campaign = _locked(slug)
    if course.unpublish(campaign):
        audit.record("unpublish-campaign", slug)
        flash(gettext("It is a draft again, and nobody but staff sees it."))
    else:
        flash(gettext("Nothing was changed: somebody has signed it already. It can be closed."))
    db.session.commit()
    freshness.published()
    return see_other("course.show", slug=slug)


@blueprint.post("/close")
@rights.needs(Right.EDIT)
def close(slug: str) -> Response:
    """End it, with its outcome and closing words; or change those of one that has ended."""
    campaign = _locked(slug)
    form = CloseForm.of(campaign)
    if not form.validate():
        db.reading()
        return make_response(_page(campaign, close_form=form), 422)
    was = campaign.phase()
    closings = {text.language: form.closing(text.language).data or "" for text in campaign.texts}
    if course.close(campaign, Outcome(form.outcome.data), closings, form.successor.data or ""):
        audit.record("close-campaign", slug, outcome=form.outcome.data, was=was)
        flash(gettext("Saved.") if was is Phase.CLOSED else gettext("It is closed."))
    else:
        _nothing()
    db.session.commit()
    freshness.published()
    return see_other("course.show", slug=slug, done=None if was is Phase.CLOSED else "close")


@blueprint.post("/reopen")
@rights.needs(Right.EDIT)
def reopen(slug: str) -> Response:
    campaign = _locked(slug)
    form = ReopenForm(campaign)
    if not form.validate():
        db.reading()
        return make_response(_page(campaign, reopen_form=form), 422)
    if course.reopen(campaign, form.day):
        audit.record("reopen-campaign", slug, closes_on=form.closes_on.data or "")
        flash(gettext("It is open again, and can be signed."))
    else:
        _nothing()
    db.session.commit()
    freshness.published()
    return see_other("course.show", slug=slug)


@blueprint.post("/<any(archive, unarchive):decision>")
@rights.needs(Right.EDIT)
def put_away(slug: str, decision: str) -> Response:
    campaign = _locked(slug)
    if decision == "archive":
        is_done, said = course.put_away(campaign), gettext("It is put away. It stands at the end of “Programs”.")
    else:
        is_done, said = course.take_out_again(campaign), gettext("It is back in the desk's lists.")
    if is_done:
        audit.record(f"{decision}-campaign", slug)
    db.session.commit()
    flash(said if is_done else gettext("Nothing was changed: what is open cannot be put away."))
    return see_other("course.show", slug=slug)


@blueprint.post("/signing/<any(pause, resume):decision>")
@rights.needs(Right.EDIT)
def switch_signing(slug: str, decision: str) -> Response:
    """The switch for emergencies: nobody can sign until it is switched on again."""
    campaign = _locked(slug)
    form = PauseForm()
    if decision == "pause":
        is_done = form.validate() and course.pause_signing(campaign, form.back_at)
        said = gettext("Signing is paused. The public page says so; links to confirm work as ever.")
    else:
        is_done, said = course.resume_signing(campaign), gettext("The campaign can be signed again.")
    if is_done:
        audit.record(f"{decision}-signing", slug)
    db.session.commit()
    freshness.published()
    if is_done:
        flash(said)
    else:
        _nothing()
    return see_other("course.show", slug=slug)
