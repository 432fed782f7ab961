"""One beat for a whole installation: whoever holds the baton asks for the jobs, all others stand by.

Started twice by mistake, or on two machines on purpose, beat asks for each job once. The baton is
a lock that its holder cannot forget to give back: it ends with the holder's process or connection,
and the next one takes over within `STANDBY_SECONDS`.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import logging
import time
from pathlib import Path
from typing import Any, Protocol, TextIO

import sqlalchemy as sa
import sqlalchemy.exc
from celery.beat import Scheduler
from flask import Flask

from config import Config

log = logging.getLogger(__name__)

STANDBY_SECONDS = 2.0
"""Between two looks of one that stands by."""
STILL_SECONDS = 1.0
"""How old the last look of the holder may be, at most."""
LOCK = 4_019_040_001
"""Of PostgreSQL's advisory locks, which are numbers that all programs on a database share."""
NOTICE_DEATH = ("tcp_keepalives_idle = 5", "tcp_keepalives_interval = 5", "tcp_keepalives_count = 2")
"""A machine that is gone says no goodbye: PostgreSQL asks, and lets go of its lock after 15 seconds."""

LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


class Baton(Protocol):
    """What one process at a time can hold."""

    def is_ours(self) -> bool:
        """Whether this process holds it, having tried to take it if nobody does."""


class InDatabase:
    """On PostgreSQL: a lock of a connection that is kept for nothing else. For any number of machines."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connection: sa.Connection | None = None
        self._has_it = False

    def is_ours(self) -> bool:
        try:
            self._look(self._connection or self._connect())
        except sqlalchemy.exc.SQLAlchemyError as error:
            log.warning("database away", extra={"cause": type(error).__name__})
            self._leave()
        return self._has_it

    def _look(self, connection: sa.Connection) -> None:
        if self._has_it:
            connection.execute(sa.select(1))  # the lock lives as long as the connection
        else:
            self._has_it = bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(LOCK))))

    def _connect(self) -> sa.Connection:
        self._connection = connection = self._engine.connect()
        connection.detach()  # closing it closes it; the pool must not keep the lock alive
        for setting in NOTICE_DEATH:
            connection.exec_driver_sql(f"SET {setting}")
        return connection

    def _leave(self) -> None:
        connection, self._connection, self._has_it = self._connection, None, False
        if connection is not None:
            connection.invalidate()
            connection.close()


class InFile:
    """On SQLite, and so on one machine: a lock on a file of the instance folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def is_ours(self) -> bool:
        if self._file is None:
            file = self._path.open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
            else:
                self._file = file
        return self._file is not None


def scheduler(app: Flask) -> type[Scheduler]:
    """Celery's scheduler for this installation, which does nothing while another process's gives the time."""
    config: Config = app.config["ACTIONKIT"]
    engine: sa.Engine = app.extensions["database"]["writing"]
    baton: Baton = InDatabase(engine) if engine.dialect.name == "postgresql" else InFile(config.instance / "beat.lock")

    class OneBeat(Scheduler):
        _looked_at = -STILL_SECONDS
        _is_ours: bool | None = None
        """None before the first look."""

        def setup_schedule(self) -> None:
            """All jobs are due at first: a beat that is restarted often must not miss the rare ones."""
            super().setup_schedule()
            for entry in self.schedule.values():
                entry.last_run_at = LONG_AGO

        def tick(self, *args: Any, **kwargs: Any) -> float:
            """Ask for what is due, if it is this one's turn; seconds until there may be more to do."""
            if time.monotonic() - self._looked_at >= STILL_SECONDS:
                before, self._is_ours = self._is_ours, baton.is_ours()
                self._looked_at = time.monotonic()
                if self._is_ours is not before:
                    log.info("beat gives the time" if self._is_ours else "beat stands by")
            return super().tick(*args, **kwargs) if self._is_ours else STANDBY_SECONDS

    return OneBeat
