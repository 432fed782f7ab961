"""Taking rows of the ledger to send them, and giving them back: leases, attempts, outcomes.

Nothing here commits: a turn of the worker (see `worker.py`) is one transaction of these.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.orm import aliased

from actionkit import db
from actionkit.delivery import groups, history, pace, recipients, restored_copy, sending_pause
from actionkit.delivery.models import BEGUN, Lane, Outgoing, OutgoingAttempt, State
from actionkit.delivery.renderers import Item
from actionkit.delivery.smtp import Step

BACKOFF_MINUTES = (1, 2, 4, 8, 16, 32, 60)
OUR_TROUBLE_WAIT = dt.timedelta(seconds=60)
LONGEST_AGE = dt.timedelta(days=7)
"""How long a mail that the recipient's server puts off is tried, counted from when it first does."""


@dataclass(frozen=True)
class Outcome:
    """How a try ended. `is_charged` is False where it was our trouble and not this message's."""

    item: Item
    state: State
    step: str = ""
    answer: str = ""
    is_charged: bool = True
    is_refusal: bool = False
    """The recipient's server wants no mail at this address, and says so for good."""
    is_rejected: bool = False
    """The relay has read the message and wants it from nobody, as it does with what it takes for spam."""
    is_ours: bool = False
    """The trouble was the relay's or ours: `step` and `answer` say which."""
    is_final: bool = False
    """The answer was a 5xx."""
    can_wait: bool = True
    """False where no other mail could have fared better: this one is due again at once."""


def lease() -> dt.timedelta:
    return dt.timedelta(seconds=current_app.config["ACTIONKIT"].lease_seconds)


def claim(owner: str, most: int) -> list[Item]:
    """Lease up to `most` rows that are due to `owner`: what people wait for first.

    Leases begin now and must be renewed (`renew`) while the rows are worked on. None while sending
    is paused.
    """
    if not sending_pause.may_leave():
        return []
    moment = db.now()
    ids = pace.due_ids(moment, most, Outgoing.lane == Lane.FAST, pace.is_awake(Outgoing.group_key))
    ids += _unclear_ids(moment, most - len(ids))
    if len(ids) < most:
        ids += pace.take_turns(moment, most - len(ids))
    if not ids:
        return []
    db.session.execute(
        sa.update(Outgoing)
        .where(Outgoing.id.in_(ids))
        .values(
            is_maybe_twice=sa.or_(Outgoing.is_maybe_twice, Outgoing.state == State.UNCERTAIN),
            state=State.SENDING,
            lease_owner=owner,
            lease_until=moment + lease(),
            first_tried_at=sa.func.coalesce(Outgoing.first_tried_at, moment_literal(moment)),
        )
        .execution_options(synchronize_session=False)
    )
    rows = db.session.execute(sa.select(*_ITEM_COLUMNS).where(Outgoing.id.in_(ids))).all()
    items = {row.id: Item(**row._mapping) for row in rows}
    for held in hold_suspended(list(items.values())):
        del items[held]
    restored_copy.claimed()  # last: all workers want this one row, for as long as the commit takes
    return [items[id_] for id_ in ids if id_ in items]


def hold_suspended(items: list[Item]) -> list[int]:
    """Hold claimed rows, of which no try has begun, whose recipient was suspended since they were put; their ids."""
    held: list[int] = []
    for key, reason in recipients.reasons({item.recipient_key for item in items}).items():
        mine = [item.id for item in items if item.recipient_key == key]
        values = {"lease_owner": "", "lease_until": None, "last_step": recipients.SUSPENDED, "last_answer": reason}
        held += history.move((Outgoing.id.in_(mine), Outgoing.state == State.SENDING), State.HELD, reason, **values)
        recipients.hold_waiting(key)
    return held


_ITEM_COLUMNS = (
    Outgoing.id,
    Outgoing.public_id,
    Outgoing.kind,
    Outgoing.subject_id,
    Outgoing.recipient_key,
    Outgoing.group_key,
    Outgoing.created_at,
    Outgoing.first_tried_at,
    Outgoing.attempts,
    Outgoing.is_maybe_twice,
    Outgoing.give_up_at,
)


def _unclear_ids(moment: dt.datetime, most: int) -> list[int]:
    """Rows that ended in silence and are due once more; those with no lease wait for a person."""
    return list(
        db.session.scalars(
            sa.select(Outgoing.id)
            .where(Outgoing.state == State.UNCERTAIN, Outgoing.lease_until <= moment, *pace.may_leave())
            .limit(max(most, 0))
            .with_for_update(skip_locked=True)
        )
    )


def open_attempt(owner: str, item: Item) -> bool:
    """Write down that a try begins. False where it may not: the row is no longer ours, or its group rests."""
    held = db.rows_changed(
        sa.update(Outgoing)
        .where(Outgoing.id == item.id, Outgoing.state == State.SENDING, Outgoing.lease_owner == owner)
        .where(pace.is_awake(Outgoing.group_key))
        .values(lease_until=db.now() + lease(), last_step=BEGUN)
    )
    if held:
        db.session.execute(sa.insert(OutgoingAttempt).values(outgoing_id=item.id, worker=owner, started_at=db.now()))
    return bool(held)


