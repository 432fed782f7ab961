"""Files that staff have made of a campaign's signatures or letters."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from actionkit.db import Base, BigId, new_public_id, now


class Contents(StrEnum):
    SIGNATURES = "signatures"
    LETTERS = "letters"


class ExportState(StrEnum):
    """
    waiting ──► making ──► done ──► gone
       ▲          │  │
       └──────────┘  ├──► cancelled
     worker died     └──► failed
    """

    WAITING = "waiting"
    MAKING = "making"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    GONE = "gone"


class Export(Base):
    """A file: what is in it, who asked for it, and how far it is. The file itself lies in `INSTANCE/exports`."""

    __tablename__ = "exports"
    __table_args__ = (sa.Index("ix_exports_campaign", "campaign_id", "id"), sa.Index("ix_exports_state", "state"))

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True, default=new_public_id)
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    contents: Mapped[str] = mapped_column(sa.String(10), default=Contents.SIGNATURES)
    wanted: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """What was asked for; see `exports.wanted.Wanted`."""
    staff_id: Mapped[int | None] = mapped_column(sa.ForeignKey("staff_members.id", ondelete="SET NULL"))
    """Who asked: nobody else may have the file."""
    state: Mapped[str] = mapped_column(sa.String(10), default=ExportState.WAITING)
    lease: Mapped[str] = mapped_column(sa.String(32), default="")
    """Who makes it: names the unfinished file too, so that two who both think it is theirs never share one."""
    lease_until: Mapped[dt.datetime | None]
    tries: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    first_id: Mapped[int] = mapped_column(BigId, default=0)
    position: Mapped[int] = mapped_column(BigId, default=0)
    last_id: Mapped[int] = mapped_column(BigId, default=0)
    """Ids of the campaign's rows: where reading began, has come to, and ends."""
    rows: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(BigId, default=0)
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    ended_at: Mapped[dt.datetime | None]
    expires_at: Mapped[dt.datetime | None]
    """When the file is deleted."""
