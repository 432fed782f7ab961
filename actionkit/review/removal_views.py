"""The desk's pages about removals: a rule, its count, its progress, and the way back."""

from __future__ import annotations

from flask import Blueprint, Response, flash, render_template, request
from flask_babel import gettext
from werkzeug.exceptions import NotFound

from actionkit import db
from actionkit.campaigns.desk import campaign_for
from actionkit.campaigns.models import Campaign
from actionkit.paging import page_number
from actionkit.redirects import see_other
from actionkit.review import removals
from actionkit.review.models import Removal
from actionkit.review.removal_forms import ReasonForm, RuleForm
from actionkit.review.removal_rules import Rule
from actionkit.review.removals import TooMuchToCount
from actionkit.signing import operations, search
from actionkit.signing.models import SignatureState
from actionkit.staff import audit, current, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("removals", __name__, url_prefix="/staff/campaigns/<slug>")


def _removal(campaign: Campaign, public_id: str) -> Removal:
    removal = removals.find(campaign.id, public_id)
    if removal is None:
        raise NotFound
    return removal


def _reasons(campaign: Campaign) -> list[str]:
    return list(search.held_by_reason(campaign.id).by_reason)


@blueprint.get("/removals")
@rights.needs(Right.ACT)
def index(slug: str) -> str:
    campaign = campaign_for(Right.ACT, slug)
    found = removals.of_campaign(campaign.id, page_number(request.args.get("page", "")))
    return render_template("review/removals.html", campaign=campaign, found=found)


# ---------------------------------------------------------------- a rule, and its count


@blueprint.get("/removals/new")
@rights.needs(Right.ACT)
def new(slug: str) -> str:
    """The form: empty, as a link fills it in, or with the rule of `?like=` an earlier one."""
    campaign = campaign_for(Right.ACT, slug)
    if like := request.args.get("like", ""):
        form = RuleForm.of(_reasons(campaign), Rule.of(_removal(campaign, like).rule))
    else:
        form = RuleForm.linked(_reasons(campaign), request.args)
    return _form_page(campaign, form)


@blueprint.post("/removals")
@rights.needs(Right.ACT)
def count(slug: str) -> Response | tuple[str, int]:
    """Count what a rule matches, and keep both. Nothing is taken out yet."""
    campaign = campaign_for(Right.ACT, slug)
    form = RuleForm(_reasons(campaign))
    if not form.validate():
        return _form_page(campaign, form), 422
    rule, campaign_id = form.rule, campaign.id
    db.reading()  # a long look must not hold up who signs
    try:
        found = removals.count(campaign_id, rule)
    except TooMuchToCount:
        form.refuse(gettext("This takes too long to count. Ask for a time or a state too, so that less is looked at."))
        return _form_page(campaign, form), 422
    if not found.total:
        form.refuse(gettext("No signature matches. Those that were taken out or withdrawn before are not looked at."))
        return _form_page(campaign, form), 422
    db.writing()
    removal = removals.add(campaign_id, rule, found, current.member_id())
    audit.record("count-removal", slug, removal=removal.public_id, criteria=rule.criteria, counted=found.total)
    db.session.commit()
    return _to(slug, removal)


def _form_page(campaign: Campaign, form: RuleForm) -> str:
    return render_template("review/removal_new.html", campaign=campaign, form=form)


def _to(slug: str, removal: Removal) -> Response:
    return see_other("removals.show", slug=slug, public_id=removal.public_id)


# ---------------------------------------------------------------- one removal


@blueprint.get("/removals/<public_id>")
@rights.needs(Right.ACT)
def show(slug: str, public_id: str) -> str:
    campaign = campaign_for(Right.ACT, slug)
    return _page(campaign, _removal(campaign, public_id), ReasonForm(formdata=None))


def _page(campaign: Campaign, removal: Removal, form: ReasonForm) -> str:
    return render_template(
        "review/removal.html",
        campaign=campaign,
        removal=removal,
        rule=Rule.of(removal.rule),
        found=removals.found_by(removal),
        sample=removals.sample(removal),
        who=removals.who_began(removal),
        form=form,
        states=operations.STATE_NAMES,
        reason_name=search.reason_name,
        is_in_work=removal.state in removals.IN_WORK,
        can_be_undone=removal.state in removals.CAN_BE_UNDONE and removal.removed > removal.restored,
    )


@blueprint.post("/removals/<public_id>/start")
@rights.needs(Right.ACT)
def start(slug: str, public_id: str) -> Response | tuple[str, int]:
    campaign = campaign_for(Right.ACT, slug)
    removal = _removal(campaign, public_id)
    form = ReasonForm()
    if not form.validate():
        return _page(campaign, removal, form), 422
    reason = form.reason.data or ""
    if removals.start(removal, reason, current.member_id()):
        criteria = Rule.of(removal.rule).criteria
        audit.record("start-removal", slug, removal=public_id, criteria=criteria, counted=removal.counted)
    else:
        flash(gettext("Nothing was changed: this was started before."))
    db.session.commit()
    return _to(slug, removal)


@blueprint.post("/removals/<public_id>/cancel")
@rights.needs(Right.ACT)
def cancel(slug: str, public_id: str) -> Response:
    campaign = campaign_for(Right.ACT, slug)
    removal = _removal(campaign, public_id)
    if removals.stop(removal):
        audit.record("cancel-removal", slug, removal=public_id)
    else:
        flash(gettext("Nothing was changed: nothing is being taken out."))
    db.session.commit()
    return _to(slug, removal)


@blueprint.post("/removals/<public_id>/undo")
@rights.needs(Right.ACT)
def undo(slug: str, public_id: str) -> Response:
    campaign = campaign_for(Right.ACT, slug)
    removal = _removal(campaign, public_id)
    if removals.undo(removal):
        audit.record("undo-removal", slug, removal=public_id)
    else:
        flash(gettext("Nothing was changed: there is nothing to put back."))
    db.session.commit()
    return _to(slug, removal)


# ---------------------------------------------------------------- one signature


@blueprint.post("/signatures/<public_id>/put-back")
@rights.needs(Right.ACT)
def put_back(slug: str, public_id: str) -> Response:
    """Put back one signature that staff took out, by itself or by a rule."""
    campaign = campaign_for(Right.ACT, slug)
    signature = search.find_signature(campaign.id, public_id)
    if signature is None:
        raise NotFound
    if removals.put_back_one(signature):
        audit.record("put-back-signature", slug, signature=public_id)
        flash(gettext("The signature is back as it was."))
    else:
        flash(gettext("Nothing was changed: the signature was not taken out by staff, or its owner withdrew it."))
    db.session.commit()
    return see_other("desk.signatures", slug=slug, state=SignatureState.INVALIDATED)
