"""From proof to session: what else is asked of whom, before a session begins.

| proven by | and then |
|---|---|
| password, one-time link, invitation, new password by mail | the second factor, where the member has one |
| passkey | nothing: it proves the device and, by its PIN or fingerprint, the person |

A member who must have a second factor and has none comes in, and sees nothing but the page on
which she sets one up.
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from flask import current_app, session, url_for

from actionkit import db
from actionkit.staff import current, signed_in
from actionkit.staff.models import StaffMember, StaffRole

HALF_SECONDS = 600
"""So long one may take to enter the code after the password."""

_HALF = "half"


def enter(member: StaffMember, by: str, next_path: str) -> str:
    """Where to go from here: to the second factor, or signed in to `next_path`."""
    if not member.has_second_factor:
        signed_in.begin(member, by)
        return next_path
    session.clear()
    session[_HALF] = {"who": member.fs_uniquifier, "by": by, "at": int(time.time()), "next": next_path}
    return url_for("factors.ask")


def half() -> tuple[StaffMember, str, str] | None:
    """Who has proven one thing and not yet the second, by what, and where she wanted to go."""
    said = session.get(_HALF)
    if not said or not 0 <= time.time() - said["at"] <= HALF_SECONDS:
        return None
    member = db.session.scalar(
        sa.select(StaffMember).where(StaffMember.fs_uniquifier == said["who"], StaffMember.deactivated_at.is_(None))
    )
    return (member, said["by"], said["next"]) if member else None


def half_name() -> str:
    """A name for who is half signed in, to count wrong codes by."""
    said = session.get(_HALF)
    return str(said["who"]) if said else ""


def must_set_up(member: StaffMember | None = None) -> bool:
    """Whether the member (the current one) needs a second factor by the settings, and has none."""
    member = member or current.member()
    if member is None or member.has_second_factor:
        return False
    who = current_app.config["ACTIONKIT"].second_factor_for
    return who == "everyone" or (who == "admins" and is_admin(member))


def is_admin(member: StaffMember) -> bool:
    return any(grant.role == StaffRole.ADMIN and grant.campaign_id is None for grant in member.grants)
