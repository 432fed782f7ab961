"""The pace of letters: whose turn it is, and when the next one comes.

A group (a campaign's letters) has a *turn* in the line to each recipient. A turn says when its
next mail may leave; the recipient says when it may be written to again, by whomever. Of several
groups the one that is due longest goes first, so turns go round, and a big one starves no other.

    gap of a group      an hour / its mails an hour; longer where its mails are spread over its remaining time
    gap of a recipient  the same, but never longer than the default's: who is slow holds up nobody
    office time         gaps pass while the office is open, in its own zone

Nothing here commits.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.orm import InstrumentedAttribute, aliased

from actionkit import db
from actionkit.delivery import groups
from actionkit.delivery.models import Group, Lane, Outgoing, Recipient, State, Turn
from actionkit.delivery.office_hours import OfficeTime, parse
from actionkit.prepared import Prepared

JITTER = 0.25
"""A gap is by up to so much shorter or longer, so that letters do not look like a machine's."""
BETWEEN_COUNTS = dt.timedelta(minutes=10)
"""How often a spread looks again at how many mails wait."""
TICK = dt.timedelta(seconds=2)
"""So late a worker may be; the next gap is counted from when the turn came, and the pace holds on average."""
LOOKED_AT = 50
AT_ONCE = 5_000
SLEEPS_AFTER = dt.timedelta(hours=1)
LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Pace:
    """How one group writes to one recipient."""

    gap: float
    """Seconds of office time between two of its mails at the least; 0 = none."""
    hold: float
    """Seconds for which the recipient is left in peace by all after one of its mails."""
    office: OfficeTime
    spread_until: dt.datetime | None = None

    def is_spread(self, moment: dt.datetime) -> bool:
        return self.spread_until is not None and self.spread_until > moment

    def spread_gap(self, since: dt.datetime, waiting: int) -> float:
        """Seconds between two mails when so many wait and the last one left at `since`; at least one leaves a day.

        Never less than the gap of the pace: what does not fit into the time that is left comes after it.
        """
        assert self.spread_until is not None
        left = self.office.between(since, self.spread_until)
        return max(self.gap, min(left / max(waiting, 1), self.office.seconds_a_day))


def pace_of(per_hour: int | None, default: int, office: OfficeTime, spread_until: dt.datetime | None = None) -> Pace:
    """The pace of a group that has set `per_hour` (None = the default, 0 = none), by the settings' default."""
    gap = _gap(default if per_hour is None else per_hour)
    return Pace(gap, min(gap, _gap(default)), office, spread_until)


def _gap(per_hour: int) -> float:
    return 3600 / per_hour if per_hour else 0.0


def default_per_hour() -> int:
    return int(current_app.config["ACTIONKIT"].letters_per_official_per_hour)


# ---------------------------------------------------------------- settings


def set_group(
    group: str,
    per_hour: int | None,
    *,
    office_hours: str = "",
    zone: str = "UTC",
    spread_until: dt.datetime | None = None,
) -> None:
    """How the mails of a group leave: see `Group`. Where it changes, every turn is looked at anew."""
    wanted = {"per_hour": per_hour, "office_hours": office_hours, "zone": zone, "spread_until": spread_until}
    current = db.session.get(Group, group)
    if current is not None and all(getattr(current, name) == value for name, value in wanted.items()):
        return
    db.session.execute(
        db.insert(Group)
        .values(group_key=group, **wanted)
        .on_conflict_do_update(index_elements=["group_key"], set_=wanted)
    )
    if current is not None:
        db.session.expire(current)
    _look_anew(Turn.group_key == group)


