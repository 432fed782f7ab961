"""Storing many signatures in seconds: what a benchmark needs to find there before it begins.

One person signs through the product. All others are copies of the rows that this made, with what
differs between people put in by one statement a table and hour: whatever columns the product
stores, it has filled them itself.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from actionkit import db
from actionkit.delivery.models import State
from actionkit.schema import TABLES
from actionkit.signing.models import CampaignCount, CountBucket, Measure, SignatureState
from bench.ground import CAMPAIGN, FORM, Installation

AN_HOUR = 10_000
"""Signatures confirmed in each hour of the past."""
COUNTRIES = "ITFRESDEIN"
SHOWN, COMMENTED = 4, 5
"""One in so many asked to be shown by name, one in so many wrote a comment."""
COMMENT = "My sister was seventeen when the man who said he loved her took her passport away. " * 2

REST = "5" * 24
"""The other digits of a public id."""

COPIED = ("signatures", "submissions", "outgoing", "mail_allowances", "sign_hits")
Originals = Mapping[str, sa.RowMapping]
"""table → the row that the product made"""


def fill(place: Installation, signatures: int, campaign: str = CAMPAIGN) -> None:
    """Confirmed signatures of `campaign`, with their submissions, mails sent, limits and counts.

    The installation must hold its content and no signature yet. One more is stored, unconfirmed:
    that of the person who signed through the product.
    """
    with place.application() as app:
        form = dict(pair.split("=") for pair in FORM.replace("{n}", "0").split("&"))
        answer = app.test_client().post(f"/campaigns/{campaign}/sign", data=form)
        assert answer.status_code == 303, answer.status
    this_hour = db.now().replace(minute=0, second=0, microsecond=0)
    with _fast_connection(place) as connection:
        originals = {name: connection.execute(sa.select(TABLES[name])).mappings().one() for name in COPIED}
        statements = _statements(connection.dialect.name, originals, signatures)
        campaign_id = originals["signatures"]["campaign_id"]
        for first in range(2, signatures + 2, AN_HOUR):
            last = min(first + AN_HOUR, signatures + 2) - 1
            hour = this_hour - dt.timedelta(hours=(signatures + 2 - first) // AN_HOUR + 1)
            for statement in statements:
                connection.execute(statement, {"first": first, "last": last, "at": hour})
            _count(connection, originals, hour, Counter(_country(n) for n in range(first, last + 1)))
        connection.execute(sa.insert(CampaignCount).values(campaign_id=campaign_id, total=signatures))
    _tidy(place)


def _country(n: int) -> str:
    at = n * 2 % len(COUNTRIES)
    return COUNTRIES[at : at + 2]


def _count(connection: sa.Connection, originals: Originals, hour: dt.datetime, countries: Counter[str]) -> None:
    """The buckets of an hour, and its share of the day."""
    campaign_id, of_all = originals["signatures"]["campaign_id"], originals["submissions"]
    buckets = [
        {"campaign_id": campaign_id, "hour": hour, "country": country, "signatures": signatures}
        for country, signatures in countries.items()
    ]
    connection.execute(sa.insert(CountBucket), buckets)
    parts = [(Measure.COUNTRY, country, signatures) for country, signatures in countries.items()]
    for measure, value in ((Measure.LANGUAGE, of_all["language"]), (Measure.SOURCE, of_all["source"])):
        parts.append((measure, value, countries.total()))
    parts.append((Measure.SIGNED, "", countries.total()))
    add = sa.text(
        "INSERT INTO count_days (measure, campaign_id, day, value, number) VALUES (:measure, :campaign_id, :day,"
        " :value, :number) ON CONFLICT (measure, campaign_id, day, value)"
        " DO UPDATE SET number = count_days.number + excluded.number"
    )
    today, month = hour.date(), hour.date().replace(day=1)
    for measure, value, number in parts:
        for name, day in ((measure.value, today), (measure.by_month, month)):
            connection.execute(
                add.bindparams(sa.bindparam("day", type_=sa.Date)),
                {"measure": name, "campaign_id": campaign_id, "day": day, "value": value, "number": number},
            )


# ---------------------------------------------------------------- copies


def _statements(dialect: str, originals: Originals, signatures: int) -> list[sa.Insert]:
    """One for each table: it stores the people `:first` to `:last`, all of them at the moment `:at`."""
    numbers = _numbers()
    n = numbers.c.n
    at = sa.bindparam("at", type_=db.UTCDateTime())
    key = _spread(dialect, n, signatures + 2)
    email = sa.literal("u").concat(key).concat("@example.com")
    is_shown = n % SHOWN == 0

    def copies(table: str, **differing: Any) -> sa.Insert:
        columns = TABLES[table].columns
        original = {c.name: sa.literal(originals[table][c.name], c.type) for c in columns}
        values = {**original, **differing}
        return sa.insert(TABLES[table]).from_select(list(values), sa.select(*values.values()).select_from(numbers))

    return [
        copies(
            "signatures",
            id=n,
            public_id=key.concat(REST),
            canonical_email=email,
            state=sa.literal(SignatureState.CONFIRMED.value),
            submission_id=n,
            signed_at=at,
            mailed_at=at,
            confirmed_at=at,
            is_name_public=is_shown,
        ),
        copies(
            "submissions",
            id=n,
            public_id=key.concat(REST),
            signature_id=n,
            created_at=at,
            name=sa.literal("A Supporter ").concat(sa.cast(n, sa.String)),
            email=email,
            country=sa.func.substr(COUNTRIES, n * 2 % len(COUNTRIES) + 1, 2),
            comment=sa.case((n % COMMENTED == 0, COMMENT), else_=""),
            show_name=is_shown,
        ),
        copies(
            "outgoing",
            id=n,
            public_id=key.concat(REST),
            subject_id=n,
            recipient_key=sa.literal("submission:").concat(sa.cast(n, sa.String)).concat(":1"),
            state=sa.literal(State.SENT.value),
            not_before=at,
            created_at=at,
            first_tried_at=at,
            ended_at=at,
            attempts=sa.literal(1),
        ),
        # As if all of them had come within a day: until then the limits remember them.
        copies("mail_allowances", canonical_email=email, latest_at=at),
        copies("sign_hits", network=key.concat(REST)),
    ]


def _numbers() -> sa.CTE:
    """`:first` to `:last`, in either database."""
    begin = sa.select(sa.bindparam("first", type_=sa.Integer).label("n")).cte("numbers", recursive=True)
    return begin.union_all(sa.select(begin.c.n + 1).where(begin.c.n < sa.bindparam("last", type_=sa.Integer)))


def _spread(dialect: str, n: sa.ColumnElement[int], end: int) -> sa.ColumnElement[str]:
    """8 hexadecimal digits: the numbers up to `end`, evenly all over what 8 digits can say.

    In the order of the numbers, so that filling an index is quick; and what is signed later falls
    between them everywhere, as random ids do.
    """
    place = n * sa.literal((1 << 32) // end, sa.BigInteger)
    if dialect == "sqlite":
        return sa.func.printf("%08x", place, type_=sa.String)
    return sa.func.lpad(sa.func.to_hex(place), 8, "0", type_=sa.String)


# ---------------------------------------------------------------- speed


@contextmanager
def _fast_connection(place: Installation) -> Iterator[sa.Connection]:
    """For rows that are right by the way they are made, and need not survive a power cut."""
    config = place.config
    if config.is_sqlite:
        engine = sa.create_engine(config.database_url)
        pragmas = ["foreign_keys=OFF", "synchronous=OFF", "cache_size=-1000000"]
    else:
        options = "-c timezone=UTC -c session_replication_role=replica -c synchronous_commit=off"
        engine = sa.create_engine(config.database_url, connect_args={"options": options})
        pragmas = []
    with engine.connect() as connection:
        for pragma in pragmas:
            connection.exec_driver_sql(f"PRAGMA {pragma}")
        yield connection
        connection.commit()
    engine.dispose()


def _tidy(place: Installation) -> None:
    """Leave files, statistics and sequences as they are where signatures come one by one."""
    config = place.config
    if config.is_sqlite:
        statements = ["PRAGMA wal_checkpoint(TRUNCATE)"]
    else:
        counted = [name for name in COPIED if "id" in TABLES[name].columns]
        statements = [
            *(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}" for name in counted),
            "VACUUM ANALYZE",
            "CHECKPOINT",
        ]
    engine = sa.create_engine(config.database_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
