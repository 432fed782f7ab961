"""Reading the audit trail: what a member may see of it, a page at a time, or as a file."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from actionkit import paging
from actionkit.campaigns.models import Campaign
from actionkit.people import words
from actionkit.staff import rights
from actionkit.staff.models import AuditEntry, StaffMember
from actionkit.staff.rights import Right
from actionkit.text import guarded

Rows = sa.Select[*tuple[Any, ...]]

COLUMNS = ("id", "at", "member_id", "member", "action", "subject", "detail", "hash")
PAGE_ROWS = 2_000
SERVER = 0
"""In a filter, the id of who has none: commands and jobs on the server."""


@dataclass(frozen=True)
class Wanted:
    """What of the trail is asked for. `since` and `until` are whole days (UTC), the last one included."""

    since: dt.date | None = None
    until: dt.date | None = None
    member_id: int | None = None
    action: str = ""
    campaign: str = ""

    @property
    def criteria(self) -> dict[str, Any]:
        """For the trail's own entry, and for links: what is set, as text and numbers."""
        found = {
            "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
            "member": self.member_id,
            "action": self.action,
            "campaign": self.campaign,
        }
        return {name: value for name, value in found.items() if value not in (None, "")}


def entries(wanted: Wanted) -> Rows:
    """The entries that are asked for, of those that the current member may see."""
    query = (
        sa.select(AuditEntry, StaffMember.email)
        .outerjoin(StaffMember, StaffMember.id == AuditEntry.staff_member_id)
        .where(*_may_see(), *_wanted(wanted))
    )
    return query


def _may_see() -> Iterator[sa.ColumnElement[bool]]:
    """All for an administrator; for others what was done on the campaigns on which they may act."""
    if rights.campaign_ids(Right.ADMIN) is None:
        return
    yield AuditEntry.action.not_in(words.NOT_OF_A_CAMPAIGN)
    slugs = sa.select(Campaign.slug)
    if (ids := rights.campaign_ids(Right.ACT)) is not None:
        slugs = slugs.where(Campaign.id.in_(ids))
    yield AuditEntry.subject.in_(slugs)


def _wanted(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.since:
        yield AuditEntry.at >= _midnight(wanted.since)
    if wanted.until:
        yield AuditEntry.at < _midnight(wanted.until) + dt.timedelta(days=1)
    if wanted.member_id is not None:
        yield AuditEntry.staff_member_id == (wanted.member_id or None)
    if wanted.action:
        yield AuditEntry.action == wanted.action
    if wanted.campaign:
        yield AuditEntry.subject == wanted.campaign
        yield AuditEntry.action.not_in(words.NOT_OF_A_CAMPAIGN)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def page(wanted: Wanted, number: int) -> paging.Page[Any]:
    """The newest first; never counted."""
    return paging.page_of(entries(wanted).order_by(AuditEntry.id.desc()), number)


def stream(connection: sa.Connection, query: Rows) -> Iterator[bytes]:
    """The entries of `query` as CSV, the oldest first: RFC 4180, UTF-8, text cells guarded.

    With `id`, `at`, `member_id`, `action`, `subject`, `detail` and `hash` anyone can compute the
    chain anew (decision 0022), where the file has all entries of its period.
    """
    columns = query.with_only_columns(
        AuditEntry.id,
        AuditEntry.at,
        AuditEntry.staff_member_id,
        StaffMember.email,
        AuditEntry.action,
        AuditEntry.subject,
        AuditEntry.detail,
        AuditEntry.chain_hash,
    ).order_by(AuditEntry.id)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    last_id = 0
    while rows := connection.execute(columns.where(AuditEntry.id > last_id).limit(PAGE_ROWS)).all():
        for row in rows:
            writer.writerow(
                (
                    row.id,
                    row.at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
                    row.staff_member_id or "",
                    guarded(row.email or ""),
                    guarded(row.action),
                    guarded(row.subject),
                    json.dumps(row.detail, sort_keys=True, separators=(",", ":")),
                    row.chain_hash,
                )
            )
        last_id = rows[-1].id
        yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    part = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return part