def set_zones(zones: Mapping[str, str]) -> None:
    """The time zones of recipients' offices; "" = not known. Where one changes, its turns are looked at anew."""
    keys = list(zones)
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        rows = db.session.execute(
            sa.select(Recipient.recipient_key, Recipient.zone).where(Recipient.recipient_key.in_(some))
        )
        known = {row.recipient_key: row.zone for row in rows}
        for key in some:
            if zones[key] == known.get(key, ""):
                continue
            values = {"recipient_key": key, "next_at": db.now(), "zone": zones[key]}
            added = db.insert(Recipient).values(values)
            db.session.execute(added.on_conflict_do_update(index_elements=["recipient_key"], set_={"zone": zones[key]}))
            _look_anew(Turn.recipient_key == key)


def _look_anew(which: sa.ColumnElement[bool]) -> None:
    """Have turns come now, in the order in which their last mails left; what is too soon is then put off again."""
    last_at = sa.func.coalesce(Turn.last_at, sa.literal(LONG_AGO, db.UTCDateTime()))
    db.rows_changed(sa.update(Turn).where(which).values(next_at=last_at, counted_at=None))


# ---------------------------------------------------------------- looking ahead


def waiting_beside(group: str) -> list[tuple[str, str, int]]:
    """(recipient, group, how many mails wait) of all who write to the recipients of a group."""
    recipients = sa.select(Turn.recipient_key).where(Turn.group_key == group)
    rows = db.session.execute(
        sa.select(Outgoing.recipient_key, Outgoing.group_key, sa.func.count().label("n"))
        .where(Outgoing.recipient_key.in_(recipients), Outgoing.state == State.QUEUED, _IS_PACED)
        .group_by(Outgoing.recipient_key, Outgoing.group_key)
    )
    return [(row.recipient_key, row.group_key, row.n) for row in rows]


def paces_of(groups_of: Mapping[str, Iterable[str]]) -> dict[tuple[str, str], Pace]:
    """The pace of each recipient and group, of `groups_of` (recipient → groups)."""
    wanted = {group for each in groups_of.values() for group in each}
    known = {row.group_key: row for row in db.session.scalars(sa.select(Group).where(Group.group_key.in_(wanted)))}
    known_zones = db.session.execute(sa.select(Recipient.recipient_key, Recipient.zone).where(Recipient.zone != ""))
    zones = {row.recipient_key: row.zone for row in known_zones}
    default, paces = default_per_hour(), {}
    for recipient, each in groups_of.items():
        for key in each:
            group = known.get(key)
            hours, zone, per_hour, until = (
                (group.office_hours, group.zone, group.per_hour, group.spread_until) if group else ("", "", None, None)
            )
            office = OfficeTime(parse(hours), zones.get(recipient) or zone or "UTC")
            paces[recipient, key] = pace_of(per_hour, default, office, until)
    return paces


# ---------------------------------------------------------------- turns


_PACED: sa.ColumnElement[str] = sa.literal_column(f"'{Lane.PACED.value}'")
_IS_PACED = Outgoing.lane == _PACED
"""Not a parameter: only so do the databases see that the index of paced rows will do."""


MOST: sa.BindParameter[int] = sa.bindparam("most", type_=sa.Integer)
"""The parameter of `due`."""


def due(moment: sa.ColumnElement[dt.datetime], *which: sa.ColumnElement[bool]) -> sa.Select[int]:
    """The `MOST` queued mails that are due longest, locked; those that another worker has are passed over."""
    return (
        sa.select(Outgoing.id)
        .where(Outgoing.state == State.QUEUED, Outgoing.not_before <= moment, *which)
        .order_by(Outgoing.not_before, Outgoing.id)
        .limit(MOST)
        .with_for_update(skip_locked=True)
    )


def may_leave() -> tuple[sa.ColumnElement[bool], ...]:
    """Of a paced mail: its group does not rest, and nothing is on its way to the same recipient."""
    return (is_awake(Outgoing.group_key), _is_free(Outgoing.recipient_key))


def is_awake(group: InstrumentedAttribute[str]) -> sa.ColumnElement[bool]:
    """Whether the group neither is paused nor being cancelled."""
    return group.not_in(groups.are_resting())


