"""The desk's page of the lists, and the switch for a campaign under attack."""

from __future__ import annotations

import datetime as dt

from flask import Blueprint, Response, current_app, flash, make_response, render_template, request
from flask_babel import format_timedelta, gettext

from actionkit import db, freshness, languages
from actionkit.campaigns.desk import campaign_for
from actionkit.campaigns.operations import all_campaigns
from actionkit.numbers import whole_number
from actionkit.redirects import see_other
from actionkit.screening import disposable, operations
from actionkit.screening.forms import ACTIONS, KINDS, RuleForm
from actionkit.screening.models import RuleAction, RuleKind
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right
from config import Config, Limit

blueprint = Blueprint("lists", __name__, url_prefix="/staff")


@blueprint.get("/screening")
@rights.needs(Right.ADMIN)
def screening() -> str:
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    return _page(RuleForm(formdata=None))


@blueprint.post("/screening")
@rights.needs(Right.ADMIN)
def add() -> Response:
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    form = RuleForm()
    if form.validate():
        kind, action = RuleKind(form.kind.data), RuleAction(form.action.data)
        if operations.add_rule(kind, form.pattern.data or "", action, form.note.data or ""):
            # Never the pattern: it may be somebody's address.
            audit.record("add-screening-rule", "screening", kind=kind, effect=action)
            db.session.commit()
            flash(gettext("%(pattern)s is on the list. It takes effect within seconds.", pattern=form.pattern.data))
            return see_other("lists.screening")
        form.pattern.errors = [
            gettext("%(pattern)s is on the list already. Remove it there first.", pattern=form.pattern.data)
        ]
    db.reading()
    return make_response(_page(form), 422)


@blueprint.post("/screening/remove")
@rights.needs(Right.ADMIN)
def remove() -> Response:
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    rule_id = whole_number(request.form.get("rule"))
    removed = operations.remove_rule(rule_id) if rule_id is not None else None
    if removed:
        kind, action = removed
        audit.record("remove-screening-rule", "screening", kind=kind, effect=action)
    db.session.commit()
    flash(gettext("The rule is removed.") if removed else gettext("Nothing was changed: the rule was gone already."))
    return see_other("lists.screening")


def _page(form: RuleForm) -> str:
    config: Config = current_app.config["ACTIONKIT"]
    return render_template(
        "screening/rules.html",
        form=form,
        rules=operations.all_rules(),
        kinds=KINDS,
        actions=ACTIONS,
        limits=[_in_words(limit) for limit in _limits(config)],
        disposable_domains=len(disposable.DOMAINS),
        with_proof=[campaign for campaign in all_campaigns(None) if campaign.asks_proof],
    )


def _limits(config: Config) -> list[Limit]:
    """The limits that are on."""
    if config.sign_limit is None:
        return []
    return [limit for limit in (config.sign_limit, config.sign_limit_sustained) if limit]


def _in_words(limit: Limit) -> tuple[int, str]:
    """(30, "5 minutes"): exact, in the largest unit that fits."""
    units = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
    unit = next(name for name, seconds in units.items() if limit.seconds % seconds == 0)
    return limit.count, format_timedelta(dt.timedelta(seconds=limit.seconds), granularity=unit, threshold=10**6)


# ---------------------------------------------------------------- a campaign under attack


@blueprint.post("/campaigns/<slug>/proof/<any(on, off):switch>")
@rights.needs(Right.EDIT)
def ask_for_proof(slug: str, switch: str) -> Response:
    """Ask for a proof of work on this campaign's form, or no longer."""
    campaign = campaign_for(Right.EDIT, slug)
    is_on = switch == "on"
    is_switched = operations.ask_for_proof(campaign, is_on=is_on)
    if is_switched:
        audit.record(f"proof-{switch}", slug)
    db.session.commit()
    if is_switched:
        freshness.published()
    if is_on:
        flash(gettext("Proof of work is on. Signatures that come without it are held."))
    else:
        flash(gettext("Proof of work is off."))
    return see_other("desk.signatures", slug=slug)
