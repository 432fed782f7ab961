"""Putting mail into the ledger, and taking it back. Nothing here sends or commits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery.models import Group, Lane, Outgoing, Recipient, State


def put(
    kind: str,
    subject_id: int,
    recipients: Iterable[str],
    *,
    group: str = "",
    lane: Lane = Lane.FAST,
    not_before: dt.datetime | None = None,
) -> None:
    """Queue one mail to each recipient key, in the transaction at hand; due now or at `not_before`.

    What is there already (same kind, subject and recipient) stays as it is, except that a
    cancelled one is queued again: it never left.
    """
    moment = db.now()
    rows = [
        {
            **_NEW,
            "public_id": db.new_public_id(),
            "kind": kind,
            "subject_id": subject_id,
            "recipient_key": key,
            "group_key": group,
            "lane": lane.value,
            "not_before": not_before or moment,
            "created_at": moment,
        }
        for key in recipients
    ]
    if not rows:
        return
    connection = db.session.connection()
    connection.execute(_add(), rows)
    if lane is Lane.PACED:
        connection.execute(_know(), [{"recipient_key": row["recipient_key"], "next_at": moment} for row in rows])


_NEW = {
    "state": State.QUEUED.value,
    "attempts": 0,
    "lease_owner": "",
    "is_maybe_twice": False,
    "last_step": "",
    "last_answer": "",
}


def _add_or_revive(insert: Callable[[Any], Any]) -> Any:
    added = insert(Outgoing.__table__)
    return added.on_conflict_do_update(
        index_elements=["kind", "subject_id", "recipient_key"],
        set_={"state": State.QUEUED, "not_before": added.excluded.not_before, "ended_at": None},
        where=Outgoing.state == State.CANCELLED,
    )


_add = db.prepared(_add_or_revive)
_know = db.prepared(lambda insert: insert(Recipient.__table__).on_conflict_do_nothing())


Subjects = sa.Select[int]
"""A query for the ids of subjects, which may be very many; what they are is the feature's business."""


def cancel(kind: str, subjects: int | Subjects) -> int:
    """Stop the mails of this kind and subject that have not begun to leave; how many."""
    mine = Outgoing.subject_id == subjects if isinstance(subjects, int) else Outgoing.subject_id.in_(subjects)
    return db.rows_changed(
        sa.update(Outgoing)
        .where(Outgoing.kind == kind, mine)
        .where(Outgoing.state.in_([State.QUEUED, State.HELD, State.FROZEN, State.FAILED]))
        .values(state=State.CANCELLED, ended_at=db.now())
    )


def revive(kind: str, subjects: Subjects) -> int:
    """Queue again the mails of this kind and these subjects that were cancelled; how many.

    One that may have left, since the mail server fell silent, stays cancelled.
    """
    return db.rows_changed(
        sa.update(Outgoing)
        .where(Outgoing.kind == kind, Outgoing.subject_id.in_(subjects))
        .where(Outgoing.state == State.CANCELLED, ~Outgoing.is_maybe_twice)
        .values(state=State.QUEUED, not_before=db.now(), ended_at=None)
    )


def forget(kinds: Iterable[str], subjects: Subjects) -> None:
    """Delete the mails of these kinds and subjects from the ledger, and what is known of each try."""
    db.rows_changed(sa.delete(Outgoing).where(Outgoing.kind.in_(kinds), Outgoing.subject_id.in_(subjects)))


def send_again(outgoing_id: int) -> bool:
    """Queue a failed, frozen, held or uncertain mail once more, with the same Message-ID.

    False where it is in another state (somebody was quicker, or a worker has it).
    """
    row = Outgoing.state
    return bool(
        db.rows_changed(
            sa.update(Outgoing)
            .where(Outgoing.id == outgoing_id)
            .where(row.in_([State.FAILED, State.FROZEN, State.HELD, State.UNCERTAIN]))
            .values(
                state=State.QUEUED,
                not_before=db.now(),
                ended_at=None,
                attempts=0,
                lease_owner="",
                lease_until=None,
                is_maybe_twice=sa.or_(Outgoing.is_maybe_twice, row == State.UNCERTAIN),
            )
        )
    )


def set_pace(group: str, per_hour: int | None) -> None:
    """How many mails of the group one recipient gets an hour: see `Group.per_hour`."""
    values = {"group_key": group, "per_hour": per_hour}
    db.session.execute(db.insert(Group).values(values).on_conflict_do_update(index_elements=["group_key"], set_=values))


def oldest_due_at() -> dt.datetime | None:
    """When the mail that has waited longest became due, or None when nothing is due."""
    return db.session.scalar(
        sa.select(sa.func.min(Outgoing.not_before)).where(
            Outgoing.state == State.QUEUED, Outgoing.lane == Lane.FAST, Outgoing.not_before <= db.now()
        )
    )


def count(kind: str, subject_id: int) -> int:
    """How many mails of this kind and subject there are, in any state."""
    return db.session.execute(
        sa.select(sa.func.count()).where(Outgoing.kind == kind, Outgoing.subject_id == subject_id)
    ).scalar_one()


def waiting() -> dict[str, int]:
    """How many mails are in each of the states that somebody should look at."""
    states = [State.UNCERTAIN, State.HELD, State.FROZEN, State.FAILED]
    rows = db.session.execute(
        sa.select(Outgoing.state, sa.func.count().label("n")).where(Outgoing.state.in_(states)).group_by(Outgoing.state)
    )
    counts = {row.state: row.n for row in rows}
    return {str(state): counts.get(state, 0) for state in states}
