"""The trail of what was done behind the desk."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from actionkit import db
from actionkit.staff import audit_chain, current
from actionkit.staff.models import AuditEntry

_WAITING = "audit entries of this transaction"


def record(action: str, subject: str, **detail: Any) -> AuditEntry:
    """Add what the current member does to the transaction at hand; nobody, on the console.

    `detail` is JSON of ids, states and numbers, never a supporter's data: the trail outlives
    what an erasure empties. The entry is stored when the transaction commits, and with it or
    not at all.
    """
    entry = AuditEntry(
        at=db.now(),
        staff_member_id=current.member_id(),
        action=action,
        subject=subject[:300],
        detail=json.loads(json.dumps(detail)),  # as it will be read again, which is what the chain covers
    )
    session = db.session()
    if not session.in_transaction():
        session.begin()  # so that there is something to roll back, and the entry with it
    session.info.setdefault(_WAITING, []).append(entry)
    return entry


@sa.event.listens_for(db.session, "before_commit")
def _store(session: Session) -> None:
    """Last of all that a transaction does: from here on others that add to the trail wait for it."""
    if entries := session.info.pop(_WAITING, None):
        session.flush()
        audit_chain.append(entries)


@sa.event.listens_for(db.session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_WAITING, None)
