"""One transaction for the turns of several senders.

Storing costs a wait for the disk, whatever is stored. Who comes while a transaction is under way waits
for its end, and everybody who has come meanwhile is in the next: so many senders wait hardly longer
than one, and each knows that its own turn is stored when it goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import sqlalchemy.exc

from actionkit import db

log = logging.getLogger(__name__)

T = TypeVar("T")

AWAY = (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError)
PAUSES = (0.5, 1, 2, 4, 8, 15, 30)
"""Seconds between two tries while the database is away."""


@dataclass
class _Entry(Generic[T]):
    turn: T
    is_done: bool = False
    error: Exception | None = None


@dataclass
class Clerk(Generic[T]):
    """Stores turns: `write` does what they say, all in one transaction that the clerk commits."""

    write: Callable[[Sequence[T]], None]
    stopping: threading.Event
    _waiting: list[_Entry[T]] = field(default_factory=list)
    _line: threading.Lock = field(default_factory=threading.Lock)
    _pen: threading.Lock = field(default_factory=threading.Lock)

    def store(self, turn: T) -> None:
        """Return when the turn is stored; raise why it cannot be."""
        mine = _Entry(turn)
        with self._line:
            self._waiting.append(mine)
        with self._pen:
            if not mine.is_done:
                with self._line:
                    entries, self._waiting = self._waiting, []
                self._store_all(entries)
        if mine.error is not None:
            raise mine.error

    def _store_all(self, entries: list[_Entry[T]]) -> None:
        """All together; where that is not possible, each alone, so that the error is only whose it is."""
        try:
            self._patiently([entry.turn for entry in entries])
        except Exception as error:
            db.session.rollback()
            for entry in entries:
                if len(entries) == 1 or isinstance(error, AWAY):
                    entry.error = error
                    continue
                try:
                    self._patiently([entry.turn])
                except Exception as own:
                    db.session.rollback()
                    entry.error = own
        finally:
            for entry in entries:
                entry.is_done = True

    def _patiently(self, turns: list[T]) -> None:
        """What happened to a letter is known here and nowhere else, so a database that is away is waited for.

        Only after a minute is the row left to its lease, which will call it uncertain.
        """
        for pause in PAUSES:
            try:
                return self._once(turns)
            except AWAY as error:
                db.session.rollback()
                log.warning("database away", extra={"cause": type(error).__name__})
                self.stopping.wait(pause)
        return self._once(turns)

    def _once(self, turns: list[T]) -> None:
        db.writing()
        self.write(turns)
        db.session.commit()
