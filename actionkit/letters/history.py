"""A campaign as a whole, its letter included, at each moment: see `campaigns.versions`."""

from __future__ import annotations

from actionkit import db
from actionkit.campaigns import operations, versions
from actionkit.campaigns.models import Campaign, Version, VersionCause
from actionkit.campaigns.versions import Content
from actionkit.letters.operations import current_version

COURSE = ("state", "outcome", "closed_at", "is_signing_paused", "is_archived")
"""Where a campaign stands. It is in a version so that its history is whole; restoring one leaves it as it is."""


def subject_of(slug: str) -> str:
    return f"campaign:{slug}"


def content_of(campaign: Campaign) -> Content:
    """All that the campaign says and how it is set, as it is in the transaction at hand."""
    db.session.flush()
    letter = current_version(campaign.id)
    return {
        "program": campaign.program.slug,
        "country": campaign.country,
        "state": str(campaign.state),
        "outcome": campaign.outcome or "",
        "closed_at": campaign.closed_at.isoformat(timespec="seconds") if campaign.closed_at else "",
        "is_signing_paused": campaign.signing_paused_at is not None,
        "is_archived": campaign.archived_at is not None,
        "successor": campaign.successor,
        "goal": campaign.goal,
        "opens_on": campaign.opens_on.isoformat() if campaign.opens_on else "",
        "closes_on": campaign.closes_on.isoformat() if campaign.closes_on else "",
        "timezone": campaign.timezone,
        "language": campaign.language,
        "letters": str(campaign.letters),
        "letter_editable": campaign.is_letter_editable,
        "letters_per_hour": campaign.letters_per_hour,
        "office_hours": campaign.office_hours,
        "spread_letters": campaign.spreads_letters,
        "reply_to": str(campaign.reply_to),
        "shows_removed": campaign.shows_removed,
        "officials": [seat.official.slug for seat in campaign.seats],
        "texts": {
            text.language: {"title": text.title, "summary": text.summary, "body": text.body, "closing": text.closing}
            for text in campaign.texts
        },
        "letter": {
            text.language: {"subject": text.subject, "template": text.template}
            for text in (letter.texts if letter else ())
        },
    }


def record(campaign: Campaign, cause: VersionCause, *, restored: int | None = None) -> Version:
    """Add a version of the campaign as it is now, unless that is what the latest one says."""
    return versions.record(subject_of(campaign.slug), content_of(campaign), cause, restored=restored)


def catch_up(campaign: Campaign) -> Version:
    """Before a change: the version that says what the campaign is now, added where none does."""
    return record(campaign, VersionCause.FOUND)


def close_ended() -> list[str]:
    """Close campaigns whose last day is over, once, each with a version; their slugs. The caller commits."""
    slugs = operations.close_ended()
    for slug in slugs:
        record(operations.find_campaign(slug), VersionCause.MOVED)
    return slugs
