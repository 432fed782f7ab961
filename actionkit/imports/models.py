"""Files of signatures that staff brought in: what was in them, how far the work is, and what it made."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from actionkit.db import Base, BigId, new_public_id, now


class ImportState(StrEnum):
    """
    uploaded ──► checking ──► checked ──► running ──► done ──► undoing ──► undone
        ▲            │           │           │                    ▲
        └────────────┴───────────┤           └──► stopped ────────┘
                                 └──► discarded
    """

    UPLOADED = "uploaded"
    CHECKING = "checking"
    CHECKED = "checked"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    DISCARDED = "discarded"
    UNDOING = "undoing"
    UNDONE = "undone"


class SignatureImport(Base):
    """One file of signatures for one campaign."""

    __tablename__ = "signature_imports"
    __table_args__ = (sa.Index("ix_signature_imports_campaign", "campaign_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True, default=new_public_id)
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    staff_id: Mapped[int | None] = mapped_column(sa.ForeignKey("staff_members.id", ondelete="SET NULL"))
    file_name: Mapped[str] = mapped_column(sa.String(100), default="")
    state: Mapped[str] = mapped_column(sa.String(10), default=ImportState.UPLOADED, index=True)
    header: Mapped[list[str]] = mapped_column(sa.JSON, default=list)
    choices: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    """What each column is, and on what basis it all stands; see `imports.choices.Choices`."""
    consent_wording_id: Mapped[int | None] = mapped_column(sa.ForeignKey("consent_wordings.id"))
    updates_wording_id: Mapped[int | None] = mapped_column(sa.ForeignKey("consent_wordings.id"))
    total: Mapped[int] = mapped_column(default=0)
    """Rows of the file."""
    position: Mapped[int] = mapped_column(BigId, default=0)
    """The number of the row up to which the job has worked; when undoing, the id of the signature."""
    good: Mapped[int] = mapped_column(default=0)
    already: Mapped[int] = mapped_column(default=0)
    """Rows whose address has signed this campaign, here or earlier in the file."""
    faulty: Mapped[int] = mapped_column(default=0)
    imported: Mapped[int] = mapped_column(default=0)
    undone: Mapped[int] = mapped_column(default=0)
    kept: Mapped[int] = mapped_column(default=0)
    """Imported signatures that undoing left, since their owners or staff have acted on them."""
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    ended_at: Mapped[dt.datetime | None]


class ImportFile(Base):
    """The file itself, which is people's data: gone when the work is done, and after a day in any case."""

    __tablename__ = "import_files"

    import_id: Mapped[int] = mapped_column(
        sa.ForeignKey("signature_imports.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    raw: Mapped[bytes] = mapped_column(sa.LargeBinary)


class ImportFault(Base):
    """Why a row cannot be taken: its number, the column and a reason, and never what stood there."""

    __tablename__ = "import_faults"

    import_id: Mapped[int] = mapped_column(
        sa.ForeignKey("signature_imports.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    field: Mapped[str] = mapped_column(sa.String(12))
    reason: Mapped[str] = mapped_column(sa.String(20))


class ImportedSignature(Base):
    """A signature that an import made: what undoing it takes out."""

    __tablename__ = "imported_signatures"

    import_id: Mapped[int] = mapped_column(
        sa.ForeignKey("signature_imports.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    signature_id: Mapped[int] = mapped_column(
        sa.ForeignKey("signatures.id", ondelete="CASCADE"), primary_key=True, index=True, autoincrement=False
    )
