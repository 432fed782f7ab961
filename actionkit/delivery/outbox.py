"""Putting mail into the ledger, and taking it back. Nothing here sends or commits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery import history, recipients
from actionkit.delivery.models import BEGUN, Lane, Move, Outgoing, OutgoingAttempt, Recipient, State, Turn
from actionkit.prepared import Prepared


def put(
    kind: str,
    subject_id: int,
    keys: Iterable[str],
    *,
    group: str = "",
    lane: Lane = Lane.FAST,
    not_before: dt.datetime | None = None,
) -> None:
    """Queue one mail to each recipient key, in the transaction at hand; due now or at `not_before`.

    What is there already (same kind, subject and recipient) stays as it is, except that a
    cancelled one is queued again: it never left. To a suspended recipient it is held.
    """
    moment, keys = db.now(), list(keys)
    held = recipients.reasons(keys) if lane is Lane.PACED else {}
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
            **(_HELD | {"last_answer": held[key]} if key in held else {}),
        }
        for key in keys
    ]
    if not rows:
        return
    _add.each(rows)
    if lane is Lane.PACED:
        _know_recipients.each({"recipient_key": row["recipient_key"], "next_at": moment} for row in rows)
        _know_turns.each({"recipient_key": row["recipient_key"], "group_key": group, "next_at": moment} for row in rows)


_NEW = {
    "state": State.QUEUED.value,
    "attempts": 0,
    "lease_owner": "",
    "is_maybe_twice": False,
    "last_step": "",
    "last_answer": "",
}
_HELD = {"state": State.HELD.value, "last_step": recipients.SUSPENDED}


def _add_or_revive(insert: Callable[[Any], Any]) -> Any:
    added = insert(Outgoing.__table__)
    return added.on_conflict_do_update(
        index_elements=["kind", "subject_id", "recipient_key"],
        set_={
            "state": added.excluded.state,
            "not_before": added.excluded.not_before,
            "last_step": added.excluded.last_step,
            "last_answer": added.excluded.last_answer,
            "ended_at": None,
        },
        where=sa.and_(Outgoing.state == State.CANCELLED, ~Outgoing.is_maybe_twice),
    )


_add = Prepared(_add_or_revive)
_know_recipients = Prepared(lambda insert: insert(Recipient.__table__).on_conflict_do_nothing())
_know_turns = Prepared(lambda insert: insert(Turn.__table__).on_conflict_do_nothing())


Subjects = sa.Select[int]
"""A query for the ids of subjects, which may be very many; what they are is the feature's business."""


def _is_unsent() -> sa.ColumnElement[bool]:
    """No try of it has begun, also where a worker has taken it already."""
    is_leased_only = sa.and_(Outgoing.state == State.SENDING, Outgoing.last_step != BEGUN, ~Outgoing.is_maybe_twice)
    return sa.or_(Outgoing.state.in_([State.QUEUED, State.HELD, State.FROZEN]), is_leased_only)


def cancel(kind: str, subjects: int | Subjects, because: str = "its cause is gone") -> int:
    """Stop the mails of this kind and subject that have not begun to leave; how many.

    One that was refused has ended already, and stays as it is.
    """
    mine = Outgoing.subject_id == subjects if isinstance(subjects, int) else Outgoing.subject_id.in_(subjects)
    ended = {"ended_at": db.now(), "lease_owner": "", "lease_until": None}
    return len(history.move((Outgoing.kind == kind, mine, _is_unsent()), State.CANCELLED, because, **ended))


def cancel_to(kind: str, recipient_key: str, group: str, because: str) -> int:
    """Stop the mails of this kind and group to one recipient that have not begun to leave; how many."""
    mine = (Outgoing.recipient_key == recipient_key, Outgoing.group_key == group, Outgoing.lane == Lane.PACED)
    ended = {"ended_at": db.now(), "lease_owner": "", "lease_until": None}
    return len(history.move((*mine, Outgoing.kind == kind, _is_unsent()), State.CANCELLED, because, **ended))


def revive(kind: str, subjects: Subjects) -> int:
    """Queue again the mails of this kind and these subjects that were cancelled; how many.

    One that may have left, since the mail server fell silent, stays cancelled.
    """
    which = (
        Outgoing.kind == kind,
        Outgoing.subject_id.in_(subjects),
        Outgoing.state == State.CANCELLED,
        ~Outgoing.is_maybe_twice,
    )
    return len(history.move(which, State.QUEUED, "its cause is back", **history.from_the_beginning()))


