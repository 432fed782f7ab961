"""The desk's page for erasing a person: first what there is of her, then a button. Never an address in a URL."""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, render_template, request
from flask_babel import gettext

from actionkit import db, languages
from actionkit.redirects import see_other
from actionkit.staff import rights
from actionkit.staff.operations import find_staff
from actionkit.staff.rights import Right
from actionkit.upkeep import erasure
from actionkit.upkeep.forms import EraseForm

blueprint = Blueprint("erase", __name__, url_prefix="/staff/erase")


@blueprint.get("")
@rights.needs(Right.ADMIN)
def show() -> str:
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    return render_template("upkeep/erase.html", form=EraseForm(formdata=None))


@blueprint.post("")
@rights.needs(Right.ADMIN)
def erase() -> Response:
    """Count; with `confirmed` from the counted page, erase."""
    languages.choose()
    rights.require_everywhere(Right.ADMIN)
    form = EraseForm()
    if not form.validate():
        db.reading()
        return make_response(render_template("upkeep/erase.html", form=form), 422)
    if request.form.get("confirmed") != "yes":
        db.reading()
        found = erasure.count(form.email.canonical)
        is_staff = find_staff(form.email.data or "") is not None
        return make_response(render_template("upkeep/erase_counted.html", form=form, found=found, is_staff=is_staff))
    try:
        erasure.erase(form.email.canonical, uncount=bool(form.uncount.data))
    except OSError:
        db.session.rollback()
        flash(gettext("Nothing was erased: the journal of erasures cannot be written on this machine."))
        return see_other("erase.show")
    db.session.commit()
    flash(gettext("The person is erased. The journal keeps her from coming back with a backup."))
    return see_other("erase.show")
