"""Taking rows of the ledger to send them, and giving them back: leases, attempts, outcomes.

Nothing here commits: a turn of the worker (see `worker.py`) is one transaction of these.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.orm import aliased

from actionkit import db
from actionkit.delivery import groups, history, pace, recipients, restored_copy, sending_pause
from actionkit.delivery.models import BEGUN, Group, Lane, Outgoing, OutgoingAttempt, RecipientHealth, State
from actionkit.delivery.renderers import Item
from actionkit.delivery.smtp import Step
from actionkit.prepared import Prepared

BACKOFF_MINUTES = (1, 2, 4, 8, 16, 32, 60)
OUR_TROUBLE_WAIT = dt.timedelta(seconds=60)
LATE = "late"
"""The outcome of a try whose row another worker had taken meanwhile."""
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
    policy: str = ""
    """What the refusal of the recipient says of us: see `policy.code_of`."""
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
    ids = [row[0] for row in _fast.rows(moment=moment, most=most)]
    ids += [row[0] for row in _unclear.rows(moment=moment, most=most - len(ids))]
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


_moment: Callable[[str], sa.BindParameter[dt.datetime]] = partial(sa.bindparam, type_=db.UTCDateTime())
_fast = Prepared(
    lambda _insert: pace.due(_moment("moment"), Outgoing.lane == Lane.FAST, pace.is_awake(Outgoing.group_key))
)
_unclear = Prepared(
    lambda _insert: (
        sa.select(Outgoing.id)
        .where(Outgoing.state == State.UNCERTAIN, Outgoing.lease_until <= _moment("moment"), *pace.may_leave())
        .limit(pace.MOST)
        .with_for_update(skip_locked=True)
    )
)
"""Rows that ended in silence and are due once more; those with no lease wait for a person."""


def open_attempt(owner: str, item: Item) -> bool:
    """Write down that a try begins. False where it may not: the row is no longer ours, or its group rests."""
    moment = db.now()
    held = _begin.changed(row=item.id, owner=owner, until=moment + lease())
    if held:
        _add_attempt.each([{"outgoing_id": item.id, "worker": owner, "started_at": moment}])
    return bool(held)


_ours = (
    Outgoing.id == sa.bindparam("row", type_=sa.Integer),
    Outgoing.lease_owner == sa.bindparam("owner", type_=sa.String),
    Outgoing.state == State.SENDING,
)
_begin = Prepared(
    lambda _insert: (
        sa.update(Outgoing)
        .where(*_ours, pace.is_awake(Outgoing.group_key))
        .values(lease_until=_moment("until"), last_step=BEGUN)
    )
)
_add_attempt = Prepared(lambda insert: insert(OutgoingAttempt.__table__))
_sent = Prepared(
    lambda _insert: (
        sa.update(Outgoing)
        .where(*_ours)
        .values(
            state=State.SENT,
            lease_owner="",
            lease_until=None,
            last_step=Step.FINAL_DOT,
            last_answer=sa.bindparam("said"),
            attempts=sa.bindparam("tries", type_=sa.Integer),
            ended_at=_moment("moment"),
        )
    )
)
_end_attempt = Prepared(
    lambda _insert: (
        sa.update(OutgoingAttempt)
        .where(
            OutgoingAttempt.outgoing_id == sa.bindparam("row", type_=sa.Integer),
            OutgoingAttempt.ended_at.is_(None),
            OutgoingAttempt.worker == sa.bindparam("owner", type_=sa.String),
        )
        .values(
            ended_at=_moment("moment"),
            outcome=sa.bindparam("how"),
            step=sa.bindparam("at_step"),
            answer=sa.bindparam("said"),
        )
    )
)


def record(owner: str, outcome: Outcome) -> None:
    """Write down how a try ended, unless the row was taken from us meanwhile (its lease ended)."""
    moment, item = db.now(), outcome.item
    if outcome.state is State.SENT:
        won = _sent.changed(
            row=item.id,
            owner=owner,
            said=outcome.answer,
            tries=item.attempts + outcome.is_charged,
            moment=moment,
        )
        _accepted(item.recipient_key, item.group_key)
    else:
        won = _record_trouble(owner, outcome, moment)
    _end_attempt.changed(
        row=item.id,
        owner=owner,
        moment=moment,
        how=str(outcome.state) if won else LATE,
        at_step=str(outcome.step),
        said=outcome.answer,
    )


def _record_trouble(owner: str, outcome: Outcome, moment: dt.datetime) -> int:
    """Whatever is not "sent"; 0 where the row was taken from us."""
    item = outcome.item
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
    return won


def _wait(attempts: int) -> dt.timedelta:
    """Growing gaps, a quarter more or less, so that what failed together does not return together."""
    minutes = BACKOFF_MINUTES[min(attempts, len(BACKOFF_MINUTES) - 1)]
    return dt.timedelta(minutes=minutes * random.uniform(0.76, 1.24))


def _accepted(recipient: str, group: str) -> None:
    """A mail was taken: what was refused before it no longer counts."""
    is_refused, is_group_refused = _grudges.row(recipient=recipient, group=group) or (False, False)
    if is_refused:
        recipients.accepted(recipient)
    if is_group_refused:
        groups.accepted(group)


_grudges = Prepared(
    lambda _insert: sa.select(
        sa.exists().where(
            RecipientHealth.recipient_key == sa.bindparam("recipient", type_=sa.String), RecipientHealth.refusals > 0
        ),
        sa.exists().where(Group.group_key == sa.bindparam("group", type_=sa.String), Group.refusals > 0),
    )
)


def take_back(ids: list[int], because: str) -> None:
    """Queue again, as if they had not been tried, mails that failed for no fault of theirs."""
    which = (Outgoing.id.in_(ids), Outgoing.state == State.FAILED)
    history.move(which, State.QUEUED, because, **history.from_the_beginning())


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
        db.session.execute(
            sa.update(OutgoingAttempt)
            .where(OutgoingAttempt.outgoing_id.in_(begun), OutgoingAttempt.ended_at.is_(None))
            .values(ended_at=moment, outcome=State.UNCERTAIN, step="", answer=said)
            .execution_options(synchronize_session=False)
        )
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
