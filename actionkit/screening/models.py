"""What screening keeps: the day's network secret, recent hits, rules of staff, used proofs."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from actionkit.db import Base, now


class NetworkKey(Base):
    """The secret of one day, under which client networks are told apart; destroyed after a week."""

    __tablename__ = "network_keys"

    day: Mapped[dt.date] = mapped_column(primary_key=True)
    secret: Mapped[str] = mapped_column(sa.String(64))


class SignHit(Base):
    """How many signatures came from one network for one campaign in ten seconds."""

    __tablename__ = "sign_hits"

    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"), primary_key=True)
    network: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    """Unix time divided by ten."""
    hits: Mapped[int]


class RuleKind(StrEnum):
    """NETWORK: an address or CIDR block. DOMAIN: a glob over the domain. ADDRESS: one address."""

    NETWORK = "network"
    DOMAIN = "domain"
    ADDRESS = "address"


class RuleAction(StrEnum):
    """ALLOW: never held by a limit or a list. HOLD: always held for review."""

    ALLOW = "allow"
    HOLD = "hold"


class ScreeningRule(Base):
    """A line of the allow or block list, written by staff. Where both match, ALLOW wins."""

    __tablename__ = "screening_rules"
    __table_args__ = (sa.UniqueConstraint("kind", "pattern"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    pattern: Mapped[str] = mapped_column(sa.String(320))
    """In its canonical form: "192.0.2.0/24", "*.example.org", "ann@example.org"."""
    action: Mapped[str] = mapped_column(sa.String(10))
    note: Mapped[str] = mapped_column(sa.String(300), default="")
    created_at: Mapped[dt.datetime] = mapped_column(default=now)


class UsedProof(Base):
    """A proof of work that was handed in: each counts once, until it would have run out anyway."""

    __tablename__ = "used_proofs"
    __table_args__ = (sa.Index("ix_used_proofs_expires_at", "expires_at"),)

    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    expires_at: Mapped[dt.datetime]
