"""The database: one session per application context, on SQLite or PostgreSQL.

`session` is all that features use. Whether its transaction may write is decided once per
context, before the first statement: requests that read (GET, HEAD) are `reading`, all else
writes. On SQLite a writing transaction begins IMMEDIATE, so that two writers queue at its
start and never deadlock in its middle; a reading one begins DEFERRED and never waits for
a writer, nor does a writer wait for it.
"""

from __future__ import annotations

import datetime as dt
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
import sqlalchemy.exc
from flask import Flask, current_app, g, has_request_context, request, stream_with_context
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import DeclarativeBase, Session, scoped_session, sessionmaker
from werkzeug.exceptions import HTTPException

from actionkit import postgresql
from config import Config

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

T = TypeVar("T")

SQLITE_BUSY_SECONDS = 5
SQLITE_ASK_AGAIN_SECONDS = 0.000_25


class UTCDateTime(sa.types.TypeDecorator[dt.datetime]):
    """An aware moment in UTC, in both databases; a naive one is a mistake and refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""The type of ids of which there may be thousands of millions; on SQLite the row's own."""


class Base(DeclarativeBase):
    metadata = sa.MetaData(naming_convention=NAMES)
    type_annotation_map = {dt.datetime: UTCDateTime()}


class DatabaseUnavailable(HTTPException):
    """The database does not answer, or is full: nothing was stored, try again."""

    code = 503
    description = "The database does not answer at the moment. Nothing was stored; please try again in a minute."


def now() -> dt.datetime:
    """The moment, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


def new_public_id() -> str:
    """128 random bits in hexadecimal: an id that may be shown and cannot be guessed."""
    return secrets.token_hex(16)


# ---------------------------------------------------------------- session


class _Session(Session):
    def get_bind(self, *_args: Any, **_kwargs: Any) -> sa.Engine:
        return _engine("reading" if _is_reading() else "writing")


def _engine(name: str) -> sa.Engine:
    """The engine "reading" or "writing", with the patience of a request or of work: one of them for a whole context."""
    if "database_engines" not in g:
        g.database_engines = current_app.extensions["database_of_requests" if has_request_context() else "database"]
    engine: sa.Engine = g.database_engines[name]
    return engine


def _is_reading() -> bool:
    if "database_is_reading" not in g:
        g.database_is_reading = has_request_context() and request.method in ("GET", "HEAD", "OPTIONS")
    return bool(g.database_is_reading)


session: scoped_session[Session] = scoped_session(
    sessionmaker(class_=_Session, expire_on_commit=False),
    scopefunc=lambda: id(g._get_current_object()),
)
"""The session of the current application context."""


def connection() -> sa.Connection:
    """The connection of the transaction at hand, which begins where there is none.

    What `session.connection()` gives, without asking the whole way again for each statement of a
    transaction: that costs more than most statements do.
    """
    own = session()
    kept: tuple[Any, sa.Connection] | None = g.get("database_connection")
    if kept is not None and kept[0] is own.get_transaction():
        return kept[1]
    found = own.connection()
    g.database_connection = own.get_transaction(), found
    return found


def reading() -> None:
    """Promise that the rest of this context only reads. Ends an open transaction."""
    session.rollback()
    g.database_is_reading = True


def writing() -> None:
    """Let a GET write after all (an export's audit row). Ends an open transaction."""
    session.rollback()
    g.database_is_reading = False


def insert(table: type[Base] | sa.Table) -> Any:
    """INSERT with `on_conflict_do_nothing` and `on_conflict_do_update`, for the database in use."""
    return (sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert)(table)


def rows_changed(statement: sa.Update | sa.Delete) -> int:
    """Execute, and tell how many rows it changed: how a conditional update knows that it won."""
    result = session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]


def detached(find: Callable[[Session], T]) -> T:
    """What `find` reads, loaded whole and belonging to no session, so that threads may share it."""
    with Session(_engine("reading"), expire_on_commit=False) as own:
        found = find(own)
        own.expunge_all()
    return found


@contextmanager
def snapshot() -> Iterator[sa.Connection]:
    """A connection that sees one moment, reads only, and holds up no writer; for long reads, in a request too."""
    engine: sa.Engine = current_app.extensions["database"]["reading"]
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        yield connection


