"""PostgreSQL with an end to every wait: who asks gets an answer or an error, in bounded time.

The server ends a statement, or a wait for a lock, that takes too long. That is no help when the
server itself stands still, or is cut off and no packet says so: psycopg then waits for as long as
it lasts. So each connection has a second limit of its own, some seconds behind the server's, and
only a server that says nothing at all ever reaches it.

Who has waited once tells the others of the process (`Away`): one finds out whether the server is
back, the rest get their error at once and need not wait too. See
docs/decisions/0013-clocks-and-standstill.md.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.abc import PQGen

R = TypeVar("R")

CONNECT_SECONDS = 3
ASK_AGAIN_SECONDS = 1.0
"""Between a try to connect that got no answer and the next."""


@dataclass(frozen=True)
class Patience:
    """How long somebody waits: for one statement, which the server ends, and for any answer of the server at all."""

    statement_seconds: int
    answer_seconds: float

    @property
    def options(self) -> str:
        """The server's part, as settings of a session."""
        return (
            f"-c timezone=UTC -c statement_timeout={self.statement_seconds}s -c lock_timeout=5s"
            " -c idle_in_transaction_session_timeout=60s"
        )


OF_REQUESTS = Patience(statement_seconds=6, answer_seconds=8)
"""Somebody sits before a browser, and a request holds one of the process's few places."""
OF_WORK = Patience(statement_seconds=15, answer_seconds=20)
"""Jobs, commands, and exports that somebody downloads."""


@dataclass
class Away:
    """One process's memory of a server that did not answer. Counted on the clock that only runs."""

    clock: Callable[[], float] = time.monotonic
    _ask_again_at: float = 0.0
    """0 while all is well."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        """Before a try to connect. Raises `psycopg.OperationalError` unless all is well, or it is time to find out.

        The one who finds out keeps the others away for as long as that may take.
        """
        if not self._ask_again_at:
            return
        with self._lock:
            if self.clock() < self._ask_again_at:
                raise psycopg.OperationalError("the server did not answer a moment ago")
            self._ask_again_at = self.clock() + CONNECT_SECONDS + ASK_AGAIN_SECONDS

    def noticed(self) -> None:
        """The server said nothing for too long."""
        with self._lock:
            self._ask_again_at = self.clock() + ASK_AGAIN_SECONDS

    def is_over(self) -> None:
        """The server spoke, if only to refuse."""
        with self._lock:
            self._ask_again_at = 0.0


class Connection(psycopg.Connection[Any]):
    """A connection that is closed when the server does not answer in time."""

    answer_seconds: float | None
    away: Away

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """Wait for one answer. Raises `psycopg.OperationalError` when it does not come, and is closed then:

        what the server does with the question when it wakes is not known, and nobody else must get its answer.
        """
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_seconds)
        except psycopg.errors._WaitTimeout:
            self.close()
            self.away.noticed()
            raise psycopg.OperationalError(f"no answer within {self.answer_seconds} seconds") from None


def make_engine(url: str, patience: Patience, away: Away) -> sa.Engine:
    """A pool of connections with this patience; those who share `away` tell each other."""
    engine = sa.create_engine(
        url,
        pool_size=8,
        max_overflow=8,
        pool_timeout=5,
        pool_pre_ping=True,
        hide_parameters=True,  # errors must not quote a supporter
        connect_args={"options": patience.options, "connect_timeout": CONNECT_SECONDS},
    )

    @sa.event.listens_for(engine, "do_connect")
    def connect(_dialect: sa.Dialect, _record: object, args: Any, settings: Any) -> Connection:
        away.begin()
        try:
            connection: Connection = Connection.connect(*args, **settings)
        except psycopg.errors.ConnectionTimeout:
            away.noticed()
            raise
        except psycopg.OperationalError:
            away.is_over()
            raise
        away.is_over()
        connection.answer_seconds, connection.away = patience.answer_seconds, away
        return connection

    return engine


def lift_limits(connection: sa.Connection) -> None:
    """Let this connection take as long as it likes, for an upgrade; it is closed after use, not kept.

    The limit of waiting for a lock stays: behind whoever waits for a whole table all others wait.
    """
    raw: Any = connection.connection.driver_connection
    raw.answer_seconds = None
    connection.detach()
    raw.autocommit = True  # a setting of the session, that no transaction takes back
    raw.execute("SET statement_timeout = 0")
    raw.autocommit = False
