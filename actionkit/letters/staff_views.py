"""The desk's page of how letters leave: pace, office hours, spread, and a rehearsal."""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, render_template
from flask_babel import gettext, ngettext

from actionkit import db
from actionkit.campaigns.desk import campaign_for
from actionkit.campaigns.models import Campaign, VersionCause
from actionkit.delivery.pace import default_per_hour
from actionkit.letters import history, operations, rehearsal
from actionkit.letters.forms import PaceForm
from actionkit.redirects import see_other
from actionkit.staff import audit, current, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("pace", __name__, url_prefix="/staff")


@blueprint.get("/campaigns/<slug>/letters/pace")
@rights.needs(Right.EDIT)
def show(slug: str) -> str:
    campaign = campaign_for(Right.EDIT, slug)
    own = campaign.letters_per_hour
    form = PaceForm(
        formdata=None,
        per_hour="" if own is None else str(own),
        hours=campaign.office_hours,
        spread=campaign.spreads_letters,
    )
    return _page(campaign, form)


@blueprint.post("/campaigns/<slug>/letters/pace")
@rights.needs(Right.EDIT)
def save(slug: str) -> Response:
    campaign = campaign_for(Right.EDIT, slug)
    form = PaceForm()
    if not form.validate():
        db.reading()
        return make_response(_page(campaign, form), 422)
    history.catch_up(campaign)
    if operations.change_pace(campaign, **form.chosen):
        history.record(campaign, VersionCause.SAVED)
        audit.record("set-pace", slug, **form.chosen)
    db.session.commit()
    flash(gettext("Saved. Letters leave like this from now on."))
    return see_other("desk.letters", slug=slug)


@blueprint.post("/campaigns/<slug>/letters/rehearse")
@rights.needs(Right.ACT)
def rehearse(slug: str) -> Response:
    """Send every official's letter to the member who asks."""
    campaign = campaign_for(Right.ACT, slug)
    member = current.member()
    assert member is not None  # who has a right is somebody
    number = rehearsal.rehearse(campaign, member.id)
    audit.record("rehearse-letters", slug, letters=number)
    db.session.commit()
    flash(
        ngettext(
            "%(num)s letter is on its way to your own address. Nothing goes to officials.",
            "%(num)s letters are on their way to your own address. Nothing goes to officials.",
            number,
        )
        if number
        else gettext("There is no letter to test: the campaign has no letter, or no official.")
    )
    return see_other("desk.letters", slug=slug)


def _page(campaign: Campaign, form: PaceForm) -> str:
    return render_template("desk/pace.html", campaign=campaign, form=form, default=default_per_hour())
