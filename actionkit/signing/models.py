"""Signatures, what people sent, what they consented to, and how they are counted."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from actionkit.db import Base, BigId, new_public_id, now


class SignatureState(StrEnum):
    """Drawn with owners and time limits in docs/signatures.md; `signing.operations` moves them."""

    PENDING = "pending"
    EXPIRED = "expired"
    CONFIRMED = "confirmed"
    HELD = "held"
    WITHDRAWN = "withdrawn"
    INVALIDATED = "invalidated"


class Source(StrEnum):
    WEB = "web"
    IMPORT = "import"
    API = "api"


class Signature(Base):
    """One address on one campaign: it counts once, for ever."""

    __tablename__ = "signatures"
    __table_args__ = (
        # The address first: the same index finds all signatures of a person.
        sa.UniqueConstraint("canonical_email", "campaign_id"),
        sa.Index("ix_signatures_campaign_state", "campaign_id", "state", "id"),
        sa.Index(
            "ix_signatures_public",
            "campaign_id",
            "confirmed_at",
            sqlite_where=sa.text("is_name_public"),
            postgresql_where=sa.text("is_name_public"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True, default=new_public_id)
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    canonical_email: Mapped[str] = mapped_column(sa.String(320))
    state: Mapped[str] = mapped_column(sa.String(12), default=SignatureState.PENDING)
    state_reason: Mapped[str] = mapped_column(sa.String(60), default="")
    """Why it is held or invalidated: a word for staff, never a person's data."""
    submission_id: Mapped[int | None] = mapped_column(BigId)
    """The submission that counts, from confirmation on."""
    signed_at: Mapped[dt.datetime] = mapped_column(default=now)
    confirmed_at: Mapped[dt.datetime | None]
    withdrawn_at: Mapped[dt.datetime | None]
    mailed_at: Mapped[dt.datetime | None]
    """When a mail about it was last put into the ledger."""
    reminders: Mapped[int] = mapped_column(sa.SmallInteger, default=0, server_default="0")
    """How often its owner was reminded to confirm it."""
    is_name_public: Mapped[bool] = mapped_column(default=False)


