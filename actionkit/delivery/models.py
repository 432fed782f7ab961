"""The ledger of everything that leaves by mail.

A row holds ids and states, never a text or an address: what it says is rendered when it is
sent (see `renderers.py`), from data that does not change, so every try says the same.

      put ──► queued ──claim──► sending ──250──────────► sent
                ▲                 │ ├── 5xx ───────────► failed
                ├── 4xx, ours ────┤ ├── cannot render ─► frozen
                │                 │ └── no relay for it, or nobody there ► held
                │                 └── silence ─► uncertain ──lease ends──► (sending, once more)
    cancelled ◄─┴─ withdrawn before it left           └── silence again ─► uncertain, for a person

    sent, uncertain ──a report that it was not delivered──► failed, or queued once more

Each try is a row of `outgoing_attempts`, each change without one a row of `outgoing_moves`:
docs/delivery.md draws them all, with who is to act and until when.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from actionkit.db import Base, BigId, new_public_id, now


class State(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    HELD = "held"
    FROZEN = "frozen"
    CANCELLED = "cancelled"


class Lane(StrEnum):
    """FAST: someone is waiting for it. PACED: at most so many an hour to one recipient."""

    FAST = "fast"
    PACED = "paced"


BEGUN = "begun"
"""The last step of a mail of which a try is under way: it may have left."""


class Outgoing(Base):
    """One mail to one recipient. Unique by kind, subject and recipient: it cannot be put twice."""

    __tablename__ = "outgoing"
    __table_args__ = (
        sa.UniqueConstraint("kind", "subject_id", "recipient_key"),
        # What is due, by lane; what waits for one recipient; leases that may have ended.
        sa.Index("ix_outgoing_due", "state", "lane", "not_before"),
        sa.Index(
            "ix_outgoing_recipient",
            "recipient_key",
            "group_key",
            "state",
            "not_before",
            "id",
            sqlite_where=sa.text("lane = 'paced'"),
            postgresql_where=sa.text("lane = 'paced'"),
        ),
        sa.Index(
            "ix_outgoing_on_its_way",
            "recipient_key",
            sqlite_where=sa.text("lane = 'paced' AND state = 'sending'"),
            postgresql_where=sa.text("lane = 'paced' AND state = 'sending'"),
        ),
        sa.Index("ix_outgoing_group", "group_key", "state"),
        sa.Index(
            "ix_outgoing_held",
            "recipient_key",
            sqlite_where=sa.text("state = 'held'"),
            postgresql_where=sa.text("state = 'held'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True, default=new_public_id)
    kind: Mapped[str] = mapped_column(sa.String(32))
    subject_id: Mapped[int] = mapped_column(sa.BigInteger)
    recipient_key: Mapped[str] = mapped_column(sa.String(64))
    group_key: Mapped[str] = mapped_column(sa.String(64), default="")
    lane: Mapped[str] = mapped_column(sa.String(8), default=Lane.FAST)
    state: Mapped[str] = mapped_column(sa.String(12), default=State.QUEUED)
    not_before: Mapped[dt.datetime] = mapped_column(default=now)
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    first_tried_at: Mapped[dt.datetime | None]
    """When it was first rendered. Links in it are counted from here, the same at every try."""
    ended_at: Mapped[dt.datetime | None]
    give_up_at: Mapped[dt.datetime | None]
    """Set when the recipient's server first puts it off; None = it has not, or staff began anew."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Tries that were this message's own; an outage of the relay charges none."""
    lease_owner: Mapped[str] = mapped_column(sa.String(32), default="")
    lease_until: Mapped[dt.datetime | None]
    bounces: Mapped[int] = mapped_column(sa.SmallInteger, default=0, server_default="0")
    """How often a report came, after the relay had taken it, that it was not delivered."""
    is_maybe_twice: Mapped[bool] = mapped_column(default=False)
    """A try ended in silence and another followed: the recipient may have it twice."""
    last_step: Mapped[str] = mapped_column(sa.String(16), default="")
    last_answer: Mapped[str] = mapped_column(sa.String(300), default="")


class OutgoingAttempt(Base):
    """One try, written before it begins; one without an end is a try whose outcome is unknown."""

    __tablename__ = "outgoing_attempts"
    __table_args__ = (sa.Index("ix_outgoing_attempts_outgoing", "outgoing_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    outgoing_id: Mapped[int] = mapped_column(sa.ForeignKey("outgoing.id", ondelete="CASCADE"))
    started_at: Mapped[dt.datetime] = mapped_column(default=now)
    ended_at: Mapped[dt.datetime | None]
    worker: Mapped[str] = mapped_column(sa.String(32))
    outcome: Mapped[str] = mapped_column(sa.String(12), default="")
    step: Mapped[str] = mapped_column(sa.String(16), default="")
    answer: Mapped[str] = mapped_column(sa.String(300), default="")


class Move(Base):
    """A change of state without a try: held, queued again, cancelled, settled by staff. Never an address."""

    __tablename__ = "outgoing_moves"
    __table_args__ = (sa.Index("ix_outgoing_moves_outgoing", "outgoing_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    outgoing_id: Mapped[int] = mapped_column(sa.ForeignKey("outgoing.id", ondelete="CASCADE"))
    moved_at: Mapped[dt.datetime] = mapped_column(default=now)
    state: Mapped[str] = mapped_column(sa.String(12))
    because: Mapped[str] = mapped_column(sa.String(300), default="")


class Recipient(Base):
    """Someone who is written to at a pace: when the next mail may leave, whoever writes it."""

    __tablename__ = "delivery_recipients"

    recipient_key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    next_at: Mapped[dt.datetime] = mapped_column(default=now)
    zone: Mapped[str] = mapped_column(sa.String(64), default="", server_default=sa.text("''"))
    """The time zone of the office; "" = that of the group."""


class Group(Base):
    """Mails that belong together (a campaign's letters): their own pace, where they have one."""

    __tablename__ = "delivery_groups"

    group_key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    per_hour: Mapped[int | None]
    """Mails an hour to one recipient; 0 = as fast as it goes; None = the default of the settings."""
    paused_at: Mapped[dt.datetime | None]
    """While it is set, none of them leaves; they stay queued."""
    paused_because: Mapped[str] = mapped_column(sa.String(300), default="", server_default=sa.text("''"))
    refusals: Mapped[int] = mapped_column(default=0, server_default="0")
    """Messages that the relay refused after reading them, one after another; an accepted one ends the row."""
    stopping: Mapped[str] = mapped_column(sa.String(8), default="", server_default=sa.text("''"))
    """What a job is doing to all of them: see `groups.Stopping`."""
    stop_until_id: Mapped[int | None] = mapped_column(sa.BigInteger)
    """It concerns the mails up to this id."""
    office_hours: Mapped[str] = mapped_column(sa.String(32), default="", server_default=sa.text("''"))
    """When mails may leave, such as "Mon-Fri 09:00-17:00"; "" = at any time."""
    zone: Mapped[str] = mapped_column(sa.String(64), default="UTC", server_default=sa.text("'UTC'"))
    """The time zone of recipients of whom none is known."""
    spread_until: Mapped[dt.datetime | None]
    """Mails are spread evenly until then; None, or a moment that is over: they leave at their pace."""


class Turn(Base):
    """A group's place in the line to one recipient: when its next mail may leave."""

    __tablename__ = "delivery_turns"
    __table_args__ = (sa.Index("ix_delivery_turns_next", "next_at"), sa.Index("ix_delivery_turns_group", "group_key"))

    recipient_key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    group_key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    next_at: Mapped[dt.datetime | None] = mapped_column(default=now)
    """None = it sleeps: no mail has waited for an hour, and a job looks every minute whether one does."""
    last_at: Mapped[dt.datetime | None]
    """When its last mail left for this recipient, or was about to."""
    spread_gap: Mapped[float | None] = mapped_column(sa.Float)
    """Seconds of office time between two mails of a spread, as of the last count of what waits."""
    counted_at: Mapped[dt.datetime | None]


class RecipientHealth(Base):
    """What is known against a recipient: refusals one after another, and whether we write no more for now."""

    __tablename__ = "delivery_health"

    recipient_key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    refusals: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(sa.String(300), default="")
    """What the mail server said last, without addresses."""
    changed_at: Mapped[dt.datetime] = mapped_column(default=now)
    suspended_at: Mapped[dt.datetime | None]


class RelayTrouble(Base):
    """The relay's trouble, known to all workers. One row while there is any, none while all is well."""

    __tablename__ = "delivery_relay"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    faults: Mapped[int] = mapped_column(default=0)
    """Failed tries one after another."""
    since: Mapped[dt.datetime] = mapped_column(default=now)
    shut_until: Mapped[dt.datetime | None]
    """Nobody tries until then; None = not enough faults yet."""
    pause_seconds: Mapped[int] = mapped_column(default=0)
    step: Mapped[str] = mapped_column(sa.String(16), default="")
    answer: Mapped[str] = mapped_column(sa.String(300), default="")


class PauseReason(StrEnum):
    """RESTORED: the database is a copy, older than what has left. STAFF: somebody said so."""

    RESTORED = "restored"
    STAFF = "staff"


class Sending(Base):
    """Whether mail may leave, and where the database stood when some last did: one row, made by the first worker.

    See `restored_copy` for the place and the generation, `sending_pause` for the pause.
    """

    __tablename__ = "delivery_sending"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ledger_id: Mapped[str] = mapped_column(sa.String(32), default=new_public_id)
    """Random; every copy of the database has the same."""
    place: Mapped[dict[str, str]] = mapped_column(sa.JSON)
    generation: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    """Rises whenever mails are claimed."""
    raised_at: Mapped[dt.datetime] = mapped_column(default=now)
    """When it last did."""
    paused_at: Mapped[dt.datetime | None]
    paused_because: Mapped[str] = mapped_column(sa.String(12), default="")
