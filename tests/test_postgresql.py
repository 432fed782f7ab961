"""Waiting for PostgreSQL has an end, and one who waited in vain spares the others."""

from __future__ import annotations

import time

import psycopg
import pytest
import sqlalchemy as sa
import sqlalchemy.exc

from actionkit import db
from actionkit.postgresql import ASK_AGAIN_SECONDS, CONNECT_SECONDS, Away, Patience, make_engine
from tests.conftest import MakeApp, Postgres

NAP = sa.select(sa.func.pg_sleep(60))


class Clock:
    """Stands for the clock that only runs."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_no_answer_is_an_error_and_the_others_need_not_wait(postgres: Postgres) -> None:
    away = Away(clock := Clock())
    engine = make_engine(postgres.url("postgres"), Patience(statement_seconds=60, answer_seconds=0.3), away)
    with engine.connect() as used, engine.connect():  # the other goes back to the pool, and is of no use any more
        began = time.monotonic()
        with pytest.raises(sqlalchemy.exc.OperationalError) as caught:
            used.execute(NAP)
        assert time.monotonic() - began < 2
        assert caught.value.connection_invalidated
    began = time.monotonic()
    with pytest.raises(sqlalchemy.exc.OperationalError, match="a moment ago"):
        engine.connect()
    assert time.monotonic() - began < 0.2
    clock.seconds += ASK_AGAIN_SECONDS
    with engine.connect() as found_back:
        assert found_back.scalar(sa.select(1)) == 1
    with engine.connect():
        pass
    engine.dispose()


def test_many_rows_at_once_wait_no_longer(postgres: Postgres) -> None:
    engine = make_engine(postgres.url("postgres"), Patience(statement_seconds=60, answer_seconds=0.3), Away())
    with engine.connect() as used:
        with pytest.raises(sqlalchemy.exc.OperationalError) as caught:
            used.execute(sa.text("SELECT pg_sleep(:seconds)"), [{"seconds": 60}, {"seconds": 60}])
        assert caught.value.connection_invalidated
    engine.dispose()


def test_a_statement_that_takes_long_is_ended_by_the_server_and_keeps_nobody_away(postgres: Postgres) -> None:
    engine = make_engine(postgres.url("postgres"), Patience(statement_seconds=1, answer_seconds=10), Away())
    with engine.connect() as used:
        with pytest.raises(sqlalchemy.exc.OperationalError) as caught:
            used.execute(NAP)
        assert isinstance(caught.value.orig, psycopg.errors.QueryCanceled)
        used.rollback()
        assert used.scalar(sa.select(1)) == 1
        with engine.connect() as other:
            assert other.scalar(sa.select(1)) == 1
    engine.dispose()


def test_one_finds_out_while_the_others_are_told() -> None:
    away = Away(clock := Clock())
    away.begin()
    away.noticed()
    clock.seconds += ASK_AGAIN_SECONDS
    away.begin()  # finds out, and has not come back yet
    with pytest.raises(psycopg.OperationalError):
        away.begin()
    clock.seconds += CONNECT_SECONDS + ASK_AGAIN_SECONDS  # it never came back
    away.begin()
    away.is_over()
    away.begin()
    away.begin()


@pytest.mark.one_database("postgresql")
def test_everyone_has_the_patience_that_fits(make_app: MakeApp) -> None:
    app = make_app()
    show = sa.text("SHOW statement_timeout")
    with app.app_context():
        assert db.session.scalar(show) == "15s"
        with db.snapshot() as moment:
            assert moment.scalar(show) == "15s"
        with db.unhurried() as upgrade:
            assert upgrade.scalar(show) == "0"
        with db.unhurried() as upgrade:
            assert upgrade.scalar(show) == "0"
        db.session.rollback()
        assert db.session.scalar(show) == "15s"
    with app.test_request_context("/"):
        assert db.session.scalar(show) == "6s"
        assert db.detached(lambda session: session.scalar(show)) == "6s"
        with db.snapshot() as moment:  # a download
            assert moment.scalar(show) == "15s"