class Submission(Base):
    """What a person sent, once. It is never edited; erasure empties its cells and keeps the row."""

    __tablename__ = "submissions"
    __table_args__ = (sa.Index("ix_submissions_signature", "signature_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(32), unique=True, default=new_public_id)
    signature_id: Mapped[int] = mapped_column(sa.ForeignKey("signatures.id", ondelete="CASCADE"))
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    name: Mapped[str] = mapped_column(sa.String(200))
    email: Mapped[str] = mapped_column(sa.String(320))
    country: Mapped[str] = mapped_column(sa.String(2))
    postcode: Mapped[str] = mapped_column(sa.String(16), default="")
    comment: Mapped[str] = mapped_column(sa.Text, default="")
    letter: Mapped[str] = mapped_column(sa.Text, default="")
    show_name: Mapped[bool] = mapped_column(default=False)
    updates: Mapped[bool] = mapped_column(default=False)
    language: Mapped[str] = mapped_column(sa.String(35))
    source: Mapped[str] = mapped_column(sa.String(10), default=Source.WEB)
    network: Mapped[str] = mapped_column(sa.String(32), default="", server_default=sa.text("''"))
    """The client's network under the key of its day (`screening.limits`); "" = none or unknown."""
    seconds_on_form: Mapped[int | None]
    """How long the page was open, as its script said: a hint for staff; None means nothing."""
    letter_version_id: Mapped[int | None] = mapped_column(sa.ForeignKey("letter_versions.id"))
    consent_wording_id: Mapped[int] = mapped_column(sa.ForeignKey("consent_wordings.id"))
    updates_wording_id: Mapped[int | None] = mapped_column(sa.ForeignKey("consent_wordings.id"))
    """The wording of the second tick, where it was ticked."""


class Purpose(StrEnum):
    """What a consent is for."""

    SIGN = "sign"
    UPDATES = "updates"


class ConsentWording(Base):
    """The very words beside a tick, in one language. Immutable: new words are a new row."""

    __tablename__ = "consent_wordings"
    __table_args__ = (sa.UniqueConstraint("purpose", "language", "content_hash"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(sa.String(10))
    language: Mapped[str] = mapped_column(sa.String(35))
    version: Mapped[int]
    content_hash: Mapped[str] = mapped_column(sa.String(64))
    text: Mapped[str] = mapped_column(sa.Text)
    names_to_officials: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether these words say that a name may go to officials: only then does a report name who agreed to them."""
    created_at: Mapped[dt.datetime] = mapped_column(default=now)


class ConsentWithdrawal(Base):
    """A person took a consent back. The submission that gave it stays what it was."""

    __tablename__ = "consent_withdrawals"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    signature_id: Mapped[int] = mapped_column(sa.ForeignKey("signatures.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(sa.String(10))
    withdrawn_at: Mapped[dt.datetime] = mapped_column(default=now)


class MailAllowance(Base):
    """The last three mails that an address got because somebody typed it into a form."""

    __tablename__ = "mail_allowances"

    canonical_email: Mapped[str] = mapped_column(sa.String(320), primary_key=True)
    latest_at: Mapped[dt.datetime | None]
    second_at: Mapped[dt.datetime | None]
    third_at: Mapped[dt.datetime | None]


class StopReason(StrEnum):
    OWNER = "owner"
    BOUNCED = "bounced"
    """No such address, said its mail server. It holds until a link in a mail to it is used."""


class MailStop(Base):
    """An address that gets no mail which is not owed (no reminders, no updates), by its owner's will or as dead."""

    __tablename__ = "mail_stops"

    canonical_email: Mapped[str] = mapped_column(sa.String(320), primary_key=True)
    stopped_at: Mapped[dt.datetime] = mapped_column(default=now)
    reason: Mapped[str] = mapped_column(sa.String(10), default=StopReason.OWNER, server_default=StopReason.OWNER)


class CountTrace(Base):
    """One signature more, or one fewer; gone as soon as the counting job has added it up."""

    __tablename__ = "count_traces"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    hour: Mapped[dt.datetime]
    country: Mapped[str] = mapped_column(sa.String(2))
    delta: Mapped[int]
    removed: Mapped[int] = mapped_column(default=0, server_default="0")
    """+1 where staff took out a counted signature, -1 where they put it back."""
    language: Mapped[str | None] = mapped_column(sa.String(35))
    """None on one from before there were `CountDay`s, which has its place in them already."""
    source: Mapped[str] = mapped_column(sa.String(10), default="", server_default=sa.text("''"))


class SignedTrace(Base):
    """A signature sent in, or deleted before anybody confirmed it; gone as soon as it is added up."""

    __tablename__ = "signed_traces"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    day: Mapped[dt.date]
    signed: Mapped[int] = mapped_column(default=0)
    gone: Mapped[int] = mapped_column(default=0)


class CampaignCount(Base):
    """Confirmed signatures of a campaign, as of the last count."""

    __tablename__ = "campaign_counts"

    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"), primary_key=True)
    total: Mapped[int] = mapped_column(default=0)
    removed: Mapped[int] = mapped_column(default=0, server_default="0")
    """Signatures that counted until staff took them out."""
    as_of: Mapped[dt.datetime] = mapped_column(default=now)


class CountBucket(Base):
    """Confirmed signatures of a campaign by the hour of confirmation and the country."""

    __tablename__ = "count_buckets"
    __table_args__ = (sa.Index("ix_count_buckets_hour", "hour"),)

    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"), primary_key=True)
    hour: Mapped[dt.datetime] = mapped_column(primary_key=True)
    country: Mapped[str] = mapped_column(sa.String(2), primary_key=True)
    signatures: Mapped[int] = mapped_column(default=0)


class Measure(StrEnum):
    """What a `CountDay` counts."""

    COUNTRY = "country"
    LANGUAGE = "language"
    SOURCE = "source"
    """These three: confirmed signatures, by the day of confirmation and the country, language or source."""
    SIGNED = "signed"
    """Signatures by the day on which they were sent in, whatever became of them; no value."""
    GONE = "gone"
    """Of those, the ones that nobody confirmed and that are deleted; no value. SIGNED no longer holds them."""
    OPENED = "opened"
    """How often the page with the form was opened, as far as browsers said so (`figures.opened_views`); no value."""

    @property
    def by_month(self) -> str:
        """The name under which the same is kept by month, so that years are summed from few rows."""
        return f"{self}-m"


class CountDay(Base):
    """A number of a campaign's day (UTC). SOURCE adds up to the day's total, as COUNTRY and LANGUAGE do.

    Under `Measure.by_month` stand the sums of whole months, each at its first day.
    """

    __tablename__ = "count_days"

    measure: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"), primary_key=True)
    day: Mapped[dt.date] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(sa.String(35), primary_key=True, default="")
    number: Mapped[int] = mapped_column(default=0)


class CountMilestone(Base):
    """When a campaign's total first reached a number: one of the round ones, or its goal."""

    __tablename__ = "count_milestones"

    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"), primary_key=True)
    threshold: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    is_goal: Mapped[bool] = mapped_column(default=False)
    reached_at: Mapped[dt.datetime] = mapped_column(default=now)