@contextmanager
def unhurried() -> Iterator[sa.Connection]:
    """A connection that may write and has no limit of time: to change the schema."""
    engine: sa.Engine = current_app.extensions["database"]["writing"]
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            postgresql.lift_limits(connection)
        yield connection


# ---------------------------------------------------------------- engine

Engines = dict[str, sa.Engine]


def make_engines(config: Config) -> tuple[Engines, Engines]:
    """The engines "writing" and "reading" of `config.database_url`: those of work, and those of requests.

    SQLite: WAL with synchronous=FULL, so that what was answered survives a power cut.
    PostgreSQL: time limits, shorter for requests, so that a stuck database gives errors and not a queue.
    """
    if config.is_sqlite:
        file = config.database_file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)  # where it is new: it holds people's addresses
        # Two pools: to switch one connection between reading and writing (PRAGMA query_only) makes
        # SQLite forget all its prepared statements, which costs more than running them.
        engines = {"writing": _sqlite_engine(config, _begin_writing), "reading": _sqlite_engine(config, _begin_reading)}
        return engines, engines
    away = postgresql.Away()
    work, requests = (
        postgresql.make_engine(config.database_url, patience, away)
        for patience in (postgresql.OF_WORK, postgresql.OF_REQUESTS)
    )
    return _both(work), _both(requests)


def _both(engine: sa.Engine) -> Engines:
    return {"writing": engine, "reading": engine.execution_options(postgresql_readonly=True)}


def _sqlite_engine(config: Config, begin: Callable[[sqlite3.Connection], None]) -> sa.Engine:
    engine = sa.create_engine(
        config.database_url,
        pool_size=16,
        max_overflow=16,
        connect_args={"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False},
        hide_parameters=True,  # errors must not quote a supporter
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours
        pragmas = ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "journal_size_limit=67108864"]
        # What is deleted is overwritten too, as Debian's SQLite does by itself and others do not: erased is erased.
        pragmas.append("query_only=ON" if begin is _begin_reading else "secure_delete=ON")
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine, "begin")
    def start(connection: sa.Connection) -> None:
        raw: Any = connection.connection.driver_connection  # past SQLAlchemy's own work for a statement
        try:
            begin(raw)
        except sqlite3.OperationalError as error:
            raise sqlalchemy.exc.OperationalError("BEGIN", None, error, hide_parameters=True) from error

    return engine


def _begin_reading(raw: sqlite3.Connection) -> None:
    raw.execute("BEGIN DEFERRED").close()


_turn = threading.Lock()
"""Whose turn it is in this process to ask SQLite for the one place of a writer."""


def _begin_writing(raw: sqlite3.Connection) -> None:
    """BEGIN IMMEDIATE, after those who came earlier.

    SQLite's own waiting sleeps up to a tenth of a second between two looks, so that under load
    whoever came last is served first and some wait for seconds. Here one thread of each process
    asks every quarter of a millisecond, and the others wait for it: see the figures in
    docs/decisions/0008-sqlite-transactions.md.
    """
    deadline = time.monotonic() + SQLITE_BUSY_SECONDS
    if not _turn.acquire(timeout=SQLITE_BUSY_SECONDS):
        raise sqlite3.OperationalError("database is locked")
    try:
        raw.execute("PRAGMA busy_timeout=0").close()
        while True:
            try:
                raw.execute("BEGIN IMMEDIATE").close()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(SQLITE_ASK_AGAIN_SECONDS)
    finally:
        _turn.release()
        raw.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_SECONDS * 1000}").close()


def init_app(app: Flask) -> None:
    """Bind the session to the application's database, and end it with each context."""
    app.extensions["database"], app.extensions["database_of_requests"] = make_engines(app.config["ACTIONKIT"])

    @app.teardown_appcontext
    def end_session(_error: BaseException | None) -> None:
        session.remove()


def close(app: Flask) -> None:
    """Give back every connection that no one uses now: before a fork, and when an application is done with."""
    for name in ("database", "database_of_requests"):
        for engine in app.extensions[name].values():
            engine.dispose()


def keep_context(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Let a streamed answer use the database after the view has returned."""
    return stream_with_context(parts)
