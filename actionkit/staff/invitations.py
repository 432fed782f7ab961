"""Invitations by mail, and links to set a new password: one-time links that leave through the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery import outbox
from actionkit.staff import audit, operations
from actionkit.staff.models import LinkPurpose, SignInLink, StaffMember, StaffRole

INVITATION = "staff-invitation"
RESET = "staff-reset"
"""Kinds of mail; the subject of each is the id of its link."""

BETWEEN_RESETS = dt.timedelta(minutes=10)
MOST_RESETS_A_DAY = 5


def invite(email: str, role: StaffRole, campaign_ids: Iterable[int], language: str) -> tuple[StaffMember, bool]:
    """Give the address a role, and send an invitation where nobody has signed in with it yet; whether it was sent.

    Raises as `operations.add_staff` does.
    """
    where = [*campaign_ids]
    member = operations.add_staff(email, role, None, where)
    if member.last_signed_in_at is not None or member.password is not None:
        return member, False
    _send(member, language)
    audit.record("invite-staff", member.email, role=str(role), campaigns=where)
    return member, True


def send_again(member: StaffMember, language: str) -> bool:
    """A new link; the one before no longer works. False where there is no invitation, or it was accepted."""
    if current(member) is None or member.last_signed_in_at is not None:
        return False
    _send(member, language)
    audit.record("invite-staff-again", member.email)
    return True


def take_back(member: StaffMember) -> bool:
    """The link no longer works, and the account is closed. False where there is none, or it was accepted."""
    if member.last_signed_in_at is not None or not _revoke(member):
        return False
    operations.deactivate(member)
    audit.record("revoke-invitation", member.email)
    return True


def _send(member: StaffMember, language: str) -> None:
    _revoke(member)
    link = operations.new_link(member, LinkPurpose.INVITATION, language)
    outbox.put(INVITATION, link.id, [f"staff:{member.id}"])


def _revoke(member: StaffMember) -> bool:
    revoked = operations.revoke_links(member, LinkPurpose.INVITATION)
    for link_id in revoked:
        outbox.cancel(INVITATION, link_id, "the invitation was taken back")
    return bool(revoked)


def current(member: StaffMember) -> SignInLink | None:
    """The member's latest invitation that was neither used nor taken back; it may have run out."""
    return latest([member.id]).get(member.id)


def latest(member_ids: Iterable[int]) -> dict[int, SignInLink]:
    """The same for several members."""
    unused = (SignInLink.used_at.is_(None), SignInLink.revoked_at.is_(None))
    found = sa.select(SignInLink).where(
        SignInLink.staff_member_id.in_([*member_ids]), SignInLink.purpose == LinkPurpose.INVITATION, *unused
    )
    return {link.staff_member_id: link for link in db.session.scalars(found.order_by(SignInLink.id))}


def has_run_out(link: SignInLink) -> bool:
    return db.now() - link.created_at > operations.LINK_VALID[LinkPurpose(link.purpose)]


# ---------------------------------------------------------------- a new password


def ask_for_reset(email: str, language: str) -> None:
    """Send a link to set a new password, where there is an open account; who asks is not told which it was.

    At most one in ten minutes and five a day, so that nobody's mailbox is filled through us.
    """
    member = operations.find_staff(email)
    if member is None or not member.active:
        return
    mine = (SignInLink.staff_member_id == member.id, SignInLink.purpose == LinkPurpose.RESET)
    made = sa.select(sa.func.count(), sa.func.max(SignInLink.created_at)).where(
        *mine, SignInLink.created_at > db.now() - dt.timedelta(days=1)
    )
    number, last_at = db.session.execute(made).one()
    if number >= MOST_RESETS_A_DAY or (last_at and db.now() - last_at < BETWEEN_RESETS):
        return
    link = operations.new_link(member, LinkPurpose.RESET, language)
    outbox.put(RESET, link.id, [f"staff:{member.id}"])
    audit.record("ask-for-reset", member.email)
