"""Programs, campaigns in their languages, officials, updates, stories and resources."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from actionkit.db import Base, new_public_id, now

CONFIRM_AFTER_CLOSING = dt.timedelta(hours=24)
"""Who signed before the end may still confirm for a day."""


class CampaignState(StrEnum):
    """What staff decided; whether it can be signed is `Campaign.phase`."""

    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"


class Phase(StrEnum):
    """Where a campaign is at a moment, by its state and by the clock of its own time zone."""

    DRAFT = "draft"
    UPCOMING = "upcoming"
    OPEN = "open"
    CLOSED = "closed"


class Outcome(StrEnum):
    WON = "won"
    LOST = "lost"
    ENDED = "ended"


class LetterMode(StrEnum):
    """EACH: one letter from each supporter to each official. DIGEST: reports to them. NONE: a petition alone."""

    EACH = "each"
    DIGEST = "digest"
    NONE = "none"


class ReplyTo(StrEnum):
    SUPPORTER = "supporter"
    NONE = "none"


class Program(Base):
    """A program area: what a group of campaigns has in common."""

    __tablename__ = "programs"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(100), unique=True)
    title: Mapped[str] = mapped_column(sa.String(300))
    quotation: Mapped[str] = mapped_column(sa.Text, default="")
    quotation_source: Mapped[str] = mapped_column(sa.String(300), default="")
    language: Mapped[str] = mapped_column(sa.String(35), default="en")
    position: Mapped[int] = mapped_column(default=0)
    body: Mapped[str] = mapped_column(sa.Text, default="")
    links: Mapped[list[ProgramLink]] = relationship(order_by="ProgramLink.position", cascade="all, delete-orphan")


class ProgramLink(Base):
    """A link to a sister initiative."""

    __tablename__ = "program_links"

    id: Mapped[int] = mapped_column(primary_key=True)
    program_id: Mapped[int] = mapped_column(sa.ForeignKey("programs.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    title: Mapped[str] = mapped_column(sa.String(300))
    url: Mapped[str] = mapped_column(sa.String(2000))


class Official(Base):
    """An office that is written to, kept once and used by many campaigns."""

    __tablename__ = "officials"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(100), unique=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    salutation: Mapped[str] = mapped_column(sa.String(200), default="")
    office: Mapped[str] = mapped_column(sa.String(300), default="")
    organisation: Mapped[str] = mapped_column(sa.String(300), default="")
    country: Mapped[str] = mapped_column(sa.String(2), default="")
    language: Mapped[str] = mapped_column(sa.String(35), default="en")
    email: Mapped[str] = mapped_column(sa.String(320))
    """The address that is in use. All that are known are `addresses`, this one among them."""
    postal_address: Mapped[str] = mapped_column(sa.String(500), default="")
    timezone: Mapped[str] = mapped_column(sa.String(64), default="", server_default=sa.text("''"))
    """Of the office, for its hours; "" = the campaign's."""
    wants_digest: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Gets a report a day instead of letters, also from campaigns that write letters."""
    retired_at: Mapped[dt.datetime | None]
    """Out of use since then: nothing is written to it, and no page names it. It keeps its seats, to come back to."""
    has_letters_to_move: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """A job still has to cancel its letters, since it went out of use, or to queue them again, since it came back."""
    addresses: Mapped[list[OfficialAddress]] = relationship(
        cascade="all, delete-orphan", order_by="OfficialAddress.position, OfficialAddress.id"
    )


class OfficialAddress(Base):
    """A mail address of an office: the one in use, one that may be used next, or one that refused our letters."""

    __tablename__ = "official_addresses"
    __table_args__ = (sa.UniqueConstraint("official_id", "email"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    official_id: Mapped[int] = mapped_column(sa.ForeignKey("officials.id", ondelete="CASCADE"))
    email: Mapped[str] = mapped_column(sa.String(320), index=True)
    """In its normal form, as `addresses.normalise` gives it."""
    position: Mapped[int] = mapped_column(default=1)
    """In the order in which staff would write to them; the one in use comes first."""
    added_at: Mapped[dt.datetime] = mapped_column(default=now)
    refused_at: Mapped[dt.datetime | None]
    """When it was suspended, of one that is no longer in use; of the one in use, delivery knows."""
    refused_because: Mapped[str] = mapped_column(sa.String(300), default="", server_default=sa.text("''"))
    """What the mail server said, without addresses."""


class Campaign(Base):
    """One demand to one country's officials."""

    __tablename__ = "campaigns"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(100), unique=True)
    program_id: Mapped[int] = mapped_column(sa.ForeignKey("programs.id"), index=True)
    country: Mapped[str] = mapped_column(sa.String(2))
    state: Mapped[str] = mapped_column(sa.String(10), default=CampaignState.DRAFT)
    outcome: Mapped[str | None] = mapped_column(sa.String(10))
    goal: Mapped[int] = mapped_column(default=0)
    opens_on: Mapped[dt.date | None]
    closes_on: Mapped[dt.date | None]
    closed_at: Mapped[dt.datetime | None]
    """When the clock or a person closed it; set once."""
    timezone: Mapped[str] = mapped_column(sa.String(64), default="UTC")
    language: Mapped[str] = mapped_column(sa.String(35), default="en")
    letters: Mapped[str] = mapped_column(sa.String(10), default=LetterMode.EACH)
    is_letter_editable: Mapped[bool] = mapped_column(default=False)
    letters_per_hour: Mapped[int | None]
    office_hours: Mapped[str] = mapped_column(sa.String(32), default="", server_default=sa.text("''"))
    """When letters may leave, such as "Mon-Fri 09:00-17:00", in each official's time; "" = at any time."""
    spreads_letters: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Letters are spread evenly over the time until it closes, and not sent as fast as their pace allows."""
    reply_to: Mapped[str] = mapped_column(sa.String(10), default=ReplyTo.SUPPORTER)
    asks_proof: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Switched on by staff while it is under attack: a browser has to do some work to sign."""
    shows_removed: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether its page says how many signatures staff took out."""
    signing_paused_at: Mapped[dt.datetime | None]
    """Switched off by staff in an emergency: it cannot be signed, while confirming goes on."""
    signing_back_at: Mapped[dt.datetime | None]
    """When staff expect to switch it on again, which is told to people and does nothing by itself."""
    successor: Mapped[str] = mapped_column(sa.String(100), default="", server_default=sa.text("''"))
    """The slug of the campaign that goes on where this one has ended; "" = none."""
    archived_at: Mapped[dt.datetime | None]
    """Put away at the desk; for the public nothing changes."""
    created_at: Mapped[dt.datetime] = mapped_column(default=now)

    program: Mapped[Program] = relationship()
    texts: Mapped[list[CampaignText]] = relationship(cascade="all, delete-orphan", order_by="CampaignText.language")
    seats: Mapped[list[CampaignOfficial]] = relationship(
        cascade="all, delete-orphan", order_by="CampaignOfficial.position"
    )

    @property
    def officials(self) -> list[Official]:
        """Those that are in use, in its order."""
        return [seat.official for seat in self.seats if seat.official.retired_at is None]

    @property
    def letter_officials(self) -> list[Official]:
        """Those who get one letter from each supporter."""
        writes = self.letters == LetterMode.EACH
        return [official for official in self.officials if writes and not official.wants_digest]

    @property
    def digest_officials(self) -> list[Official]:
        """Those who get reports."""
        if self.letters == LetterMode.DIGEST:
            return self.officials
        return [official for official in self.officials if official.wants_digest and self.letters == LetterMode.EACH]

    @property
    def is_signing_paused(self) -> bool:
        """Whether staff have switched signing off for now; see `phase` for whether it is open at all."""
        return self.signing_paused_at is not None

    @property
    def languages(self) -> tuple[str, ...]:
        """Its languages, its own first."""
        others = sorted(text.language for text in self.texts if text.language != self.language)
        return (self.language, *others)

    def text_in(self, language: str) -> CampaignText:
        """Its text in a language, or in its own where it lacks that one."""
        by_language = {text.language: text for text in self.texts}
        return by_language.get(language) or by_language[self.language]

    # ------------------------------------------------------------ its time

    def _starts(self, day: dt.date) -> dt.datetime:
        """The first moment of a day in the campaign's zone, as UTC."""
        return dt.datetime.combine(day, dt.time.min, ZoneInfo(self.timezone)).astimezone(dt.UTC)

    @property
    def ends_at(self) -> dt.datetime | None:
        """The moment after its last whole day, or when it was closed earlier; None = no end yet."""
        moments = [self.closed_at] if self.closed_at else []
        if self.closes_on:
            moments.append(self._starts(self.closes_on + dt.timedelta(days=1)))
        return min(moments, default=None)

    @property
    def closed_on(self) -> dt.date | None:
        """The last day on which it could be signed, in its own zone."""
        if not (end := self.ends_at):
            return None
        return (end - dt.timedelta(microseconds=1)).astimezone(ZoneInfo(self.timezone)).date()

    def phase(self, at: dt.datetime | None = None) -> Phase:
        """Whether it can be signed at a moment."""
        at = at or now()
        if self.state == CampaignState.DRAFT:
            return Phase.DRAFT
        if self.state == CampaignState.CLOSED or ((end := self.ends_at) and at >= end):
            return Phase.CLOSED
        if self.opens_on and at < self._starts(self.opens_on):
            return Phase.UPCOMING
        return Phase.OPEN

    def can_confirm(self, at: dt.datetime | None = None) -> bool:
        """While it is open and for 24 hours after its end."""
        at = at or now()
        phase = self.phase(at)
        if phase is Phase.CLOSED:
            return self.ends_at is not None and at < self.ends_at + CONFIRM_AFTER_CLOSING
        return phase is Phase.OPEN


