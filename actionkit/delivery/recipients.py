"""The health of recipients: who refuses us again and again is written to no more, until staff say so.

Mails to a suspended recipient are `held`: those that wait, and those that come in later. None is
lost; `resume` queues them all. A recipient is a key here, as everywhere in delivery.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery import history
from actionkit.delivery.models import Lane, Outgoing, RecipientHealth, State, Turn

REFUSALS_UNTIL_SUSPENDED = 3
SUSPENDED = "suspended"
"""The last step of a mail that is held because its recipient is suspended."""
REASON = "the address is suspended: "
_IS_PACED = Outgoing.lane == sa.literal_column(f"'{Lane.PACED.value}'")
_IS_HELD = Outgoing.state == sa.literal_column(f"'{State.HELD.value}'")
"""Not parameters: only so do the databases see that the partial indexes will do."""


def refused(key: str, reason: str) -> bool:
    """Count a refusal for good of one mail (a 5xx answer to RCPT, a hard bounce); whether this one suspended it.

    `reason` is what the mail server said, without addresses. After three mails in a row the
    recipient is suspended, and what waits for it is held.
    """
    counted = db.insert(RecipientHealth).values(recipient_key=key, refusals=1, reason=reason[:300], changed_at=db.now())
    db.session.execute(
        counted.on_conflict_do_update(
            index_elements=["recipient_key"],
            set_={
                "refusals": RecipientHealth.refusals + 1,
                "reason": counted.excluded.reason,
                "changed_at": counted.excluded.changed_at,
            },
        )
    )
    return _suspend(key, RecipientHealth.refusals >= REFUSALS_UNTIL_SUSPENDED)


def accepted(key: str) -> None:
    """A mail to it was taken: the refusals before it no longer count."""
    db.rows_changed(
        sa.update(RecipientHealth)
        .where(RecipientHealth.recipient_key == key, RecipientHealth.refusals > 0)
        .values(refusals=0)
    )


def suspend(key: str, reason: str) -> bool:
    """Write to this recipient no more for now, for a reason without addresses; False if it is so already."""
    known = db.insert(RecipientHealth).values(recipient_key=key, refusals=0, reason="", changed_at=db.now())
    db.session.execute(known.on_conflict_do_nothing())
    return _suspend(key, sa.true(), reason=reason[:300])


def _suspend(key: str, condition: sa.ColumnElement[bool], **values: str) -> bool:
    moment = db.now()
    is_ours = db.rows_changed(
        sa.update(RecipientHealth)
        .where(RecipientHealth.recipient_key == key, RecipientHealth.suspended_at.is_(None), condition)
        .values(suspended_at=moment, changed_at=moment, **values)
    )
    if is_ours:
        hold_waiting(key)
    return bool(is_ours)


def hold_waiting(key: str) -> int:
    """Hold what is queued at a pace for a suspended recipient; how many.

    A mail in the fast lane is held when a worker claims it.
    """
    reason = reasons([key]).get(key)
    if reason is None:
        return 0
    waiting = (Outgoing.recipient_key == key, Outgoing.state == State.QUEUED, _IS_PACED)
    return len(history.move(waiting, State.HELD, reason, last_step=SUSPENDED, last_answer=reason))


def reasons(keys: Collection[str]) -> dict[str, str]:
    """Why their mails are held, for those of the keys that are suspended.

    For transactions that write. Locked for reading: a `resume` of the same moment waits, and then
    finds what this transaction holds.
    """
    rows = db.session.execute(
        sa.select(RecipientHealth.recipient_key, RecipientHealth.reason)
        .where(RecipientHealth.recipient_key.in_(keys), RecipientHealth.suspended_at.is_not(None))
        .order_by(RecipientHealth.recipient_key)
        .with_for_update(read=True)
    )
    return {row.recipient_key: (REASON + row.reason)[:300] for row in rows}


def resume(key: str) -> int | None:
    """Write to it again, as to one that never refused; how many mails are queued again, None if not suspended."""
    is_ours = db.rows_changed(
        sa.update(RecipientHealth)
        .where(RecipientHealth.recipient_key == key, RecipientHealth.suspended_at.is_not(None))
        .values(suspended_at=None, refusals=0, changed_at=db.now())
    )
    if not is_ours:
        return None
    held = (Outgoing.recipient_key == key, _IS_HELD, Outgoing.last_step == SUSPENDED)
    return len(history.move(held, State.QUEUED, "the address is in use again", **history.from_the_beginning()))


# ---------------------------------------------------------------- all that waits for one recipient

_UNSENT = (State.QUEUED, State.HELD, State.FROZEN)


def _of(key: str, *states: State) -> tuple[sa.ColumnElement[bool], ...]:
    """What goes at a pace to one recipient and is in these states, along the index of recipient, group and state."""
    groups = sa.select(Turn.group_key).where(Turn.recipient_key == key)
    return (Outgoing.recipient_key == key, Outgoing.group_key.in_(groups), Outgoing.state.in_(states), _IS_PACED)


def count_unsent(key: str) -> int:
    """How many mails at a pace have not left and still could."""
    return db.session.execute(sa.select(sa.func.count()).where(*_of(key, *_UNSENT))).scalar_one()


def count_cancelled(key: str, because: str) -> int:
    """How many were cancelled for this reason."""
    which = (*_of(key, State.CANCELLED), Outgoing.last_answer == because)
    return db.session.execute(sa.select(sa.func.count()).where(*which)).scalar_one()


def cancel_unsent(key: str, because: str, most: int) -> int:
    """Cancel, for a reason without addresses, up to `most` mails to a recipient that have not left; how many."""
    ids = list(db.session.scalars(sa.select(Outgoing.id).where(*_of(key, *_UNSENT)).limit(most)))
    values = {"ended_at": db.now(), "lease_owner": "", "lease_until": None, "last_step": "", "last_answer": because}
    return len(history.move((Outgoing.id.in_(ids), Outgoing.state.in_(_UNSENT)), State.CANCELLED, because, **values))


def queue_cancelled(key: str, reason: str, because: str, most: int) -> int:
    """Queue again, because of something else, up to `most` mails that were cancelled for a reason; how many."""
    which = (Outgoing.state == State.CANCELLED, Outgoing.last_answer == reason, ~Outgoing.is_maybe_twice)
    ids = list(db.session.scalars(sa.select(Outgoing.id).where(*_of(key, State.CANCELLED), *which).limit(most)))
    moved = history.move((Outgoing.id.in_(ids), *which), State.QUEUED, because, **history.from_the_beginning())
    hold_waiting(key)
    return len(moved)


# ---------------------------------------------------------------- what is known


@dataclass(frozen=True)
class Health:
    """What is known against a recipient. None of it where nothing ever refused."""

    refusals: int = 0
    reason: str = ""
    changed_at: dt.datetime | None = None
    suspended_at: dt.datetime | None = None


def health(key: str) -> Health:
    return health_of([key]).get(key, Health())


def health_of(keys: Collection[str]) -> dict[str, Health]:
    """Of those of these recipients of whom anything is known."""
    rows = db.session.execute(
        sa.select(
            RecipientHealth.recipient_key,
            RecipientHealth.refusals,
            RecipientHealth.reason,
            RecipientHealth.changed_at,
            RecipientHealth.suspended_at,
        ).where(RecipientHealth.recipient_key.in_(keys))
    )
    return {row.recipient_key: Health(row.refusals, row.reason, row.changed_at, row.suspended_at) for row in rows}


def count_suspended() -> int:
    """How many recipients are written to no more for now."""
    which = RecipientHealth.suspended_at.is_not(None)
    return db.session.execute(sa.select(sa.func.count()).select_from(RecipientHealth).where(which)).scalar_one()


@dataclass(frozen=True)
class Suspended:
    """A recipient that is written to no more for now."""

    recipient_key: str
    since: dt.datetime
    reason: str
    held: int
    """Mails that wait until it is resumed."""


def suspended() -> list[Suspended]:
    """All of them, the latest first."""
    held = (
        sa.select(sa.func.count())
        .where(Outgoing.recipient_key == RecipientHealth.recipient_key, _IS_HELD, Outgoing.last_step == SUSPENDED)
        .scalar_subquery()
    )
    rows = db.session.execute(
        sa.select(RecipientHealth.recipient_key, RecipientHealth.suspended_at, RecipientHealth.reason, held)
        .where(RecipientHealth.suspended_at.is_not(None))
        .order_by(RecipientHealth.suspended_at.desc(), RecipientHealth.recipient_key)
    )
    return [Suspended(*row) for row in rows]
