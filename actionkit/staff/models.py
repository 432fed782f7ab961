"""Staff accounts, what they may do and where, their one-time links, and what they did."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from flask_security import UserMixin
from sqlalchemy.orm import Mapped, mapped_column, relationship

from actionkit.db import Base, BigId, new_public_id, now


class StaffRole(StrEnum):
    """What someone is for; which rights that gives stands in `rights.RIGHTS`."""

    ADMIN = "admin"
    CAMPAIGNER = "campaigner"
    VIEWER = "viewer"


class StaffMember(Base, UserMixin):
    """An account behind the desk: the user of Flask-Security.

    Its roles are `grants`, since a role is given for a campaign; Flask-Security's own roles are
    not used. An account is never deleted, so that the audit trail keeps its name.
    """

    __tablename__ = "staff_members"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(254), unique=True)
    """In lower case, as `operations` finds it again."""
    name: Mapped[str] = mapped_column(sa.String(200), default="")
    password: Mapped[str | None] = mapped_column(sa.String(255))
    """A hash (argon2id), or nothing for who signs in by link only."""
    fs_uniquifier: Mapped[str] = mapped_column(sa.String(64), unique=True, default=new_public_id)
    """What a session names. A new one ends every session of the account."""
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    deactivated_at: Mapped[dt.datetime | None]
    grants: Mapped[list[Grant]] = relationship(lazy="selectin", order_by="Grant.id")

    @property
    def active(self) -> bool:  # type: ignore[override]
        """Whether the account may sign in, under the name that Flask-Security asks for."""
        return self.deactivated_at is None


class Grant(Base):
    """A role of one member: on one campaign, or on all of them and on the program itself."""

    __tablename__ = "staff_grants"
    # NULL is different from NULL in a unique key, hence two of them.
    __table_args__ = (
        sa.Index(
            "uq_staff_grants_everywhere",
            "staff_member_id",
            "role",
            unique=True,
            sqlite_where=sa.text("campaign_id IS NULL"),
            postgresql_where=sa.text("campaign_id IS NULL"),
        ),
        sa.UniqueConstraint("staff_member_id", "role", "campaign_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_member_id: Mapped[int] = mapped_column(sa.ForeignKey("staff_members.id"))
    role: Mapped[str] = mapped_column(sa.String(12))
    campaign_id: Mapped[int | None] = mapped_column(sa.ForeignKey("campaigns.id", ondelete="CASCADE"), index=True)
    """None: all campaigns, those to come included."""
    created_at: Mapped[dt.datetime] = mapped_column(default=now)


class SignInLink(Base):
    """A link that signs its owner in once. The link itself is signed and not stored."""

    __tablename__ = "staff_sign_in_links"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True, default=new_public_id)
    staff_member_id: Mapped[int] = mapped_column(sa.ForeignKey("staff_members.id"), index=True)
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    used_at: Mapped[dt.datetime | None]


class AuditEntry(Base):
    """Something that was done behind the desk. Only ever added; holds no supporter's data."""

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[dt.datetime] = mapped_column(default=now, index=True)
    staff_member_id: Mapped[int | None] = mapped_column(sa.ForeignKey("staff_members.id"), index=True)
    """None: a command on the server's own console."""
    action: Mapped[str] = mapped_column(sa.String(64))
    subject: Mapped[str] = mapped_column(sa.String(300))
    detail: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)


@sa.event.listens_for(AuditEntry, "before_update")
@sa.event.listens_for(AuditEntry, "before_delete")
def _refuse_change(*_about: object) -> None:
    raise TypeError("an entry of the audit trail is never changed")