class CampaignText(Base):
    """A campaign in one language."""

    __tablename__ = "campaign_texts"
    __table_args__ = (sa.UniqueConstraint("campaign_id", "language"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id", ondelete="CASCADE"))
    language: Mapped[str] = mapped_column(sa.String(35))
    title: Mapped[str] = mapped_column(sa.String(300))
    summary: Mapped[str] = mapped_column(sa.Text, default="")
    body: Mapped[str] = mapped_column(sa.Text, default="")
    closing: Mapped[str] = mapped_column(sa.Text, default="", server_default=sa.text("''"))
    """What its page says once it is closed: how it ended, in staff's own words."""


class CampaignOfficial(Base):
    """An official that a campaign writes to, and the place in its list."""

    __tablename__ = "campaign_officials"
    __table_args__ = (sa.UniqueConstraint("campaign_id", "official_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id", ondelete="CASCADE"))
    official_id: Mapped[int] = mapped_column(sa.ForeignKey("officials.id"), index=True)
    position: Mapped[int]
    official: Mapped[Official] = relationship()


class Update(Base):
    """Dated news of a program, or of one of its campaigns."""

    __tablename__ = "updates"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(100), unique=True)
    published_on: Mapped[dt.date] = mapped_column(index=True)
    program_id: Mapped[int] = mapped_column(sa.ForeignKey("programs.id"), index=True)
    campaign_id: Mapped[int | None] = mapped_column(sa.ForeignKey("campaigns.id"), index=True)
    title: Mapped[str] = mapped_column(sa.String(300))
    is_victory: Mapped[bool] = mapped_column(default=False)
    body: Mapped[str] = mapped_column(sa.Text, default="")
    public_id: Mapped[str] = mapped_column(sa.String(32), default=new_public_id)
    changed_at: Mapped[dt.datetime] = mapped_column(default=now, onupdate=now)

    program: Mapped[Program] = relationship()
    campaign: Mapped[Campaign | None] = relationship()


class Story(Base):
    """A page of survivors' stories."""

    __tablename__ = "stories"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(100), unique=True)
    program_id: Mapped[int] = mapped_column(sa.ForeignKey("programs.id"), index=True)
    title: Mapped[str] = mapped_column(sa.String(300))
    byline: Mapped[str] = mapped_column(sa.String(300), default="")
    body: Mapped[str] = mapped_column(sa.Text, default="")

    program: Mapped[Program] = relationship()


