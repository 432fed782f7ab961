"""The trail as a chain: what was changed, taken out or put in between is found.

Each entry carries SHA-256 over the hash of the entry before it and its own content. Entries
are written at the very end of their transaction (`audit`), one transaction at a time, so that
the order of ids is the order of the chain. `AuditHead` says which entry is the last, under a
tag made with the secret key.

What this finds, and what it cannot, is in docs/decisions/0022-audit-chain.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from actionkit import db
from actionkit.security import is_genuine_tag, make_tag
from actionkit.staff.models import AuditEntry, AuditHead

BEGINNING = "0" * 64
"""What stands before the first entry."""
PURPOSE = "audit-head"
ROWS_AT_ONCE = 5_000
MOST_NAMED = 5
FOREIGN_KEY = (
    "the mark of its end was not made with ACTIONKIT_SECRET_KEY nor one of its fallbacks: "
    "the key was changed, or the trail was written anew by somebody without it"
)

_ENTRIES = (
    sa.select(
        AuditEntry.id,
        AuditEntry.chain_hash,
        AuditEntry.at,
        AuditEntry.staff_member_id,
        AuditEntry.action,
        AuditEntry.subject,
        AuditEntry.detail,
    )
    .order_by(AuditEntry.id)
    .limit(ROWS_AT_ONCE)
)


def link(before: str, at: dt.datetime, member_id: int | None, action: str, subject: str, detail: dict[str, Any]) -> str:
    """The hash of an entry that follows the entry with the hash `before`.

    The form of the content is fixed for ever: a JSON array without spaces, ASCII alone, keys in
    order, the time in UTC to the microsecond.
    """
    moment = at.astimezone(dt.UTC).isoformat(timespec="microseconds")
    content = json.dumps([moment, member_id, action, subject, detail], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{content}".encode()).hexdigest()


def append(entries: Iterable[AuditEntry]) -> None:
    """Add the entries to the end of the chain, in the transaction at hand, whose last act this is.

    Whoever else adds entries waits here until this transaction has ended. Nothing may be locked
    after it: two transactions that each hold what the other wants would otherwise be possible.
    """
    head = _locked_head()
    for entry in entries:
        head.entry_hash = entry.chain_hash = link(
            head.entry_hash, entry.at, entry.staff_member_id, entry.action, entry.subject, entry.detail
        )
        db.session.add(entry)
        db.session.flush()  # one by one: ids in the order of the chain
        head.entry_id = entry.id
    head.tag = make_tag(PURPOSE, _said(head))
    db.session.flush()


def _locked_head() -> AuditHead:
    find = sa.select(AuditHead).with_for_update().execution_options(populate_existing=True)
    if (head := db.session.scalar(find)) is None:
        first = db.insert(AuditHead).values(id=1, entry_id=0, entry_hash=BEGINNING, tag="")
        db.session.execute(first.on_conflict_do_nothing())
        head = db.session.execute(find).scalar_one()
    return head


def _said(head: AuditHead) -> str:
    return f"{head.entry_id}.{head.entry_hash}"


def faults() -> list[str]:
    """What is wrong with the trail, a line each; nothing when every entry follows from the one before.

    Reads one moment of the database: 100,000 entries in about three seconds. After a break it goes on
    from what is stored, so that each place is named once; the first `MOST_NAMED` are.
    """
    before, last_id, broken, found = BEGINNING, 0, 0, []
    with db.snapshot() as connection:
        while rows := connection.execute(_ENTRIES.where(AuditEntry.id > last_id)).all():
            for entry_id, stored, at, *content in rows:
                if stored != link(before, at, *content):
                    broken += 1
                    if broken <= MOST_NAMED:
                        found.append(
                            f"entry {entry_id} of {at:%Y-%m-%d %H:%M} UTC does not follow from the one before it: "
                            "it was changed, or what stood before it was taken out"
                        )
                before, last_id = stored, entry_id
        head = connection.execute(sa.select(AuditHead.__table__)).one_or_none()
    if broken > MOST_NAMED:
        found.append(f"so do {broken - MOST_NAMED:,} more")
    return [*found, *_faults_of_head(head, last_id, before)]


def _faults_of_head(head: Any, last_id: int, last_hash: str) -> list[str]:
    if head is None:
        return ["its end is not marked, though there are entries"] if last_id else []
    if not is_genuine_tag(PURPOSE, _said(head), head.tag):
        return [FOREIGN_KEY]
    if (head.entry_id, head.entry_hash) != (last_id, last_hash):
        return [f"it ends with entry {last_id or 'none'} where it should end with entry {head.entry_id}"]
    return []