def _is_free(recipient: InstrumentedAttribute[str]) -> sa.ColumnElement[bool]:
    """Nothing at a pace is on its way there: a mail server that takes its time holds up one sender and no second."""
    on_its_way: sa.ColumnElement[str] = sa.literal_column(f"'{State.SENDING.value}'")
    other = aliased(Outgoing)
    return ~(
        sa.select(other.id)
        .where(other.recipient_key == recipient, other.lane == _PACED, other.state == on_its_way)
        .exists()
    )


def take_turns(moment: dt.datetime, most: int) -> list[int]:
    """Up to `most` mails whose turn it is: one for each recipient, more where there is no pace."""
    ids: list[int] = []
    written: set[str] = set()
    for recipient, group in _due_turns.rows(moment=moment):
        if len(ids) >= most:
            break
        if recipient not in written and (found := _take(recipient, group, moment, most - len(ids))):
            ids += found
            written.add(recipient)
    return ids


def _has_mail(*which: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether a mail waits for this turn."""
    return (
        sa.select(Outgoing.id)
        .where(Outgoing.recipient_key == Turn.recipient_key, Outgoing.group_key == Turn.group_key)
        .where(Outgoing.state == State.QUEUED, _IS_PACED, *which)
        .exists()
    )


def rest() -> int:
    """Wake the turns for which a mail has come in, and send those to sleep that had none for an hour; how many woke.

    Looking whether a mail waits costs the same for every turn that has come, and those of campaigns that
    are over come for ever. A mail that is put while its turn falls asleep is seen the next time.
    """
    last_at = sa.func.coalesce(Turn.last_at, sa.literal(LONG_AGO, db.UTCDateTime()))
    woken = db.rows_changed(sa.update(Turn).where(Turn.next_at.is_(None), _has_mail()).values(next_at=last_at))
    tired = sa.and_(Turn.next_at <= db.now() - SLEEPS_AFTER, ~_has_mail())
    db.rows_changed(sa.update(Turn).where(tired).values(next_at=None))
    return woken


def _take(recipient: str, group: str, moment: dt.datetime, most: int) -> list[int]:
    """Win this turn and lock its mails, or put it off; none where another worker was quicker, or it is too soon."""
    row = _turn.row(recipient=recipient, group=group, moment=moment)
    turn = _Turn(*row) if row else None
    if turn is None:
        return []
    office = OfficeTime(parse(turn.office_hours or ""), turn.own_zone or turn.zone or "UTC")
    pace = pace_of(turn.per_hour, default_per_hour(), office, turn.spread_until)
    values: dict[str, Any] = {}
    gap = pace.gap
    if pace.is_spread(moment):
        gap, counted_at = turn.spread_gap or pace.gap, turn.counted_at
        if counted_at is None or not counted_at <= moment < counted_at + BETWEEN_COUNTS:
            gap = pace.spread_gap(turn.last_at or moment, _waiting(recipient, group))
            values = {"spread_gap": gap, "counted_at": moment}
    if (later := _too_soon(pace, gap, turn.last_at, moment)) is not None:
        _set(recipient, group, next_at=later, **values)
        return []
    # Asked now that the recipient's row is locked: another worker may have been quicker.
    found = _mine.rows(recipient=recipient, group=group, moment=moment, most=most if gap == 0 else 1)
    ids = [each[0] for each in found]
    if ids:
        factor = random.uniform(1 - JITTER, 1 + JITTER)
        came = max(turn.next_at, moment - TICK)
        next_at = office.later(came, gap * factor)
        if pace.is_spread(moment):
            next_at = min(next_at, moment + BETWEEN_COUNTS)  # mails that come in meanwhile make gaps shorter
        if values:
            _set(recipient, group, **values)
        _took.changed(recipient=recipient, group=group, next_moment=next_at, moment=came)
        free_at = came + dt.timedelta(seconds=pace.hold * factor)
        _occupied.changed(recipient=recipient, moment=free_at)
    return ids


class _Turn(NamedTuple):
    """A turn that has come, with what its pace depends on."""

    next_at: dt.datetime
    last_at: dt.datetime | None
    spread_gap: float | None
    counted_at: dt.datetime | None
    own_zone: str
    zone: str | None
    per_hour: int | None
    office_hours: str | None
    spread_until: dt.datetime | None


_moment: sa.BindParameter[dt.datetime] = sa.bindparam("moment", type_=db.UTCDateTime())
_recipient: sa.BindParameter[str] = sa.bindparam("recipient", type_=sa.String)
_group: sa.BindParameter[str] = sa.bindparam("group", type_=sa.String)
_this_turn = (Turn.recipient_key == _recipient, Turn.group_key == _group)

_due_turns = Prepared(
    lambda _insert: (
        sa.select(Turn.recipient_key, Turn.group_key)
        .join(Recipient, Recipient.recipient_key == Turn.recipient_key)
        .where(Turn.next_at <= _moment, Recipient.next_at <= _moment, _has_mail(Outgoing.not_before <= _moment))
        .where(is_awake(Turn.group_key), _is_free(Turn.recipient_key))
        .order_by(Turn.next_at)
        .limit(LOOKED_AT)
    )
)
"""Recipient and group of turns that have come and of which a mail waits, the longest due first."""
_turn = Prepared(
    lambda _insert: (
        sa.select(
            Turn.next_at,
            Turn.last_at,
            Turn.spread_gap,
            Turn.counted_at,
            Recipient.zone,
            Group.zone,
            Group.per_hour,
            Group.office_hours,
            Group.spread_until,
        )
        .join(Recipient, Recipient.recipient_key == Turn.recipient_key)
        .outerjoin(Group, Group.group_key == Turn.group_key)
        .where(*_this_turn, Turn.next_at <= _moment, Recipient.next_at <= _moment, is_awake(Turn.group_key))
        .with_for_update(of=[Turn, Recipient], skip_locked=True)
    )
)
_mine = Prepared(
    lambda _insert: due(
        _moment,
        Outgoing.recipient_key == _recipient,
        Outgoing.group_key == _group,
        _IS_PACED,
        _is_free(Outgoing.recipient_key),
    )
)
_took = Prepared(
    lambda _insert: (
        sa.update(Turn)
        .where(*_this_turn)
        .values(next_at=sa.bindparam("next_moment", type_=db.UTCDateTime()), last_at=_moment)
    )
)
_occupied = Prepared(
    lambda _insert: sa.update(Recipient).where(Recipient.recipient_key == _recipient).values(next_at=_moment)
)


def _too_soon(pace: Pace, gap: float, last_at: dt.datetime | None, moment: dt.datetime) -> dt.datetime | None:
    """When to look again: the office is closed, or the last mail is not long ago. None where one may leave now."""
    opens_at = pace.office.later(moment, 0)
    if opens_at > moment:
        # Many offices open at the stroke of the hour; not all their letters leave in that second.
        return pace.office.later(opens_at, random.uniform(0, min(gap, 60)))
    if last_at is None:
        return None
    is_long = pace.is_spread(moment) and gap > BETWEEN_COUNTS.total_seconds()
    free_at = pace.office.later(last_at, gap if is_long else gap * (1 - JITTER))
    if free_at <= moment:
        return None
    return min(free_at, moment + BETWEEN_COUNTS) if is_long else free_at


def _waiting(recipient: str, group: str) -> int:
    mine = (Outgoing.recipient_key == recipient, Outgoing.group_key == group, _IS_PACED)
    waiting = sa.select(sa.func.count()).select_from(Outgoing).where(*mine, Outgoing.state == State.QUEUED)
    return db.session.execute(waiting).scalar_one()


def _set(recipient: str, group: str, **values: Any) -> None:
    mine = (Turn.recipient_key == recipient, Turn.group_key == group)
    db.session.execute(sa.update(Turn).where(*mine).values(values).execution_options(synchronize_session=False))
