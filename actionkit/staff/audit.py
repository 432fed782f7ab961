"""The trail of what was done behind the desk."""

from __future__ import annotations

from typing import Any

from actionkit import db
from actionkit.staff import current
from actionkit.staff.models import AuditEntry


def record(action: str, subject: str, **detail: Any) -> AuditEntry:
    """Add what the current member does to the transaction at hand; nobody, on the console.

    `detail` is JSON of ids, states and numbers, never a supporter's data: the trail outlives
    what an erasure empties.
    """
    entry = AuditEntry(staff_member_id=current.member_id(), action=action, subject=subject[:300], detail=detail)
    db.session.add(entry)
    return entry
