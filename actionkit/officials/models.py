"""Files of officials that were sent in, from their preview to their undoing."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from actionkit.db import Base, new_public_id, now

DECIDE_WITHIN = dt.timedelta(days=1)
"""A file that nobody decided about is deleted after this."""
UNDO_WITHIN = dt.timedelta(days=30)
"""What an import changed is kept so long, to be put back."""


class ImportState(StrEnum):
    """staged ──► stored ──► undone"""

    STAGED = "staged"
    STORED = "stored"
    UNDONE = "undone"


class OfficialImport(Base):
    """A file that one member sent in. It is hers alone, and nothing of it is stored as officials before she says so."""

    __tablename__ = "official_imports"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True, default=new_public_id)
    staff_member_id: Mapped[int] = mapped_column(sa.ForeignKey("staff_members.id"), index=True)
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    state: Mapped[str] = mapped_column(sa.String(10), default=ImportState.STAGED)
    file_name: Mapped[str] = mapped_column(sa.String(100), default="")
    """Shown to her, and never a name of ours for anything."""
    raw: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    """The file as it came; gone as soon as it is stored."""
    choices: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    """How she wants it read: see `reading.Choices`."""
    stored_at: Mapped[dt.datetime | None]
    report: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    """What became of it, in numbers."""
    before: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    """What it has made and changed, with the values of before: how it is undone."""
