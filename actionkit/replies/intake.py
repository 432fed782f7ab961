"""Storing what comes in, whoever brings it: first of all, and once. Nothing here commits."""

from __future__ import annotations

import datetime as dt
import hashlib
import re

import sqlalchemy as sa
from flask import current_app

from actionkit import db
from actionkit.replies.models import IncomingMail, IncomingSource, IncomingState

MOST_BYTES = 10_000_000
"""Of one mail. More is cut off: what a report or an answer says stands at its beginning."""

_ENVELOPE_LINE = re.compile(rb"\A>?From [^\r\n]*\r?\n")
"""The line with which a mailbox file begins a mail; its time would make two mails of one."""


def store(raw: bytes, source: IncomingSource, recipient: str = "") -> bool:
    """Keep a mail for the job that handles it; False if it is there already, or is empty."""
    content = _ENVELOPE_LINE.sub(b"", raw)
    if not content.strip():
        return False
    moment = db.now()
    values = {
        "public_id": db.new_public_id(),
        "content_hash": hashlib.sha256(recipient.lower().encode() + b"\0" + content).hexdigest(),
        "source": source,
        "recipient": recipient[:320],
        "received_at": moment,
        "not_before": moment,
        "size": len(content),
        "is_cut": len(content) > MOST_BYTES,
        "raw": content[:MOST_BYTES],
        "state": IncomingState.NEW,
    }
    added = db.insert(IncomingMail).values(values).on_conflict_do_nothing().returning(IncomingMail.id)
    return db.session.execute(added).scalar() is not None


def keep_for() -> dt.timedelta:
    """How long any mail that came in is kept."""
    return dt.timedelta(days=current_app.config["ACTIONKIT"].incoming_days)


def forget_old() -> int:
    """Delete what came in so long ago, handled or not; how many."""
    return db.rows_changed(sa.delete(IncomingMail).where(IncomingMail.received_at < db.now() - keep_for()))
