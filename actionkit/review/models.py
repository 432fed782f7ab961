"""What staff look at: likely twins, what comes in heaps, alerts, and removals that can be undone."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from actionkit.db import Base, BigId, new_public_id, now


class Cursor(Base):
    """How far a job has read: the id of the last row it is done with."""

    __tablename__ = "review_cursors"

    name: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    position: Mapped[int] = mapped_column(BigId, default=0)


class ProviderRule(Base):
    """What a mail provider ignores in an address, so that likely twins can be shown to staff."""

    __tablename__ = "provider_rules"

    domain: Mapped[str] = mapped_column(sa.String(253), primary_key=True)
    same_as: Mapped[str] = mapped_column(sa.String(253), default="")
    """The domain that this one is another name of; "" = it stands for itself."""
    ignores_dots: Mapped[bool] = mapped_column(default=False)
    tag_separator: Mapped[str] = mapped_column(sa.String(1), default="")
    """What begins a tag that is delivered to the same person: "+" or "-"; "" = no tags."""


class AddressTwin(Base):
    """A signature under the key that it shares with its likely twins on the same campaign."""

    __tablename__ = "address_twins"
    __table_args__ = (sa.Index("ix_address_twins_key", "campaign_id", "twin_key"),)

    signature_id: Mapped[int] = mapped_column(
        sa.ForeignKey("signatures.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    twin_key: Mapped[str] = mapped_column(sa.String(320))


class TrendKind(StrEnum):
    NETWORK = "network"
    DOMAIN = "domain"


class Trend(Base):
    """Signatures of one hour from one network or with addresses of one domain, for one campaign."""

    __tablename__ = "trends"

    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"), primary_key=True)
    hour: Mapped[dt.datetime] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    value: Mapped[str] = mapped_column(sa.String(253), primary_key=True)
    signatures: Mapped[int] = mapped_column(default=0)


class StaffAlert(Base):
    """Something staff should look at, told once by mail and kept on the desk until it is seen."""

    __tablename__ = "staff_alerts"
    __table_args__ = (sa.UniqueConstraint("campaign_id", "kind", "value", "hour"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    kind: Mapped[str] = mapped_column(sa.String(20))
    value: Mapped[str] = mapped_column(sa.String(253))
    hour: Mapped[dt.datetime]
    signatures: Mapped[int]
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    seen_at: Mapped[dt.datetime | None]


class RemovalState(StrEnum):
    """
    counted ──► running ──► done ──► undoing ──► undone
                   │                    ▲
                   └──► stopped ────────┘
    """

    COUNTED = "counted"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    UNDOING = "undoing"
    UNDONE = "undone"


class Removal(Base):
    """Signatures of a campaign taken out together, by a rule that staff counted first."""

    __tablename__ = "removals"
    __table_args__ = (sa.Index("ix_removals_campaign", "campaign_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True, default=new_public_id)
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    rule: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """What was asked for, as the form had it; see `review.removal_rules.Rule`."""
    reason: Mapped[str] = mapped_column(sa.String(300))
    state: Mapped[str] = mapped_column(sa.String(10), default=RemovalState.COUNTED)
    counted: Mapped[int] = mapped_column(default=0)
    """Signatures that the rule matched when it was counted."""
    last_signature_id: Mapped[int] = mapped_column(BigId, default=0)
    """Later signatures are not touched: staff have not seen them counted."""
    position: Mapped[int] = mapped_column(BigId, default=0)
    """The id up to which the job has worked."""
    removed: Mapped[int] = mapped_column(default=0)
    restored: Mapped[int] = mapped_column(default=0)
    staff_id: Mapped[int | None] = mapped_column(sa.ForeignKey("staff_members.id", ondelete="SET NULL"))
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    ended_at: Mapped[dt.datetime | None]


class RemovedSignature(Base):
    """A signature that a removal took out, and the state in which it stood before: how it is undone."""

    __tablename__ = "removed_signatures"

    removal_id: Mapped[int] = mapped_column(sa.ForeignKey("removals.id", ondelete="CASCADE"), primary_key=True)
    signature_id: Mapped[int] = mapped_column(
        sa.ForeignKey("signatures.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    was_state: Mapped[str] = mapped_column(sa.String(12))
    was_reason: Mapped[str] = mapped_column(sa.String(60), default="")
    was_name_public: Mapped[bool] = mapped_column(default=False)
