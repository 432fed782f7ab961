"""What a campaign's letter said, at each moment: versions that never change."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from actionkit.db import Base, BigId, now


class LetterVersion(Base):
    """The letter of a campaign in all its languages, from one save to the next.

    The highest number is the current one. A supporter's submission names the version she saw,
    so what leaves later, however late, is what she was shown.
    """

    __tablename__ = "letter_versions"
    __table_args__ = (sa.UniqueConstraint("campaign_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    number: Mapped[int]
    content_hash: Mapped[str] = mapped_column(sa.String(64))
    """SHA-256 over languages, subjects and templates: a save that changes nothing makes no version."""
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    texts: Mapped[list[LetterText]] = relationship(order_by="LetterText.language")

    def text_in(self, language: str, own: str) -> LetterText | None:
        """The letter in an official's language, else in the campaign's own."""
        by_language = {text.language: text for text in self.texts}
        return by_language.get(language) or by_language.get(language.split("-")[0]) or by_language.get(own)


class LetterText(Base):
    """A version in one language: a subject and a Liquid template."""

    __tablename__ = "letter_texts"
    __table_args__ = (sa.UniqueConstraint("version_id", "language"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("letter_versions.id"))
    language: Mapped[str] = mapped_column(sa.String(35))
    subject: Mapped[str] = mapped_column(sa.String(300))
    template: Mapped[str] = mapped_column(sa.Text)


class Report(Base):
    """What one official is told on one day: numbers and a window of time, frozen when it is made.

    It holds nobody's data: who is named is read when it leaves, so that it is never one who has
    withdrawn meanwhile.
    """

    __tablename__ = "reports"
    __table_args__ = (sa.UniqueConstraint("campaign_id", "official_id", "day"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    official_id: Mapped[int] = mapped_column(sa.ForeignKey("officials.id"), index=True)
    day: Mapped[dt.date]
    """In the official's own time zone."""
    since: Mapped[dt.datetime | None]
    """The end of the report before; None = the first."""
    until: Mapped[dt.datetime]
    """Signatures confirmed before this moment."""
    total: Mapped[int]
    new: Mapped[int]
    countries: Mapped[list[list[Any]]] = mapped_column(sa.JSON)
    """[code, total, new] of each country, the most first."""
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
