"""Whether the relay is worth trying: a circuit breaker that all workers share.

Five faults in a row, or one answer that says that we are set up wrongly (5xx), shut it: nobody
tries for 30 s, then one sender does, then all or nobody. Pauses double, to 90 s in the first ten
minutes and to 5 minutes later: so an outage of ten minutes costs some 15 tries in the whole
installation and its end is noticed within two minutes; one of an hour costs some 25.

Kept in the database, in a row that is there only while there is trouble: so it counts for any
number of workers, and outlives their restart.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery.models import RelayTrouble

log = logging.getLogger(__name__)

FAULTS_UNTIL_SHUT = 5
FIRST_PAUSE = dt.timedelta(seconds=30)
LONGEST_PAUSE = dt.timedelta(seconds=90)
LONGEST_PAUSE_LATER = dt.timedelta(minutes=5)
LATER = dt.timedelta(minutes=10)
"""From so long an outage on, pauses grow to the later limit."""
NOTHING_TO_TRY = dt.timedelta(seconds=5)
"""When to look again, where the one who was to find out had no mail to try with."""

_THE_ROW = RelayTrouble.id == 1


@dataclass(frozen=True)
class Permit:
    """Leave to try. `shut_until` marks the one who finds out whether the relay is well again."""

    shut_until: dt.datetime | None = None

    @property
    def is_probe(self) -> bool:
        return self.shut_until is not None


class Relay:
    """One process's view of the relay. The caller commits."""

    def __init__(self) -> None:
        self.is_shut = False
        self._has_trouble = False
        self._is_new = True
        """Somebody may have started this process because the cause is mended: it need not wait."""

    def may_try(self) -> Permit | None:
        """A permit where all is well, or to the one who finds out whether it is again. In a transaction of its own."""
        db.reading()
        trouble = current()
        moment = db.now()
        self._has_trouble = trouble is not None
        self.is_shut = trouble is not None and trouble.is_shut(moment) and not self._is_new
        self._is_new = False
        if trouble is None or trouble.shut_until is None:
            return Permit()
        if self.is_shut:
            return None
        db.writing()
        # Whoever moves the mark from where it was seen has won; it also ends the pause of a dead winner.
        pause = _next_pause(trouble, moment)
        won = db.rows_changed(
            sa.update(RelayTrouble)
            .where(_THE_ROW, RelayTrouble.shut_until == trouble.shut_until)
            .values(shut_until=moment + pause, pause_seconds=int(pause.total_seconds()))
        )
        return Permit(moment + pause) if won else None

    def failed(self, permit: Permit, step: str, answer: str, *, is_final: bool) -> None:
        """A try failed for no fault of the mail's; `is_final` where the relay refused us for good (5xx)."""
        moment = db.now()
        new = {"id": 1, "faults": 1, "since": moment, "pause_seconds": 0, "step": step, "answer": answer[:300]}
        counted = db.insert(RelayTrouble).values(new)
        faults = db.session.execute(
            counted.on_conflict_do_update(
                index_elements=["id"],
                set_={
                    "faults": RelayTrouble.faults + 1,
                    "step": counted.excluded.step,
                    "answer": counted.excluded.answer,
                },
            ).returning(RelayTrouble.faults)
        ).scalar_one()
        self._has_trouble = True
        if permit.is_probe:
            seconds = db.session.scalar(sa.select(RelayTrouble.pause_seconds).where(_THE_ROW)) or 0
            self._shut(moment + dt.timedelta(seconds=seconds), RelayTrouble.shut_until == permit.shut_until)
        elif faults >= FAULTS_UNTIL_SHUT or is_final:
            values = {"pause_seconds": int(FIRST_PAUSE.total_seconds())}
            if self._shut(moment + FIRST_PAUSE, RelayTrouble.shut_until.is_(None), **values):
                log.error("sending pauses: the relay is in trouble", extra={"step": step, "answer": answer})

    def _shut(self, until: dt.datetime, which: sa.ColumnElement[bool], **values: int) -> bool:
        self.is_shut = True
        changed = sa.update(RelayTrouble).where(_THE_ROW, which).values(shut_until=until, **values)
        return bool(db.rows_changed(changed))

    def answered(self) -> None:
        """The relay took a mail, or refused one for the mail's own sake: it is well."""
        if self._has_trouble:
            ended = db.rows_changed(sa.delete(RelayTrouble).where(_THE_ROW))
            self._has_trouble = self.is_shut = False
            if ended:
                log.info("the relay is well again")

    def found_nothing(self, permit: Permit) -> None:
        """The one who was to find out had no mail to try with: another looks soon."""
        if permit.is_probe:
            db.rows_changed(
                sa.update(RelayTrouble)
                .where(_THE_ROW, RelayTrouble.shut_until == permit.shut_until)
                .values(shut_until=db.now() + NOTHING_TO_TRY)
            )


@dataclass(frozen=True)
class Trouble:
    """What is known of the relay's trouble."""

    faults: int
    since: dt.datetime
    shut_until: dt.datetime | None
    pause_seconds: int
    step: str
    answer: str

    def is_shut(self, moment: dt.datetime) -> bool:
        """Whether nobody tries now. A mark beyond the longest pause is of a clock that was set back since."""
        return self.shut_until is not None and moment < self.shut_until <= moment + LONGEST_PAUSE_LATER


def current() -> Trouble | None:
    """The relay's trouble, or None while all is well."""
    columns = (getattr(RelayTrouble, name) for name in Trouble.__dataclass_fields__)
    row = db.session.execute(sa.select(*columns).where(_THE_ROW)).first()
    return Trouble(*row) if row else None


def stops_sending() -> Trouble | None:
    """The trouble for which nothing leaves at the moment, or None."""
    trouble = current()
    return trouble if trouble and trouble.shut_until else None


def try_now() -> bool:
    """End the pause: the next sender finds out at once. False where there is none."""
    return bool(
        db.rows_changed(
            sa.update(RelayTrouble).where(_THE_ROW, RelayTrouble.shut_until > db.now()).values(shut_until=db.now())
        )
    )


def _next_pause(trouble: Trouble, moment: dt.datetime) -> dt.timedelta:
    longest = LONGEST_PAUSE_LATER if moment - trouble.since > LATER else LONGEST_PAUSE
    return min(max(dt.timedelta(seconds=trouble.pause_seconds * 2), FIRST_PAUSE), longest)
