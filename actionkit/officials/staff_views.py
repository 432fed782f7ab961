"""The desk's pages of officials: all of them, one of them, its addresses, and in or out of use."""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, render_template, request
from flask_babel import gettext, ngettext

from actionkit import db, freshness, languages
from actionkit.campaigns.desk import campaign_for, changeable, official_for
from actionkit.campaigns.models import Campaign, Official
from actionkit.campaigns.operations import all_campaigns
from actionkit.letters import addresses, out_of_use
from actionkit.officials import correspondence, desk, exporting, operations
from actionkit.officials.forms import AddressForm, NewOfficialForm, OfficialForm
from actionkit.paging import page_number
from actionkit.redirects import see_other
from actionkit.signing.staff_views import LETTER_STATES
from actionkit.staff import audit, rights
from actionkit.staff.rights import Right

blueprint = Blueprint("officials", __name__, url_prefix="/staff/officials")


# ---------------------------------------------------------------- all


@blueprint.get("")
@rights.needs(Right.VIEW)
def index() -> str:
    languages.choose()
    wanted, mine = desk.Wanted.of(request.args), rights.campaign_ids(Right.VIEW)
    return render_template(
        "officials/index.html",
        found=desk.officials(wanted, mine, number=page_number(request.args.get("page", ""))),
        wanted=wanted,
        countries=desk.countries_there(languages.current()),
        campaigns=all_campaigns(mine),
        is_empty=desk.is_empty(),
        may_edit=rights.may(Right.EDIT),
        may_export=rights.may(Right.EXPORT),
    )


@blueprint.get("/new")
@rights.needs(Right.EDIT)
def new() -> str:
    languages.choose()
    return render_template("officials/new.html", form=NewOfficialForm(formdata=None, language="en"))


@blueprint.post("/new")
@rights.needs(Right.EDIT)
def add() -> Response:
    languages.choose()
    form = NewOfficialForm()
    if not form.validate():
        db.reading()
        return make_response(render_template("officials/new.html", form=form), 422)
    official = operations.add(form.address, **form.chosen)
    audit.record("add-official", official.slug, official=official.id, new=addresses.domain(official.email))
    db.session.commit()
    flash(gettext("The official is stored. Say below which campaigns write to it."))
    return see_other("officials.show", official=official.slug)


# ---------------------------------------------------------------- one


@blueprint.get("/<official>")
@rights.needs(Right.VIEW)
def show(official: str) -> str:
    return _page(official_for(Right.VIEW, official), AddressForm(formdata=None))


def _page(official: Official, form: AddressForm) -> str:
    mine = rights.campaign_ids(Right.VIEW)
    everywhere = desk.campaigns_of(official)
    seen = [each for each in everywhere if mine is None or each.id in mine]
    return render_template(
        "officials/official.html",
        official=official,
        form=form,
        addresses=addresses.of(official),
        others_at=desk.others_at(official),
        correspondence=correspondence.of(official, seen),
        most_counted=correspondence.MOST_COUNTED,
        states=LETTER_STATES,
        unseen=len(everywhere) - len(seen),
        may_change=bool(rights.may(Right.EDIT) and changeable([official.id])),
        may_take=_may_take(everywhere),
    )


def _may_take(seated: list[Campaign]) -> list[Campaign]:
    """The member's campaigns that could write to the official and do not."""
    if not rights.may(Right.EDIT):
        return []
    seated_ids = {campaign.id for campaign in seated}
    return [each for each in all_campaigns(rights.campaign_ids(Right.EDIT)) if each.id not in seated_ids]


@blueprint.get("/<official>/edit")
@rights.needs(Right.EDIT)
def edit(official: str) -> str:
    found = official_for(Right.EDIT, official)
    return render_template("officials/edit.html", official=found, form=OfficialForm.about(found))


@blueprint.post("/<official>/edit")
@rights.needs(Right.EDIT)
def save(official: str) -> Response:
    found = official_for(Right.EDIT, official)
    form = OfficialForm(language=found.language)
    if not form.validate():
        db.reading()
        return make_response(render_template("officials/edit.html", official=found, form=form), 422)
    if changed := operations.change(found, **form.chosen):
        audit.record("edit-official", found.slug, official=found.id, fields=changed)
    db.session.commit()
    freshness.published()
    flash(gettext("Saved. Letters that have not left yet follow it."))
    return see_other("officials.show", official=official)


@blueprint.post("/<official>/campaigns")
@rights.needs(Right.EDIT)
def seat(official: str) -> Response:
    """Have one more campaign write to the official."""
    found = official_for(Right.VIEW, official)
    slug = request.form.get("campaign", "")
    if slug not in {each.slug for each in _may_take(desk.campaigns_of(found))}:
        db.session.rollback()
        flash(gettext("Nothing was changed: please choose one of your campaigns that does not write to it yet."))
        return see_other("officials.show", official=official)
    campaign = campaign_for(Right.EDIT, slug)
    if operations.seat(campaign, [found.id]):
        audit.record("seat-official", campaign.slug, official=found.slug)
    db.session.commit()
    freshness.published()
    flash(gettext("Whoever signs from now on writes to this official too."))
    return see_other("officials.show", official=official)


