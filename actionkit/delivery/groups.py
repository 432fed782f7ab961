"""Mails that belong together, stopped together: paused and resumed, cancelled and taken back.

A pause is one row, however many mails wait: they stay queued and no worker claims them. To cancel
them all, each is changed; a job does so in batches, and what it has not reached is paused meanwhile.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery import history
from actionkit.delivery.models import Group, Outgoing, State

REFUSALS_UNTIL_PAUSED = 5
BATCH = 1000
STOPPED = "stopped"
"""The last step of a mail that was cancelled with its whole group."""
BY_STAFF = "staff cancelled all unsent mails of the group"
TAKEN_BACK = "staff took the cancelling back"
UNSENT = (State.QUEUED, State.HELD, State.FROZEN)


class Stopping(StrEnum):
    """What a job is doing to a group."""

    STOP = "stop"
    UNDO = "undo"


@dataclass(frozen=True)
class Pause:
    """Why nothing of a group leaves."""

    since: dt.datetime
    because: str
    """What the mail server said of five mails in a row; "" where staff paused it."""


def _know(key: str) -> None:
    db.session.execute(db.insert(Group).values(group_key=key).on_conflict_do_nothing())


# ---------------------------------------------------------------- pauses


def are_resting() -> sa.Select[str]:
    """A query for the groups of which nothing may leave now."""
    is_stopping = Group.stopping == Stopping.STOP
    return sa.select(Group.group_key).where(sa.or_(Group.paused_at.is_not(None), is_stopping))


def pause(key: str, because: str = "") -> bool:
    """Let nothing of the group leave, but what is in flight; False where it is paused already."""
    _know(key)
    return bool(
        db.rows_changed(
            sa.update(Group)
            .where(Group.group_key == key, Group.paused_at.is_(None))
            .values(paused_at=db.now(), paused_because=because[:300])
        )
    )


def resume(key: str) -> bool:
    """Let the group's mails leave again; False where it is not paused."""
    return bool(
        db.rows_changed(
            sa.update(Group)
            .where(Group.group_key == key, Group.paused_at.is_not(None))
            .values(paused_at=None, paused_because="", refusals=0)
        )
    )


def pause_of(key: str) -> Pause | None:
    row = db.session.execute(
        sa.select(Group.paused_at, Group.paused_because).where(Group.group_key == key, Group.paused_at.is_not(None))
    ).first()
    return Pause(row.paused_at, row.paused_because) if row else None


def paused() -> dict[str, Pause]:
    """All that are paused."""
    rows = db.session.execute(
        sa.select(Group.group_key, Group.paused_at, Group.paused_because).where(Group.paused_at.is_not(None))
    )
    return {row.group_key: Pause(row.paused_at, row.paused_because) for row in rows}


def refused(key: str, answer: str) -> bool:
    """The relay read a mail of the group and refused it; whether this one, the fifth in a row, paused the group."""
    _know(key)
    db.rows_changed(sa.update(Group).where(Group.group_key == key).values(refusals=Group.refusals + 1))
    return bool(
        db.rows_changed(
            sa.update(Group)
            .where(Group.group_key == key, Group.refusals >= REFUSALS_UNTIL_PAUSED, Group.paused_at.is_(None))
            .values(paused_at=db.now(), paused_because=answer[:300])
        )
    )


def accepted(key: str) -> None:
    """A mail of the group was taken: the refusals before it no longer count."""
    db.rows_changed(sa.update(Group).where(Group.group_key == key, Group.refusals > 0).values(refusals=0))


# ---------------------------------------------------------------- all at once


def unsent(key: str) -> int:
    """How many mails of the group have not left and still could."""
    return db.session.execute(
        sa.select(sa.func.count()).where(Outgoing.group_key == key, Outgoing.state.in_(UNSENT))
    ).scalar_one()


def stopped(key: str) -> int:
    """How many were cancelled with the whole group, and can be queued again."""
    return db.session.execute(
        sa.select(sa.func.count()).where(
            Outgoing.group_key == key, Outgoing.state == State.CANCELLED, Outgoing.last_step == STOPPED
        )
    ).scalar_one()


def stopping(key: str) -> Stopping | None:
    """What the job is doing to the group now, if anything."""
    doing = db.session.scalar(sa.select(Group.stopping).where(Group.group_key == key))
    return Stopping(doing) if doing else None


def stop(key: str) -> bool:
    """Begin to cancel all unsent mails that there are now; none of the group leaves until that is done.

    False where the job is at work on the group already. Later mails are not concerned.
    """
    return _begin(key, Stopping.STOP)


def undo_stop(key: str) -> bool:
    """Begin to queue again what was cancelled with the whole group; False where the job is at work on it."""
    return _begin(key, Stopping.UNDO)


def _begin(key: str, doing: Stopping) -> bool:
    _know(key)
    last = sa.select(sa.func.coalesce(sa.func.max(Outgoing.id), 0)).where(Outgoing.group_key == key).scalar_subquery()
    return bool(
        db.rows_changed(
            sa.update(Group)
            .where(Group.group_key == key, Group.stopping == "")
            .values(stopping=doing, stop_until_id=last)
        )
    )


def work_off(most: int = BATCH) -> int:
    """Change one batch of a group that is being stopped or taken back; how many mails. Idempotent.

    Two at once share the work: each mail is changed by whoever comes first.
    """
    row = db.session.execute(
        sa.select(Group.group_key, Group.stopping, Group.stop_until_id)
        .where(Group.stopping != "")
        .order_by(Group.group_key)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return 0
    is_undo = row.stopping == Stopping.UNDO
    which = (
        (Outgoing.state == State.CANCELLED, Outgoing.last_step == STOPPED) if is_undo else (Outgoing.state.in_(UNSENT),)
    )
    some = (
        sa.select(Outgoing.id)
        .where(Outgoing.group_key == row.group_key, Outgoing.id <= row.stop_until_id, *which)
        .limit(most)
    )
    chosen = (Outgoing.id.in_(list(db.session.scalars(some))), *which)
    if is_undo:
        changed = history.move(chosen, State.QUEUED, TAKEN_BACK, **history.from_the_beginning())
    else:
        changed = history.move(chosen, State.CANCELLED, BY_STAFF, ended_at=db.now(), last_step=STOPPED, last_answer="")
    if not changed:
        db.rows_changed(
            sa.update(Group).where(Group.group_key == row.group_key).values(stopping="", stop_until_id=None)
        )
    return len(changed)
