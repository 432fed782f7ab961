"""Who works here: invited, given roles, closed and opened again by administrators."""

from __future__ import annotations

from flask import Blueprint, flash, render_template, url_for
from flask_babel import gettext
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from actionkit import db, languages
from actionkit.campaigns.operations import all_campaigns
from actionkit.people import roster
from actionkit.people.forms import ROLE_NAMES, InviteForm, RoleForm
from actionkit.redirects import see_other
from actionkit.staff import audit, current, door, invitations, operations, rights, second_factor, signed_in
from actionkit.staff.models import Grant, StaffMember, StaffRole
from actionkit.staff.rights import Right

blueprint = Blueprint("people", __name__, url_prefix="/staff/people")


def _member(member_id: int) -> StaffMember:
    """Anyone's account: for administrators alone, who are so for all campaigns."""
    languages.choose()
    member = db.session.get(StaffMember, member_id)
    if member is None:
        raise NotFound
    return member


def _done(member: StaffMember, message: str) -> Response:
    db.session.expire_all()
    flash(message)
    return see_other("people.show", member_id=member.id)


# ---------------------------------------------------------------- everybody


@blueprint.get("")
@rights.needs_everywhere(Right.ADMIN)
def index() -> str:
    languages.choose()
    return _list(InviteForm(all_campaigns(None)))


@blueprint.post("")
@rights.needs_everywhere(Right.ADMIN)
def invite() -> Response | tuple[str, int]:
    """Make an account with a role, and send its owner a link; a role more where there is one already."""
    language = languages.choose()
    form = InviteForm(all_campaigns(None))
    if not form.validate():
        return _list(form), 422
    role = StaffRole(form.role.data)
    member, is_sent = invitations.invite(form.email.data or "", role, form.campaigns.data or [], language)
    db.session.commit()
    if is_sent:
        flash(gettext("An invitation to %(email)s is on its way. It works for seven days.", email=member.email))
    else:
        flash(gettext("%(email)s has an account already, and now has this role.", email=member.email))
    return see_other("people.index")


def _list(form: InviteForm) -> str:
    return render_template("people/people.html", form=form, people=roster.everybody(), role_names=ROLE_NAMES)


# ---------------------------------------------------------------- one


@blueprint.get("/<int:member_id>")
@rights.needs_everywhere(Right.ADMIN)
def show(member_id: int) -> str:
    return _page(_member(member_id))


def _page(member: StaffMember, form: RoleForm | None = None) -> str:
    return render_template(
        "people/person.html",
        member=member,
        person=roster.one(member),
        form=form or RoleForm(all_campaigns(None)),
        role_names=ROLE_NAMES,
        sessions=signed_in.running(member),
        is_oneself=member.id == current.member_id(),
        this=signed_in.this_session(),
        recovery_left=second_factor.recovery_codes_left(member),
        must_set_up=door.must_set_up(member),
        end_path=lambda public_id: url_for("people.end_session", member_id=member.id, public_id=public_id),
    )


@blueprint.post("/<int:member_id>/roles")
@rights.needs_everywhere(Right.ADMIN)
def give_role(member_id: int) -> Response | tuple[str, int]:
    member = _member(member_id)
    form = RoleForm(all_campaigns(None))
    if not form.validate():
        return _page(member, form), 422
    if not member.active:
        return _closed(member)
    operations.add_staff(member.email, StaffRole(form.role.data), None, form.campaigns.data or [])
    db.session.commit()
    return _done(member, gettext("The role holds from the next click on."))


@blueprint.post("/<int:member_id>/roles/<int:grant_id>/remove")
@rights.needs_everywhere(Right.ADMIN)
def take_role(member_id: int, grant_id: int) -> Response:
    member = _member(member_id)
    grant = db.session.get(Grant, grant_id)
    if grant is None or grant.staff_member_id != member.id:
        raise NotFound
    where = [] if grant.campaign_id is None else [grant.campaign_id]
    operations.revoke(member, StaffRole(grant.role), where)
    db.session.commit()
    if member.id == current.member_id() and not rights.may(Right.ADMIN):
        flash(gettext("You are no longer an administrator."))
        return see_other("desk.index")
    return _done(member, gettext("The role is gone from the next click on."))


def _closed(member: StaffMember) -> Response:
    db.session.rollback()
    flash(gettext("This account is closed. Open it first."))
    return see_other("people.show", member_id=member.id)


@blueprint.post("/<int:member_id>/deactivate")
@rights.needs_everywhere(Right.ADMIN)
def deactivate(member_id: int) -> Response:
    member = _member(member_id)
    operations.deactivate(member)
    db.session.commit()
    return _done(member, gettext("The account is closed, and signed out everywhere."))


@blueprint.post("/<int:member_id>/reactivate")
@rights.needs_everywhere(Right.ADMIN)
def reactivate(member_id: int) -> Response:
    member = _member(member_id)
    operations.reactivate(member)
    db.session.commit()
    return _done(member, gettext("The account is open again, with the roles that it had."))


@blueprint.post("/<int:member_id>/invitation/again")
@rights.needs_everywhere(Right.ADMIN)
def invite_again(member_id: int) -> Response:
    member = _member(member_id)
    if not invitations.send_again(member, languages.current()):
        return _has_come(member)
    db.session.commit()
    return _done(member, gettext("A new invitation is on its way. The one before no longer works."))


@blueprint.post("/<int:member_id>/invitation/take-back")
@rights.needs_everywhere(Right.ADMIN)
def take_invitation_back(member_id: int) -> Response:
    member = _member(member_id)
    if not invitations.take_back(member):
        return _has_come(member)
    db.session.commit()
    return _done(member, gettext("The invitation no longer works, and the account is closed."))


def _has_come(member: StaffMember) -> Response:
    db.session.rollback()
    flash(gettext("Nothing was changed: there is no open invitation of this account."))
    return see_other("people.show", member_id=member.id)


@blueprint.post("/<int:member_id>/second-factor/reset")
@rights.needs_everywhere(Right.ADMIN)
def reset_second_factor(member_id: int) -> Response:
    """For who has lost everything: she is told by mail, and sets up another."""
    member = _member(member_id)
    second_factor.reset(member)
    db.session.commit()
    return _done(member, gettext("The second factor is gone, and a mail says so. All sessions have ended."))


@blueprint.post("/<int:member_id>/sessions/<public_id>/end")
@rights.needs_everywhere(Right.ADMIN)
def end_session(member_id: int, public_id: str) -> Response:
    member = _member(member_id)
    if signed_in.end(member, public_id):
        audit.record("end-session", member.email)
    db.session.commit()
    return _done(member, gettext("That browser is signed out."))


@blueprint.post("/<int:member_id>/sessions/end")
@rights.needs_everywhere(Right.ADMIN)
def end_sessions(member_id: int) -> Response:
    member = _member(member_id)
    ended = signed_in.end_all(member)
    audit.record("end-sessions", member.email, sessions=ended)
    db.session.commit()
    return _done(member, gettext("All sessions of this account have ended."))