# ---------------------------------------------------------------- its addresses


@blueprint.post("/<official>/addresses")
@rights.needs(Right.EDIT)
def add_address(official: str) -> Response:
    """Keep one more address; to be used at once, or after those that are there."""
    found = official_for(Right.EDIT, official)
    form = AddressForm()
    if not form.validate():
        db.reading()
        return make_response(_page(found, form), 422)
    addresses.locked(found.id)
    if request.form.get("use"):
        said = _use(found, form.address)
        db.session.commit()
        flash(said)
        return see_other("officials.show", official=official)
    if not addresses.add(found, form.address):
        db.session.rollback()
        db.reading()
        form.email.errors = [gettext("This address is known already, or there are ten of them, which is all we keep.")]
        return make_response(_page(official_for(Right.EDIT, official), form), 422)
    audit.record("add-official-address", found.slug, official=found.id, new=addresses.domain(form.address))
    db.session.commit()
    flash(gettext("The address is kept. Letters go on to the one in use."))
    return see_other("officials.show", official=official)


@blueprint.post("/<official>/addresses/<any(use, forget):decision>")
@rights.needs(Right.EDIT)
def change_address(official: str, decision: str) -> Response:
    """Write to one of the known addresses from now on, or forget it."""
    found = official_for(Right.EDIT, official)
    addresses.locked(found.id)
    chosen = next((each.email for each in addresses.of(found) if each.email == request.form.get("email")), None)
    if chosen is None:
        said = gettext("Nothing was changed: this is no address of the official any more.")
    elif decision == "use":
        said = _use(found, chosen)
    elif addresses.remove(found, chosen):
        audit.record("forget-official-address", found.slug, official=found.id, old=addresses.domain(chosen))
        said = gettext("The address is forgotten.")
    else:
        said = gettext("Nothing was changed: this address is in use.")
    db.session.commit()
    flash(said)
    return see_other("officials.show", official=official)


def _use(official: Official, address: str) -> str:
    """Write to an address from now on; what to tell staff about it."""
    before = addresses.domain(official.email)
    queued = addresses.use(official, address)
    changed = {"old": before, "new": addresses.domain(address), "letters": queued}
    audit.record("official-address", official.slug, official=official.id, **changed)
    if not queued:
        return gettext("The address is in use. No letter was waiting for it.")
    return ngettext(
        "The address is in use, and %(num)s letter is queued again.",
        "The address is in use, and %(num)s letters are queued again.",
        queued,
    )


# ---------------------------------------------------------------- in and out of use


@blueprint.get("/<official>/retire")
@rights.needs(Right.EDIT)
def before_retiring(official: str) -> str:
    """What it means in numbers, and the button."""
    found = official_for(Right.EDIT, official)
    return render_template(
        "officials/retire.html",
        official=found,
        consequences=out_of_use.consequences(found),
        waiting=out_of_use.waiting(found),
        may_delete=not operations.is_written_to(found.id),
    )


@blueprint.post("/<official>/<any(retire, restore):decision>")
@rights.needs(Right.EDIT)
def retire(official: str, decision: str) -> Response:
    """Write to the official no more, or again."""
    found = official_for(Right.EDIT, official)
    if decision == "retire":
        letters, is_done = out_of_use.waiting(found), out_of_use.take_out(found)
        said = gettext("The official is out of use. Letters that waited are being cancelled; this page takes it back.")
    else:
        letters, is_done = out_of_use.stopped(found), out_of_use.bring_back(found)
        said = gettext("The official is in use again, and letters that were cancelled for it are being queued again.")
    if is_done:
        audit.record(f"{decision}-official", found.slug, official=found.id, letters=letters)
    db.session.commit()
    freshness.published()
    flash(said if is_done else gettext("Nothing was changed: it was so already."))
    return see_other("officials.show", official=official)


@blueprint.post("/<official>/delete")
@rights.needs(Right.EDIT)
def delete(official: str) -> Response:
    """Delete an official to whom nothing was ever written."""
    found = official_for(Right.EDIT, official)
    is_done = operations.delete(found)
    if is_done:
        audit.record("delete-official", official, official=found.id)
    db.session.commit()
    freshness.published()
    if not is_done:
        flash(gettext("Nothing was deleted: letters point to this official. It can be taken out of use."))
        return see_other("officials.show", official=official)
    flash(gettext("The official is deleted."))
    return see_other("officials.index")


# ---------------------------------------------------------------- as files


@blueprint.post("/export")
@rights.needs(Right.EXPORT)
def export() -> Response:
    """All officials, or those that a search finds, in the format that is read again or as Popolo."""
    languages.choose()
    wanted = desk.Wanted.of(request.form)
    found = exporting.all_of(desk.which(wanted, rights.campaign_ids(Right.VIEW)))
    is_popolo = request.form.get("format") == "popolo"
    content = exporting.as_popolo(found) if is_popolo else exporting.as_csv(found)
    audit.record("export-officials", "officials", officials=len(found), format="popolo" if is_popolo else "csv")
    db.session.commit()
    if is_popolo:
        return exporting.as_download(content, "application/json", "officials.json")
    return exporting.as_download(content, "text/csv", "officials.csv")
