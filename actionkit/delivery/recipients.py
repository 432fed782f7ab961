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
from actionkit.delivery.models import Lane, Outgoing, RecipientHealth, State

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
