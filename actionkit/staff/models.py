"""Staff accounts: what they may do and where, how they sign in, their sessions, and what they did."""

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
    last_signed_in_at: Mapped[dt.datetime | None]
    """None: invited, and not come yet."""
    totp_secret: Mapped[str | None] = mapped_column(sa.String(500))
    """What an authenticator app knows, encrypted under a key made from SECRET_KEY: see `second_factor`."""
    totp_last_counter: Mapped[int | None] = mapped_column(sa.BigInteger)
    """The half minute of the last code that was taken: a code works once (RFC 6238, 5.2)."""
    wrong_codes: Mapped[int] = mapped_column(server_default="0", default=0)
    wrong_codes_since: Mapped[dt.datetime | None]
    """When the first of `wrong_codes` came; they are counted for an hour from then."""
    passkey_handle: Mapped[str | None] = mapped_column(sa.String(32), unique=True)
    """What authenticators call the account: random, and not its address (WebAuthn, 14.6.1)."""
    grants: Mapped[list[Grant]] = relationship(lazy="selectin", order_by="Grant.id")
    passkeys: Mapped[list[Passkey]] = relationship(lazy="selectin", order_by="Passkey.id")

    @property
    def active(self) -> bool:  # type: ignore[override]
        """Whether the account may sign in, under the name that Flask-Security asks for."""
        return self.deactivated_at is None

    @property
    def has_second_factor(self) -> bool:
        """Whether a password or a link alone no longer signs in."""
        return self.totp_secret is not None or bool(self.passkeys)


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


class LinkPurpose(StrEnum):
    """What a one-time link is for."""

    SIGN_IN = "sign-in"
    INVITATION = "invitation"
    RESET = "reset"


class SignInLink(Base):
    """A link that lets its owner in once. The link itself is signed and not stored."""

    __tablename__ = "staff_sign_in_links"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True, default=new_public_id)
    staff_member_id: Mapped[int] = mapped_column(sa.ForeignKey("staff_members.id"), index=True)
    purpose: Mapped[str] = mapped_column(sa.String(12), server_default="sign-in", default="sign-in")
    language: Mapped[str] = mapped_column(sa.String(35), server_default="en", default="en")
    """Of the page on which the link was asked for, and so of its mail."""
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    used_at: Mapped[dt.datetime | None]
    revoked_at: Mapped[dt.datetime | None]


class Passkey(Base):
    """A key pair of a member's device (WebAuthn); the public half."""

    __tablename__ = "staff_passkeys"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True, default=new_public_id)
    staff_member_id: Mapped[int] = mapped_column(sa.ForeignKey("staff_members.id"), index=True)
    name: Mapped[str] = mapped_column(sa.String(64))
    """As its owner calls it: "my telephone"."""
    credential_id: Mapped[str] = mapped_column(sa.String(1400), unique=True)
    """In base64url; up to 1,023 bytes (WebAuthn, 4)."""
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    """As the authenticator counted at its last use; one that counts back has been copied."""
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    last_used_at: Mapped[dt.datetime | None]


class RecoveryCode(Base):
    """One of ten codes that stand in for a lost device, once each."""

    __tablename__ = "staff_recovery_codes"

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_member_id: Mapped[int] = mapped_column(sa.ForeignKey("staff_members.id"), index=True)
    code_hash: Mapped[str] = mapped_column(sa.String(64))
    """SHA-256: a code is 80 random bits, which nobody tries through."""
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    used_at: Mapped[dt.datetime | None]


class StaffSession(Base):
    """A browser that is signed in. Its cookie names it; ended here, it is ended at its next request."""

    __tablename__ = "staff_sessions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True, default=new_public_id)
    staff_member_id: Mapped[int] = mapped_column(sa.ForeignKey("staff_members.id"), index=True)
    browser: Mapped[str] = mapped_column(sa.String(24), default="")
    system: Mapped[str] = mapped_column(sa.String(24), default="")
    """Families only ("Firefox", "Linux"): enough to know one's own, and no address of the client."""
    signed_in_by: Mapped[str] = mapped_column(sa.String(24))
    signed_in_at: Mapped[dt.datetime] = mapped_column(default=now, index=True)
    last_seen_at: Mapped[dt.datetime] = mapped_column(default=now)
    """To a quarter of an hour."""
    ended_at: Mapped[dt.datetime | None]


class AuditEntry(Base):
    """Something that was done behind the desk. Only ever added; holds no supporter's data.

    The database refuses to change or delete one (triggers of migration 0008), and each is
    chained to the one before it: see `audit_chain`.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (sa.Index("ix_audit_entries_subject_id", "subject", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[dt.datetime] = mapped_column(default=now, index=True)
    staff_member_id: Mapped[int | None] = mapped_column(sa.ForeignKey("staff_members.id"), index=True)
    """None: a command on the server's own console, or a job."""
    action: Mapped[str] = mapped_column(sa.String(64))
    subject: Mapped[str] = mapped_column(sa.String(300))
    detail: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    chain_hash: Mapped[str] = mapped_column(sa.String(64), server_default=sa.text("''"))
    """Over the hash of the entry before and this one's content; "" = it came past `audit.record`."""


class AuditHead(Base):
    """Where the trail ends: one row, which whoever adds to the trail locks last of all."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True)
    """Always 1."""
    entry_id: Mapped[int] = mapped_column(sa.BigInteger)
    entry_hash: Mapped[str] = mapped_column(sa.String(64))
    tag: Mapped[str] = mapped_column(sa.String(32))
    """Made with the secret key over both: who can write to the database alone cannot make it."""


@sa.event.listens_for(AuditEntry, "before_update")
@sa.event.listens_for(AuditEntry, "before_delete")
def _refuse_change(*_about: object) -> None:
    raise TypeError("an entry of the audit trail is never changed")
