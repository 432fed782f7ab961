"""Mail that came in, and the answers to letters that were in it."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from actionkit.db import Base, BigId, new_public_id, now


class IncomingState(StrEnum):
    """
    new ──► handled
     ├────► ignored    forged, unknown, or by staff
     └────► waiting    for a person ──► handled, ignored
    """

    NEW = "new"
    WAITING = "waiting"
    HANDLED = "handled"
    IGNORED = "ignored"


class IncomingSource(StrEnum):
    PIPE = "pipe"
    MAILDIR = "maildir"
    IMAP = "imap"


class IncomingMail(Base):
    """A mail as it came in, stored before anything is made of it; deleted after `INCOMING_DAYS`.

    Its text is gone as soon as it is understood; what waits for a person keeps it, and an answer
    until it has been passed on.
    """

    __tablename__ = "incoming_mails"
    __table_args__ = (
        sa.Index("ix_incoming_mails_state", "state", "not_before", "id"),
        sa.Index("ix_incoming_mails_received_at", "received_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True, default=new_public_id)
    content_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    """SHA-256 over recipient and bytes: the same mail handed over twice is one."""
    source: Mapped[str] = mapped_column(sa.String(10))
    recipient: Mapped[str] = mapped_column(sa.String(320), default="")
    """Whom the mail server had it for, where it told us: else the mail's headers say it."""
    received_at: Mapped[dt.datetime] = mapped_column(default=now)
    size: Mapped[int]
    is_cut: Mapped[bool] = mapped_column(default=False)
    """It was larger than we keep; what is stored is its beginning."""
    raw: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    state: Mapped[str] = mapped_column(sa.String(10), default=IncomingState.NEW)
    not_before: Mapped[dt.datetime] = mapped_column(default=now)
    """A report on a mail that is still being sent is looked at again then."""
    finding: Mapped[str] = mapped_column(sa.String(60), default="")
    """What it was, or why it waits: a sentence for staff, never a person's data."""
    outgoing_id: Mapped[int | None] = mapped_column(sa.BigInteger)
    """The row of the ledger that it is about, where that is known."""
    handled_at: Mapped[dt.datetime | None]


class LetterAnswer(Base):
    """An official's answer to a letter, which came through us; counted once, whatever a server sends twice."""

    __tablename__ = "letter_answers"
    __table_args__ = (
        sa.UniqueConstraint("letter_id", "message_key"),
        sa.Index("ix_letter_answers_campaign", "campaign_id", "official_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    letter_id: Mapped[str] = mapped_column(sa.String(32))
    """The public id of the letter in the ledger."""
    message_key: Mapped[str] = mapped_column(sa.String(64))
    """SHA-256 of the answer's Message-ID."""
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    official_id: Mapped[int] = mapped_column(sa.ForeignKey("officials.id"))
    signature_id: Mapped[int] = mapped_column(sa.ForeignKey("signatures.id", ondelete="CASCADE"), index=True)
    incoming_id: Mapped[int | None] = mapped_column(sa.ForeignKey("incoming_mails.id", ondelete="SET NULL"), index=True)
    arrived_at: Mapped[dt.datetime] = mapped_column(default=now)
    is_passed_on: Mapped[bool] = mapped_column(default=False)
    """False where the letter had had its answers of that day already."""
