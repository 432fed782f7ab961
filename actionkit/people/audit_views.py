"""The audit trail behind the desk, and as a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sqlalchemy as sa
from flask import Blueprint, Response, render_template, request
from flask_babel import gettext
from werkzeug.exceptions import BadRequest
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]

from actionkit import db, languages
from actionkit.campaigns.operations import all_campaigns
from actionkit.paging import page_number
from actionkit.people import trail, words
from actionkit.people.audit_forms import TrailForm
from actionkit.staff import audit, rights
from actionkit.staff.models import StaffMember
from actionkit.staff.rights import Right

blueprint = Blueprint("audit", __name__, url_prefix="/staff")


@blueprint.get("/audit")
@rights.needs(Right.ACT)
def index() -> tuple[str, int]:
    """Who did what, and when: all for administrators, for others what was done on their campaigns."""
    languages.choose()
    form, sees_all = _form()
    is_valid = form.validate()
    wanted = form.wanted if is_valid else trail.Wanted()
    page = render_template(
        "people/audit.html",
        form=form,
        found=trail.page(wanted, page_number(request.args.get("page", ""))) if is_valid else None,
        criteria=wanted.criteria,
        words=words,
        sees_all=sees_all,
    )
    return page, 200 if is_valid else 422


@blueprint.get("/audit.csv")
@rights.needs(Right.ACT)
def download() -> Response:
    """What the page shows, all of it, after the trail itself has it: who, and which part."""
    form, _sees_all = _form()
    if not form.validate():
        raise BadRequest
    wanted = form.wanted
    query = trail.entries(wanted)  # what this member may see, asked while there is a request
    db.writing()
    audit.record("export-audit", "audit", **wanted.criteria)
    db.session.commit()

    def parts() -> Iterator[bytes]:
        with db.snapshot() as connection:
            yield from trail.stream(connection, query)

    response = Response(db.keep_context(parts()), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{_file_name(wanted)}.csv"'
    return response


def _file_name(wanted: trail.Wanted) -> str:
    days = [day.isoformat() for day in (wanted.since, wanted.until) if day]
    return "-".join(["audit", *days])


def _form() -> tuple[TrailForm, bool]:
    """The form with what may be chosen; and whether the member sees everything."""
    form = TrailForm(request.args)
    sees_all = rights.campaign_ids(Right.ADMIN) is None
    campaigns = all_campaigns(rights.campaign_ids(Right.ACT))
    known = sorted(
        ((action, str(said)) for action, said in words.ACTIONS.items() if sees_all or _is_of_campaigns(action)),
        key=lambda choice: choice[1].casefold(),
    )
    form.action.choices = _choices(known)
    form.campaign.choices = _choices((each.slug, each.text_in(each.language).title) for each in campaigns)
    members = db.session.execute(sa.select(StaffMember.id, StaffMember.email).order_by(StaffMember.email)).all()
    everybody = [*((str(row.id), row.email) for row in members), (str(trail.SERVER), gettext("the server"))]
    form.member.choices = _choices(everybody if sees_all else ())
    return form, sees_all


def _choices(known: Iterable[tuple[str, str]]) -> list[SelectChoice]:
    return [SelectChoice(value, label) for value, label in (("", gettext("all")), *known)]


def _is_of_campaigns(action: str) -> bool:
    return action not in words.NOT_OF_A_CAMPAIGN
