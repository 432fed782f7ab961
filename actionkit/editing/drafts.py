"""Drafts: what is typed is kept for its author until it is saved or thrown away."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from werkzeug.datastructures import MultiDict

from actionkit import db
from actionkit.editing.models import Draft
from actionkit.staff.models import StaffMember

KEEP_DISCARDED = dt.timedelta(days=7)
KEEP = dt.timedelta(days=180)
AT_WORK = dt.timedelta(hours=1)


def keep(member_id: int, subject: str, typed: MultiDict[str, str]) -> None:
    """Keep this in place of what the member had typed before."""
    fields = [[name, value] for name, value in typed.items(multi=True) if name != "csrf_token"]
    kept = db.insert(Draft).values(staff_member_id=member_id, subject=subject, typed=fields, saved_at=db.now())
    db.session.execute(
        kept.on_conflict_do_update(
            index_elements=["staff_member_id", "subject"],
            set_={"typed": kept.excluded.typed, "saved_at": kept.excluded.saved_at, "discarded_at": None},
        )
    )


def of(member_id: int, subject: str) -> Draft | None:
    """The member's draft, unless it was thrown away."""
    mine = (Draft.staff_member_id == member_id, Draft.subject == subject, Draft.discarded_at.is_(None))
    return db.session.scalar(sa.select(Draft).where(*mine))


def of_others(member_id: int, subject: str) -> Sequence[str]:
    """The addresses of members who have typed into the same form in the last hour, and not saved it yet."""
    is_theirs = (Draft.staff_member_id != member_id, Draft.subject == subject, Draft.discarded_at.is_(None))
    query = sa.select(StaffMember.email).join(Draft, Draft.staff_member_id == StaffMember.id)
    return db.session.scalars(query.where(*is_theirs, Draft.saved_at > db.now() - AT_WORK)).all()


def values_of(draft: Draft) -> MultiDict[str, str]:
    return MultiDict((name, value) for name, value in draft.typed)


def _mark(member_id: int, subject: str, moment: dt.datetime | None) -> bool:
    mine = (Draft.staff_member_id == member_id, Draft.subject == subject)
    return bool(db.rows_changed(sa.update(Draft).where(*mine).values(discarded_at=moment)))


def discard(member_id: int, subject: str) -> bool:
    """Throw it away; False where there is none. `take_back` has it again, for a week."""
    return _mark(member_id, subject, db.now())


def take_back(member_id: int, subject: str) -> bool:
    return _mark(member_id, subject, None)


def forget(member_id: int, subject: str) -> None:
    """What was typed is saved."""
    db.rows_changed(sa.delete(Draft).where(Draft.staff_member_id == member_id, Draft.subject == subject))


def forget_old() -> int:
    """Delete what was thrown away a week ago, or typed half a year ago; how many."""
    moment = db.now()
    is_old = sa.or_(Draft.discarded_at < moment - KEEP_DISCARDED, Draft.saved_at < moment - KEEP)
    return db.rows_changed(sa.delete(Draft).where(is_old))
