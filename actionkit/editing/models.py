"""What is typed and not saved yet."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from actionkit.db import Base, now


class Draft(Base):
    """What a member has typed into a form of the editor, kept by itself; never published by itself."""

    __tablename__ = "editing_drafts"
    __table_args__ = (sa.UniqueConstraint("staff_member_id", "subject"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_member_id: Mapped[int] = mapped_column(sa.ForeignKey("staff_members.id"))
    subject: Mapped[str] = mapped_column(sa.String(120))
    """As in `versions`: "campaign:italy-water"."""
    typed: Mapped[list[list[str]]] = mapped_column(sa.JSON)
    """[name, value] of each field of the form, in its order."""
    saved_at: Mapped[dt.datetime] = mapped_column(default=now)
    discarded_at: Mapped[dt.datetime | None]
    """Thrown away, and still there to be taken back."""
