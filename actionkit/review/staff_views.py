"""The desk's pages of the fraud review: what to look at on a campaign, likely twins, mail providers."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, current_app, flash, render_template, request, url_for
from flask_babel import gettext
from werkzeug.exceptions import NotFound

from actionkit import db, languages
from actionkit.campaigns.desk import campaign_for
from actionkit.campaigns.models import Campaign
from actionkit.numbers import whole_number
from actionkit.redirects import see_other
from actionkit.review import alerts, trends, twins, watch
from actionkit.review.alerts import AlertKind
from actionkit.review.models import StaffAlert, TrendKind
from actionkit.review.provider_forms import ProviderForm
from actionkit.signing import operations, search
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("review", __name__, url_prefix="/staff")

TWINS_ON_THE_REVIEW = 3


def _removal_link(campaign: Campaign) -> Callable[..., str] | None:
    """Makes links to the form that takes signatures out by a rule, for who may do so."""
    if "removals.new" not in current_app.view_functions or not rights.may(Right.ACT, campaign.id):
        return None
    return lambda **rule: url_for("removals.new", slug=campaign.slug, **rule)


# ---------------------------------------------------------------- one campaign


@blueprint.get("/campaigns/<slug>/review")
@rights.needs(Right.VIEW)
def review(slug: str) -> str:
    """What a person should look at. Nothing on it is counted over all signatures."""
    campaign = campaign_for(Right.VIEW, slug)
    return render_template(
        "review/review.html",
        campaign=campaign,
        alerts=alerts.unseen(campaign.id),
        networks=trends.latest(campaign.id, TrendKind.NETWORK, at_least=trends.FEW),
        domains=trends.latest(campaign.id, TrendKind.DOMAIN, at_least=trends.FEW),
        twins=twins.groups(campaign.id, most=TWINS_ON_THE_REVIEW),
        refused_in_a_day=trends.in_a_day(campaign.id, AlertKind.REFUSED),
        refused_in_all=watch.refused_in_all(campaign.id),
        refused_reason=operations.REFUSED_BY_OWNER,
        held=search.held_by_reason(campaign.id),
        reason_name=search.reason_name,
        states=operations.STATE_NAMES,
        few=trends.FEW,
        may_act=rights.may(Right.ACT, campaign.id),
        removal_link=_removal_link(campaign),
    )


@blueprint.post("/campaigns/<slug>/review/seen")
@rights.needs(Right.ACT)
def seen(slug: str) -> Response:
    """Mark one alert as seen, or all up to the latest that the page showed."""
    campaign = campaign_for(Right.ACT, slug)
    one, up_to = (whole_number(request.form.get(name)) or 0 for name in ("alert", "up_to"))
    marked = alerts.mark_seen(campaign.id, StaffAlert.id == one if one else StaffAlert.id <= up_to)
    if marked:
        audit.record("see-alerts", slug, alert=one or None, up_to=up_to or None, alerts=marked)
    db.session.commit()
    flash(gettext("Marked as seen.") if marked else gettext("Nothing was changed: it was marked as seen before."))
    return see_other("review.review", slug=slug)


@blueprint.get("/campaigns/<slug>/review/twins")
@rights.needs(Right.VIEW)
def likely_twins(slug: str) -> str:
    campaign = campaign_for(Right.VIEW, slug)
    after, of = (request.args.get(name, "")[:32] for name in ("after", "of"))
    return render_template(
        "review/twins.html",
        campaign=campaign,
        is_first=not after,
        of=of,
        twins=twins.groups_of(campaign.id, of) if of else twins.groups(campaign.id, after=after),
        states=operations.STATE_NAMES,
    )


# ---------------------------------------------------------------- mail providers


@blueprint.get("/review/providers")
@rights.needs(Right.ADMIN)
def providers() -> str:
    """The table, and a form to add a line or to change the one named in `?domain`."""
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    domain = request.args.get("domain", "")
    changed = twins.find_rule(domain) if domain else None
    if domain and changed is None:
        raise NotFound
    return _providers(ProviderForm.of(changed))


@blueprint.post("/review/providers")
@rights.needs(Right.ADMIN)
def save_provider() -> Response | tuple[str, int]:
    """Add a line of the table or change it."""
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    form = ProviderForm()
    if not form.validate_on_submit():
        return _providers(form), 422
    twins.save_rule(form.domain.data or "", form.provider)
    audit.record("save-provider", form.domain.data or "", **vars(form.provider))
    db.session.commit()
    flash(gettext("Saved. Likely twins are computed anew; this takes a minute."))
    return see_other("review.providers")


@blueprint.post("/review/providers/remove")
@rights.needs(Right.ADMIN)
def remove_provider() -> Response:
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    domain = request.form.get("domain", "")
    if aliases := twins.aliases_of(domain):
        said = gettext("Nothing was changed: %(domains)s are other names of it.", domains=", ".join(aliases))
    elif twins.remove_rule(domain):
        audit.record("remove-provider", domain)
        said = gettext("Removed. Likely twins are computed anew; this takes a minute.")
    else:
        said = gettext("Nothing was changed: this domain is not in the list.")
    db.session.commit()
    flash(said)
    return see_other("review.providers")


def _providers(form: ProviderForm) -> str:
    return render_template("review/providers.html", form=form, rules=twins.all_rules())
