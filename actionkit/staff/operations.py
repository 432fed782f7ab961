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
from actionkit.staff import audit, passwords, signed_in
from actionkit.staff.models import Grant, LinkPurpose, SignInLink, StaffMember, StaffRole

LINK_PURPOSES = {
    LinkPurpose.SIGN_IN: "staff-sign-in",
    LinkPurpose.INVITATION: "staff-invitation",
    LinkPurpose.RESET: "staff-reset",
}
"""What each is signed for: a link of one purpose is forged for another."""
LINK_VALID = {
    LinkPurpose.SIGN_IN: dt.timedelta(hours=1),
    LinkPurpose.INVITATION: dt.timedelta(days=7),
    LinkPurpose.RESET: dt.timedelta(hours=1),
}
LINK_PATHS = {LinkPurpose.SIGN_IN: "link", LinkPurpose.INVITATION: "invitation", LinkPurpose.RESET: "new-password"}


class EmailInvalid(ActionError):
    """The text is no e-mail address."""


class PasswordRefused(ActionError):
    """The password is too short, or one that others would try first."""


class AdminOfOneCampaign(ActionError):
    """An administrator makes accounts, for herself too: she cannot be kept to some campaigns."""


class SignInLinkUsed(ActionError):
    """The link has let someone in already."""

    code = 410


class SignInLinkExpired(ActionError):
    """The link is too old, was taken back, or its account is no longer active."""

    code = 410


class LastAdmin(ActionError):
    """Without an administrator nobody could let anyone in."""

    code = 409


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
    same call twice changes nothing. A new password ends the account's sessions; a new role holds
    from the next request on. Raises `EmailInvalid`, `PasswordRefused` or `AdminOfOneCampaign`.
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
        set_password(member, password)
    if is_changed:
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
    """Take a role away, on these campaigns or the one for all; effective at the next request.

    Raises `LastAdmin`.
    """
    where = [*campaign_ids]
    if role is StaffRole.ADMIN:
        _keep_an_admin(member)
    place = Grant.campaign_id.in_(where) if where else Grant.campaign_id.is_(None)
    gone = sa.delete(Grant).where(Grant.staff_member_id == member.id, Grant.role == str(role), place)
    if db.rows_changed(gone):
        audit.record("revoke", member.email, role=str(role), campaigns=where)
        db.session.flush()
        db.session.expire(member, ["grants"])


def deactivate(member: StaffMember) -> None:
    """Close an account: it is refused at its next request, and no link or password opens it.

    Raises `LastAdmin`.
    """
    if member.deactivated_at is None:
        _keep_an_admin(member)
        member.deactivated_at = db.now()
        signed_in.end_all(member)
        audit.record("deactivate-staff", member.email)
        db.session.flush()


def reactivate(member: StaffMember) -> None:
    """Open a closed account again, with the roles, the password and the second factor that it had."""
    if member.deactivated_at is not None:
        member.deactivated_at = None
        audit.record("reactivate-staff", member.email)
        db.session.flush()


def _keep_an_admin(leaving: StaffMember) -> None:
    """Raise `LastAdmin` unless another administrator stays.

    The rows of all administrators are locked first: of two who take each other's role at once one waits
    here, and then sees what the other did.
    """
    is_admin = (Grant.role == str(StaffRole.ADMIN), Grant.campaign_id.is_(None))
    active = sa.select(StaffMember.id).where(StaffMember.deactivated_at.is_(None))
    everyone = sa.select(Grant.staff_member_id).where(*is_admin)
    db.session.execute(
        sa.select(StaffMember.id).where(StaffMember.id.in_(everyone)).order_by(StaffMember.id).with_for_update()
    ).all()
    admins = set(db.session.scalars(everyone.where(Grant.staff_member_id.in_(active))))
    if admins == {leaving.id}:
        raise LastAdmin(_("This is the last administrator. Make somebody else one first."))


def set_password(member: StaffMember, password: str) -> None:
    """Give the account a password and end its sessions. Raises `PasswordRefused`."""
    if found := passwords.faults(password, member.email):
        raise PasswordRefused(found[0])
    plain = current_app.extensions["security"].password_util.normalize(password)
    if member.password and verify_password(plain, member.password):
        return
    member.password = hash_password(plain)
    signed_in.end_all(member)
    audit.record("set-password", member.email)


# ---------------------------------------------------------------- one-time links


def new_sign_in_link(member: StaffMember) -> str:
    """The path of a link that signs the member in once, within an hour."""
    return path_of_link(new_link(member, LinkPurpose.SIGN_IN))


def new_link(member: StaffMember, purpose: LinkPurpose, language: str = "en") -> SignInLink:
    """A link for the purpose; of invitations and resets only the latest works."""
    if purpose is not LinkPurpose.SIGN_IN:
        revoke_links(member, purpose)
    link = SignInLink(staff_member_id=member.id, purpose=str(purpose), language=language)
    link.public_id, link.created_at = db.new_public_id(), db.now()
    db.session.add(link)
    db.session.flush()
    return link


def path_of_link(link: SignInLink) -> str:
    """The path that the link's owner opens; the same whenever it is asked for."""
    purpose = LinkPurpose(link.purpose)
    return f"/staff/{LINK_PATHS[purpose]}/{make_token(LINK_PURPOSES[purpose], link.public_id, link.created_at)}"


def revoke_links(member: StaffMember, purpose: LinkPurpose) -> list[int]:
    """Make the member's unused links of this purpose useless; their ids."""
    unused = (SignInLink.staff_member_id == member.id, SignInLink.purpose == str(purpose))
    revoked = sa.update(SignInLink).where(*unused, SignInLink.used_at.is_(None), SignInLink.revoked_at.is_(None))
    return list(db.session.scalars(revoked.values(revoked_at=db.now()).returning(SignInLink.id)))


def look_at_link(token: str, purpose: LinkPurpose = LinkPurpose.SIGN_IN) -> StaffMember:
    """Whom the link would let in; changes nothing. Raises as `use_link` does."""
    link, member = _link_and_member(token, purpose)
    if link.used_at is not None:
        raise SignInLinkUsed(_("This link has been used. It worked once."))
    return member


def use_link(token: str, purpose: LinkPurpose = LinkPurpose.SIGN_IN) -> StaffMember:
    """Use the link up; the member it lets in. Of two at once one wins.

    Raises `NotFound` for a forged link, `SignInLinkUsed` or `SignInLinkExpired` for a genuine one.
    """
    link, member = _link_and_member(token, purpose)
    unused = (SignInLink.id == link.id, SignInLink.used_at.is_(None), SignInLink.revoked_at.is_(None))
    if not db.rows_changed(sa.update(SignInLink).where(*unused).values(used_at=db.now())):
        raise SignInLinkUsed(_("This link has been used. It worked once."))
    return member


def _link_and_member(token: str, purpose: LinkPurpose) -> tuple[SignInLink, StaffMember]:
    said: Token = read_token(LINK_PURPOSES[purpose], token)
    link = db.session.scalar(sa.select(SignInLink).where(SignInLink.public_id == said.public_id))
    if link is None:
        raise NotFound
    member = db.session.get_one(StaffMember, link.staff_member_id)
    if link.used_at is None and link.revoked_at is not None:
        raise SignInLinkExpired(_("This link no longer works. There is a newer one, or it was taken back."))
    if said.is_older_than(LINK_VALID[purpose], db.now()) or not member.active:
        raise SignInLinkExpired(_("This link has expired. Please ask for a new one."))
    return link, member