def record(owner: str, outcome: Outcome) -> None:
    """Write down how a try ended, unless the row was taken from us meanwhile (its lease ended)."""
    moment, item = db.now(), outcome.item
    values: dict[str, object] = {
        "state": outcome.state,
        "lease_owner": "",
        "lease_until": None,
        "last_step": outcome.step,
        "last_answer": outcome.answer,
        "attempts": item.attempts + outcome.is_charged,
        "ended_at": moment,
    }
    if outcome.state is State.QUEUED:
        values |= {"ended_at": None, "not_before": moment + _wait(item.attempts)}
        if not outcome.is_charged:
            # Not at once, where it may be the mail: the next probe of the relay is to be with another,
            # or one that always brings trouble would stand in the way of all.
            values["not_before"] = moment + (OUR_TROUBLE_WAIT if outcome.can_wait else dt.timedelta(0))
        elif item.give_up_at is None:
            values["give_up_at"] = moment + LONGEST_AGE
        elif moment > item.give_up_at:
            values |= {"state": State.FAILED, "ended_at": moment}
    if outcome.state is State.CANCELLED and item.is_maybe_twice:
        # "Cancelled" says that it never left. This one may have; it is not tried again.
        values["state"] = State.UNCERTAIN
    elif outcome.state is State.UNCERTAIN and not item.is_maybe_twice:
        # Due once more, when the relay has had its time; after that a person decides.
        values |= {"ended_at": None, "lease_until": moment + lease()}
    won = db.rows_changed(
        sa.update(Outgoing)
        .where(Outgoing.id == item.id, Outgoing.lease_owner == owner, Outgoing.state == State.SENDING)
        .values(values)
    )
    if outcome.is_refusal:
        recipients.refused(item.recipient_key, outcome.answer)
    elif outcome.is_rejected and item.group_key:
        groups.refused(item.group_key, outcome.answer)
    elif outcome.state is State.SENT:
        recipients.accepted(item.recipient_key)
        if item.group_key:
            groups.accepted(item.group_key)
    _close_attempts(
        [item.id],
        OutgoingAttempt.worker == owner,
        outcome=outcome.state if won else "late",
        step=outcome.step,
        answer=outcome.answer,
    )


def _wait(attempts: int) -> dt.timedelta:
    """Growing gaps, a quarter more or less, so that what failed together does not return together."""
    minutes = BACKOFF_MINUTES[min(attempts, len(BACKOFF_MINUTES) - 1)]
    return dt.timedelta(minutes=minutes * random.uniform(0.76, 1.24))


def _close_attempts(ids: list[int], *which: sa.ColumnElement[bool], outcome: str, step: str, answer: str) -> None:
    db.session.execute(
        sa.update(OutgoingAttempt)
        .where(OutgoingAttempt.outgoing_id.in_(ids), OutgoingAttempt.ended_at.is_(None), *which)
        .values(ended_at=db.now(), outcome=outcome, step=step, answer=answer)
        .execution_options(synchronize_session=False)
    )


def give_back(owner: str, items: list[Item]) -> None:
    """Queue claimed rows, but those of which a try has begun."""
    if items:
        db.session.execute(
            sa.update(Outgoing)
            .where(Outgoing.id.in_([item.id for item in items]))
            .where(Outgoing.lease_owner == owner, Outgoing.state == State.SENDING, Outgoing.last_step != BEGUN)
            .values(state=State.QUEUED, lease_owner="", lease_until=None)
            .execution_options(synchronize_session=False)
        )


def renew(held: Mapping[int, str]) -> None:
    """Prolong the leases of the rows (id → owner) that a living worker has in its hands.

    A row that is locked is being worked on this very moment. It is passed over: waiting for it,
    with others locked already, is how two workers come to wait for each other.
    """
    free = unlocked(Outgoing.id.in_(held), Outgoing.state == State.SENDING, Outgoing.lease_owner.in_(held.values()))
    if free:
        change(free, lease_until=db.now() + lease())


def end_dead_leases(held: Mapping[int, str]) -> int:
    """Rows whose worker died: `queued` if no try had begun, else `uncertain` and due once more.

    What is in this worker's own hands (`held`) is not dead: when the clock leaps, its leases are
    renewed instead. Returns how many became uncertain.
    """
    moment = db.now()
    ended = (Outgoing.state == State.SENDING, Outgoing.lease_until <= moment, Outgoing.id.not_in(held))
    attempt = aliased(OutgoingAttempt)
    is_open = sa.select(attempt.id).where(attempt.outgoing_id == Outgoing.id, attempt.ended_at.is_(None)).exists()
    begun = unlocked(*ended, is_open)
    if begun:
        said = "the worker ended in the middle of a try"
        change(
            begun,
            state=State.UNCERTAIN,
            lease_owner="",
            # The second silence waits for a person: see the states in models.py.
            lease_until=sa.case((Outgoing.is_maybe_twice, sa.null()), else_=moment_literal(moment)),
            ended_at=sa.case((Outgoing.is_maybe_twice, moment_literal(moment)), else_=sa.null()),
            last_step=Step.FINAL_DOT,
            last_answer=said,
        )
        _close_attempts(begun, outcome=State.UNCERTAIN, step="", answer=said)
    if not_begun := unlocked(*ended, ~is_open):
        change(not_begun, state=State.QUEUED, lease_owner="", lease_until=None)
    return len(begun)


def unlocked(*which: sa.ColumnElement[bool]) -> list[int]:
    """The rows that nobody else has locked, locked now."""
    return list(db.session.scalars(sa.select(Outgoing.id).where(*which).with_for_update(skip_locked=True)))


def change(ids: list[int], **values: object) -> None:
    """Write the same values into these rows."""
    db.session.execute(
        sa.update(Outgoing).where(Outgoing.id.in_(ids)).values(values).execution_options(synchronize_session=False)
    )


def moment_literal(moment: dt.datetime) -> sa.ColumnElement[dt.datetime]:
    return sa.literal(moment, db.UTCDateTime())