def forget(kinds: Iterable[str], subjects: Subjects) -> None:
    """Delete the mails of these kinds and subjects from the ledger, and what is known of each try."""
    db.rows_changed(sa.delete(Outgoing).where(Outgoing.kind.in_(kinds), Outgoing.subject_id.in_(subjects)))


def left(kind: str, subjects: Iterable[int]) -> set[int]:
    """Of these subjects, those of whose mails one has left, or may have."""
    gone = Outgoing.state.not_in([State.QUEUED, State.HELD, State.FROZEN, State.CANCELLED])
    mine = sa.select(Outgoing.subject_id).where(Outgoing.kind == kind, Outgoing.subject_id.in_(list(subjects)), gone)
    return set(db.session.scalars(mine))


def forget_answers(kind: str, subjects: Subjects) -> None:
    """Forget what mail servers said to the mails of this kind and these subjects: they may quote a person."""
    mine = sa.select(Outgoing.id).where(Outgoing.kind == kind, Outgoing.subject_id.in_(subjects))
    db.rows_changed(sa.update(OutgoingAttempt).where(OutgoingAttempt.outgoing_id.in_(mine)).values(answer=""))
    db.rows_changed(sa.update(Outgoing).where(Outgoing.id.in_(mine)).values(last_answer=""))


_STOPPED = (State.FAILED, State.FROZEN, State.HELD)
BY_STAFF = "queued again by staff"
ARRIVED = "staff found that it arrived"
GIVEN_UP = "given up by staff"


def send_again(outgoing_id: int) -> bool:
    """Queue a failed, frozen, held or uncertain mail once more, with the same Message-ID.

    False where it is in another state (somebody was quicker, or a worker has it).
    """
    is_mine = Outgoing.id == outgoing_id
    values = history.from_the_beginning()
    return bool(
        history.move(
            (is_mine, Outgoing.state == State.UNCERTAIN), State.QUEUED, BY_STAFF, is_maybe_twice=True, **values
        )
        or history.move((is_mine, Outgoing.state.in_(_STOPPED)), State.QUEUED, BY_STAFF, **values)
    )


def settle(outgoing_id: int, *, has_arrived: bool) -> bool:
    """Staff know how it ended: an uncertain mail arrived, or one that waits for them is given up.

    False where there is nothing to settle: it is in another state, or is due once more by itself.
    """
    is_mine = Outgoing.id == outgoing_id
    waits_for_staff = sa.and_(Outgoing.state == State.UNCERTAIN, Outgoing.lease_until.is_(None))
    if has_arrived:
        return bool(history.move((is_mine, waits_for_staff), State.SENT, ARRIVED, ended_at=db.now()))
    # One that may have arrived is not cancelled, which says that it never left.
    given_up = history.move((is_mine, waits_for_staff), State.FAILED, GIVEN_UP, ended_at=db.now())
    which = (is_mine, Outgoing.state.in_([State.FROZEN, State.HELD]))
    return bool(given_up or history.move(which, State.CANCELLED, GIVEN_UP, ended_at=db.now()))


def was_given_up() -> sa.ColumnElement[bool]:
    """Of a mail that failed: nobody refused it, but staff gave it up when nobody knew whether it had arrived."""
    return (
        sa.select(Move.id)
        .where(Move.outgoing_id == Outgoing.id, Move.state == State.FAILED, Move.because == GIVEN_UP)
        .where(Move.moved_at >= Outgoing.ended_at)  # not one that was sent again since, and then refused
        .correlate(Outgoing)
        .exists()
    )


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


def count_unsent(kinds: Iterable[str], subjects: Subjects) -> int:
    """How many mails of these kinds and subjects have not left and would be stopped by `cancel`."""
    which = (Outgoing.kind.in_(kinds), Outgoing.subject_id.in_(subjects), _is_unsent())
    return db.session.execute(sa.select(sa.func.count()).where(*which)).scalar_one()


def waiting() -> dict[str, int]:
    """How many mails are in each of the states that somebody should look at."""
    states = [State.UNCERTAIN, State.HELD, State.FROZEN, State.FAILED]
    rows = db.session.execute(
        sa.select(Outgoing.state, sa.func.count().label("n")).where(Outgoing.state.in_(states)).group_by(Outgoing.state)
    )
    counts = {row.state: row.n for row in rows}
    return {str(state): counts.get(state, 0) for state in states}
