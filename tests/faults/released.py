"""Databases of released versions: their schema by their own migrations, their rows by plain inserts.

Nothing here uses the models of today. What a release stored, and how it signed its links, is written
down once and then stays: a later version has to take it as it is.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from itsdangerous import Signer

from actionkit.migrations import FOLDER
from tests.faults.site import SLUG
from tests.journeys.product import SECRET

OFFICIALS = 3
PENDING = 5
"""Signatures that wait for their confirmation, with links that were mailed."""
BATCH = 5_000

Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    signatures: int
    letters: int
    """How many letters are due; three for each of the last signatures."""


@dataclass(frozen=True)
class Release:
    """A version that was released: its last migration, what it stored, and its links."""

    revision: str
    rows: Callable[[Size], Iterator[tuple[str, Iterable[Row]]]]
    link: Callable[[str, dt.datetime], str]


# ---------------------------------------------------------------- 0001

SIGNED = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(days=1)


def public_id_of(kind: str, n: int) -> str:
    return hashlib.md5(f"{kind} {n}".encode()).hexdigest()


def _content_of_0001() -> Iterator[tuple[str, list[Row]]]:
    numbers = range(1, OFFICIALS + 1)
    yield "programs", [_texts(id=1, slug="clean-water", title="Clean water", language="en", position=0)]
    yield (
        "officials",
        [
            _texts(id=n, slug=f"o{n}", name=f"Official {n}", language="en", country="IT", email=f"o{n}@gov.example")
            for n in numbers
        ],
    )
    campaign = {"id": 1, "slug": SLUG, "program_id": 1, "country": "IT", "state": "open", "goal": 100}
    campaign |= {"opens_on": dt.date(2024, 1, 1), "timezone": "Europe/Rome", "language": "en", "letters": "each"}
    yield "campaigns", [campaign | {"is_letter_editable": True, "reply_to": "supporter", "created_at": SIGNED}]
    yield "campaign_texts", [_texts(id=1, campaign_id=1, language="en", title="Protect the springs")]
    yield "campaign_officials", [{"id": n, "campaign_id": 1, "official_id": n, "position": n} for n in numbers]
    yield "letter_versions", [{"id": 1, "campaign_id": 1, "number": 1, "content_hash": "0" * 64, "created_at": SIGNED}]
    template = "Dear {{official_name}},\n\nprotect them.\n\n{{supporter_name}}\n{{supporter_country}}\n"
    yield (
        "letter_texts",
        [{"id": 1, "version_id": 1, "language": "en", "subject": "The springs", "template": template}],
    )
    wording = {"id": 1, "purpose": "sign", "language": "en", "version": 1, "text": "I agree.", "created_at": SIGNED}
    yield "consent_wordings", [wording | {"content_hash": "1" * 64}]
    yield "delivery_recipients", [{"recipient_key": f"official:{n}", "next_at": SIGNED} for n in numbers]


def _texts(**given: Any) -> Row:
    """A row whose other texts are empty."""
    names = ("quotation", "quotation_source", "body", "salutation", "office", "organisation", "postal_address")
    return dict.fromkeys((*names, "summary"), "") | given


def _signature(n: int, size: Size) -> Row:
    is_confirmed = n <= size.signatures - PENDING
    row = {"id": n, "public_id": public_id_of("signature", n), "campaign_id": 1, "canonical_email": f"s{n}@example.org"}
    row |= {"state": "confirmed" if is_confirmed else "pending", "state_reason": "", "is_name_public": n % 3 == 0}
    row |= {"submission_id": n if is_confirmed else None, "confirmed_at": SIGNED if is_confirmed else None}
    return row | {"signed_at": SIGNED, "mailed_at": SIGNED}


def _submission(n: int) -> Row:
    row = {"id": n, "public_id": public_id_of("submission", n), "signature_id": n, "created_at": SIGNED}
    row |= {"name": f"Çelik Ñ. {n}", "email": f"s{n}@example.org", "country": "IT", "postcode": f"{n:05}"}
    row |= {"comment": f"No. {n}\nshall live" if n % 2 else "", "letter": "", "show_name": n % 3 == 0, "updates": False}
    return row | {"language": "en", "source": "web", "letter_version_id": 1, "consent_wording_id": 1}


def _mail(id_: int, kind: str, subject: int, recipient: str, **other: Any) -> Row:
    row = {"id": id_, "public_id": public_id_of("mail", id_), "kind": kind, "subject_id": subject}
    row |= {"recipient_key": recipient, "group_key": "campaign:1" if kind == "letter" else "", "attempts": 0}
    row |= {"lane": "paced" if kind == "letter" else "fast", "state": "queued", "not_before": SIGNED}
    row |= {"created_at": SIGNED, "lease_owner": "", "is_maybe_twice": False, "last_step": "", "last_answer": ""}
    return row | other


def _rows_of_0001(size: Size) -> Iterator[tuple[str, Iterable[Row]]]:
    numbers = range(1, size.signatures + 1)
    confirmed = size.signatures - PENDING
    yield from _content_of_0001()
    yield "signatures", (_signature(n, size) for n in numbers)
    yield "submissions", (_submission(n) for n in numbers)
    yield (
        "outgoing",
        (
            _mail(k + 1, "letter", confirmed - k // OFFICIALS, f"official:{k % OFFICIALS + 1}")
            for k in range(size.letters)
        ),
    )
    sent = {"state": "sent", "first_tried_at": SIGNED, "ended_at": SIGNED, "attempts": 1}
    yield (
        "outgoing",
        [
            _mail(size.letters + n, "confirmation", n, f"submission:{n}:1", **sent)
            for n in range(confirmed + 1, size.signatures + 1)
        ],
    )
    yield "campaign_counts", [{"campaign_id": 1, "total": confirmed, "as_of": SIGNED}]
    yield (
        "count_buckets",
        [{"campaign_id": 1, "hour": SIGNED.replace(minute=0, second=0), "country": "IT", "signatures": confirmed}],
    )


def _link_of_0001(public_id: str, mailed_at: dt.datetime) -> str:
    signer = Signer(SECRET, salt="actionkit.confirm", key_derivation="hmac", digest_method=hashlib.sha256)
    return f"/confirm/{signer.sign(f'{public_id}.{int(mailed_at.timestamp()):x}').decode()}"


RELEASES = (Release("0001", _rows_of_0001, _link_of_0001),)


# ---------------------------------------------------------------- any


def make(engine: sa.Engine, release: Release, size: Size) -> dict[str, list[str]]:
    """Make the database of a release and fill it; the columns of each table that holds something."""
    with engine.begin() as connection:
        config = AlembicConfig()
        config.set_main_option("script_location", str(FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, release.revision)
    tables = sa.MetaData()
    tables.reflect(engine)
    filled: dict[str, list[str]] = {}
    with engine.begin() as connection:
        for name, rows in release.rows(size):
            table = tables.tables[name]
            filled[name] = [column.name for column in table.columns]
            for batch in _batches(rows):
                connection.execute(table.insert(), [_known(row, filled[name]) for row in batch])
        if engine.dialect.name == "postgresql":
            for name in filled:
                if "id" in filled[name]:
                    connection.execute(
                        sa.text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))")
                    )
    return filled


def _known(row: Row, columns: list[str]) -> Row:
    return {column: value for column, value in row.items() if column in columns}


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while batch := list(islice(rest, BATCH)):
        yield batch


def content_hash(engine: sa.Engine, columns: Mapping[str, list[str]]) -> dict[str, tuple[int, str]]:
    """Of each table: how many rows it has, and the SHA-256 of what stands in these columns."""
    found = {}
    with engine.connect() as connection:
        for name, wanted in columns.items():
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            keys = list(table.primary_key.columns)
            rows = connection.execute(sa.select(*(table.c[column] for column in wanted)).order_by(*keys))
            sha, count = hashlib.sha256(), 0
            for row in rows:
                sha.update(repr([_plain(value) for value in row]).encode())
                count += 1
            found[name] = (count, sha.hexdigest())
    return found


def _plain(value: object) -> object:
    """A value as both databases and all drivers give it."""
    if isinstance(value, dt.datetime):
        return (value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)).isoformat()
    return int(value) if isinstance(value, bool) else value
