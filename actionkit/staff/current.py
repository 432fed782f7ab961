"""Who is asking."""

from __future__ import annotations

from flask import g, has_request_context, request
from flask_login import current_user

from actionkit.staff.models import StaffMember

DESK = "/staff"
"""Where the desk begins. Nothing outside has a session."""


def is_desk() -> bool:
    """Whether this request is for a page behind the desk."""
    path = request.path
    return path == DESK or path.startswith(f"{DESK}/")


def member() -> StaffMember | None:
    """The signed-in member of this request, read from the database in this request; or None."""
    if not has_request_context():
        return None
    user = current_user._get_current_object()
    return user if isinstance(user, StaffMember) else None


def member_id() -> int | None:
    """The id of the member for whom the request acts, or None; nobody on the console."""
    signed_in = member()
    return signed_in.id if signed_in else g.get("acting_member_id")


def is_acting(member: StaffMember) -> None:
    """Who has proven who she is and is not signed in yet: what this request does, it does for her."""
    g.acting_member_id = member.id