class Resource(Base):
    """A document elsewhere that is worth reading."""

    __tablename__ = "resources"
    __table_args__ = (sa.UniqueConstraint("program_id", "url"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    program_id: Mapped[int] = mapped_column(sa.ForeignKey("programs.id"))
    title: Mapped[str] = mapped_column(sa.String(300))
    url: Mapped[str] = mapped_column(sa.String(2000))
    publisher: Mapped[str] = mapped_column(sa.String(300), default="")


class VersionCause(StrEnum):
    """How a version came about."""

    SAVED = "saved"
    LOADED = "loaded"
    """From files, by a command."""
    RESTORED = "restored"
    MOVED = "moved"
    """It was published, closed, reopened …"""
    DELETED = "deleted"
    FOUND = "found"
    """Whatever changed it left no version; what was found before the next change."""


class Version(Base):
    """All that a campaign, a program, an update, a story or a resource said, from one change to the next.

    Only ever added. The highest number of a subject is what it says now.
    """

    __tablename__ = "versions"
    __table_args__ = (sa.UniqueConstraint("subject", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(sa.String(120))
    """Kind and slug, such as "campaign:italy-water"; a slug never changes."""
    number: Mapped[int]
    cause: Mapped[str] = mapped_column(sa.String(10))
    restored_number: Mapped[int | None]
    """The version that was restored."""
    made_at: Mapped[dt.datetime] = mapped_column(default=now)
    staff_member_id: Mapped[int | None] = mapped_column(sa.ForeignKey("staff_members.id"))
    """None: a command on the server's own console, or the clock."""
    content: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    content_hash: Mapped[str] = mapped_column(sa.String(64))
