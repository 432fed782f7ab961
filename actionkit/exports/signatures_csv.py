"""The signatures of a campaign as CSV: streamed, guarded, whole or visibly broken."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from actionkit.signing.models import MailStop, Signature, SignatureState, Submission
from actionkit.signing.submissions import SPEAKS_FOR_IT
from actionkit.text import guarded

COLUMNS = (
    "signature_id",
    "name",
    "email",
    "country",
    "postcode",
    "comment",
    "show_name",
    "updates",
    "state",
    "signed_at",
    "confirmed_at",
    "language",
    "source",
)
ALL = "all"
STATES = (*SignatureState, ALL)
CHUNK_ROWS = 1_000
PAGE_ROWS = 5_000


def _moment(at: dt.datetime | None) -> str:
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def _tick(value: bool) -> str:
    return "true" if value else "false"


def stream(
    connection: sa.Connection, campaign_id: int, state: str = SignatureState.CONFIRMED, *, bom: bool = False
) -> Iterator[bytes]:
    """The CSV in parts: RFC 4180, UTF-8, one header row and one row per signature.

    Rows come from one snapshot, a page at a time by id, so that memory stays small. An error in
    the middle is raised, never swallowed: the transfer then breaks off and no part looks whole.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    if bom:
        buffer.write("\ufeff")
    writer.writerow(COLUMNS)
    last_id = 0
    while rows := connection.execute(_page(campaign_id, state, last_id)).all():
        for n, row in enumerate(rows, 1):
            writer.writerow(_cells(row))
            if n % CHUNK_ROWS == 0:
                yield _taken(buffer)
        last_id = rows[-1].id
        if len(rows) < PAGE_ROWS:
            break
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    part = buffer.getvalue().encode("utf-8")
    buffer.seek(0)
    buffer.truncate()
    return part


_wants_no_more = (
    sa.select(MailStop.canonical_email).where(MailStop.canonical_email == Signature.canonical_email).exists()
)


def _page(campaign_id: int, state: str, after: int) -> sa.Select[*tuple[Any, ...]]:
    """The next signatures, each with the submission that counts or, before that, its latest."""
    page = (
        sa.select(
            Signature.id,
            Signature.public_id,
            Submission.name,
            Submission.email,
            Submission.country,
            Submission.postcode,
            Submission.comment,
            Submission.show_name,
            # The tick, unless its owner has taken it back since: staff write to who is listed here.
            sa.and_(Submission.updates, ~_wants_no_more).label("updates"),
            Signature.state,
            Signature.signed_at,
            Signature.confirmed_at,
            Submission.language,
            Submission.source,
        )
        .join(Submission, SPEAKS_FOR_IT)
        .where(Signature.campaign_id == campaign_id, Signature.id > after)
        .order_by(Signature.id)
        .limit(PAGE_ROWS)
    )
    return page if state == ALL else page.where(Signature.state == state)


def _cells(row: sa.Row[*tuple[Any, ...]]) -> tuple[str, ...]:
    return (
        row.public_id,
        guarded(row.name),
        guarded(row.email),
        guarded(row.country),
        guarded(row.postcode),
        guarded(row.comment),
        _tick(row.show_name),
        _tick(row.updates),
        row.state,
        _moment(row.signed_at),
        _moment(row.confirmed_at),
        row.language,
        row.source,
    )
