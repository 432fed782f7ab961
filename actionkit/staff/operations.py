"""What can be done to staff accounts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import sqlalchemy as sa
from flask import current_app
from flask_babel import gettext as _
from flask_security import hash_password, verify_password
from werkzeug.exceptions import NotFound

from actionkit import db
from actionkit.addresses import AddressInvalid, normalise
from actionkit.errors import ActionError
from actionkit.security import Token, make_token, read_token
from actionkit.staff import audit, passwords
from actionkit.staff.models import Grant, SignInLink, StaffMember, StaffRole

LINK_PURPOSE = "staff-sign-in"
LINK_VALID = dt.timedelta(hours=1)


class EmailInvalid(ActionError):
    """The text is no e-mail address."""


class PasswordRefused(ActionError):
    """The password is too short, or one that others would try first."""


class AdminOfOneCampaign(ActionError):
    """An administrator makes accounts, for herself too: she cannot be kept to some campaigns."""


class SignInLinkUsed(ActionError):
    """The link has signed someone in already."""

    code = 410


class SignInLinkExpired(ActionError):
    """The link is older than an hour, or its account is no longer active."""

    code = 410


# ---------------------------------------------------------------- accounts


def find_staff(email: str) -> StaffMember | None:
    """The account of the address, in any spelling of its case; active or not."""
    try:
        address = normalise(email).lower()
    except AddressInvalid:
        return None
    return db.session.scalar(sa.select(StaffMember).where(StaffMember.email == address))


def add_staff(
    email: str, role: StaffRole, password: str | None = None, campaign_ids: Iterable[int] = ()
) -> StaffMember:
    """Make an account with the role, on these campaigns or on all; or give it to the account there is.

    A role is added and none is taken away; an account that was deactivated is active again. The
    same call twice changes nothing. A new password, or a new role of an account that there was,
    ends its sessions. Raises `EmailInvalid`, `PasswordRefused` or `AdminOfOneCampaign`.
    """
    where: list[int | None] = [*campaign_ids] or [None]
    if role is StaffRole.ADMIN and where != [None]:
        raise AdminOfOneCampaign(_("An administrator is one for all campaigns. Choose another role for some of them."))
    member = _member_of(email)
    # All rows are inserted or found: two commands at once make one account.
    is_changed = sum([_grant(member, role, campaign_id) for campaign_id in where]) > 0
    if member.deactivated_at is not None:
        member.deactivated_at, is_changed = None, True
    if password is not None:
        _set_password(member, password)
    if is_changed:
        end_sessions(member)
        audit.record("add-staff", member.email, role=str(role), campaigns=[id for id in where if id is not None])
    db.session.flush()
    db.session.expire(member, ["grants"])
    return member


def _member_of(email: str) -> StaffMember:
    try:
        address = normalise(email.strip()).lower()
    except AddressInvalid:
        raise EmailInvalid(_("This is not a complete e-mail address. It looks like name@example.org.")) from None
    made = db.insert(StaffMember).values(email=address, name="", fs_uniquifier=db.new_public_id(), created_at=db.now())
    db.session.execute(made.on_conflict_do_nothing())
    return db.session.execute(sa.select(StaffMember).where(StaffMember.email == address)).scalar_one()


def _grant(member: StaffMember, role: StaffRole, campaign_id: int | None) -> bool:
    """Whether the member did not have it yet."""
    made = db.insert(Grant).values(
        staff_member_id=member.id, role=str(role), campaign_id=campaign_id, created_at=db.now()
    )
    return bool(db.session.execute(made.on_conflict_do_nothing()).rowcount)  # type: ignore[attr-defined]


def revoke(member: StaffMember, role: StaffRole, campaign_ids: Iterable[int] = ()) -> None:
    """Take a role away, on these campaigns or the one for all; effective at the next request."""
    where = [*campaign_ids]
    place = Grant.campaign_id.in_(where) if where else Grant.campaign_id.is_(None)
    gone = sa.delete(Grant).where(Grant.staff_member_id == member.id, Grant.role == str(role), place)
    if db.rows_changed(gone):
        end_sessions(member)
        audit.record("revoke", member.email, role=str(role), campaigns=where)
        db.session.flush()
        db.session.expire(member, ["grants"])


def deactivate(member: StaffMember) -> None:
    """Close an account: it is refused at its next request, and no link or password opens it."""
    if member.deactivated_at is None:
        member.deactivated_at = db.now()
        end_sessions(member)
        audit.record("deactivate-staff", member.email)
        db.session.flush()


def end_sessions(member: StaffMember) -> None:
    """Every session of the account ends, wherever it is open."""
    member.fs_uniquifier = db.new_public_id()


def _set_password(member: StaffMember, password: str) -> None:
    if found := passwords.faults(password, member.email):
        raise PasswordRefused(found[0])
    plain = current_app.extensions["security"].password_util.normalize(password)
    if member.password and verify_password(plain, member.password):
        return
    member.password = hash_password(plain)
    end_sessions(member)
    audit.record("set-password", member.email)


# ---------------------------------------------------------------- one-time links


def new_sign_in_link(member: StaffMember) -> str:
    """The path of a link that signs the member in once, within an hour."""
    link = SignInLink(staff_member_id=member.id, public_id=db.new_public_id(), created_at=db.now())
    db.session.add(link)
    db.session.flush()
    return f"/staff/link/{make_token(LINK_PURPOSE, link.public_id, link.created_at)}"


def look_at_link(token: str) -> StaffMember:
    """Whom the link would sign in; changes nothing. Raises as `use_sign_in_link` does."""
    link, member = _link_and_member(token)
    if link.used_at is not None:
        raise SignInLinkUsed(_("This link has been used. A sign-in link works once."))
    return member


def use_sign_in_link(token: str) -> StaffMember:
    """Use the link up; the member it signs in. Of two at once one wins.

    Raises `NotFound` for a forged link, `SignInLinkUsed` or `SignInLinkExpired` for a genuine one.
    """
    link, member = _link_and_member(token)
    won = sa.update(SignInLink).where(SignInLink.id == link.id, SignInLink.used_at.is_(None)).values(used_at=db.now())
    if not db.rows_changed(won):
        raise SignInLinkUsed(_("This link has been used. A sign-in link works once."))
    return member


def _link_and_member(token: str) -> tuple[SignInLink, StaffMember]:
    said: Token = read_token(LINK_PURPOSE, token)
    link = db.session.scalar(sa.select(SignInLink).where(SignInLink.public_id == said.public_id))
    if link is None:
        raise NotFound
    member = db.session.get_one(StaffMember, link.staff_member_id)
    if said.is_older_than(LINK_VALID, db.now()) or not member.active:
        raise SignInLinkExpired(_("This link has expired. It was valid for an hour."))
    return link, member
