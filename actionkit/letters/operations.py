"""Saving letters as versions, and queueing letters and reports to officials."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from actionkit import db, remember
from actionkit.campaigns.models import Campaign, CampaignOfficial, LetterMode, Official
from actionkit.delivery import outbox, pace
from actionkit.delivery.models import Lane
from actionkit.letters import templates
from actionkit.letters.models import LetterText, LetterVersion, Report

LETTER = "letter"
"""The kind of these rows in the ledger; their subject is the signature."""

DIGEST = "digest"
"""The kind of reports in the ledger; their subject is the row of `reports`."""


def group_key(campaign_id: int) -> str:
    return f"campaign:{campaign_id}"


def campaign_of_group(key: str) -> int | None:
    """The campaign whose letters a group is, or None for a group of something else."""
    what, _colon, number = key.partition(":")
    return int(number) if what == "campaign" and number.isdecimal() else None


def recipient_key(official_id: int) -> str:
    return f"official:{official_id}"


def current_version(campaign_id: int) -> LetterVersion | None:
    """The letter as it is now, or None where the campaign has none."""
    return db.session.scalar(_versions(campaign_id).order_by(LetterVersion.number.desc()).limit(1))


def version_seen(campaign_id: int, version_id: int | None) -> LetterVersion | None:
    """The version that a form says it showed, if it is this campaign's; else the current one.

    The current one is at most two seconds old, and only to be read.
    """

    def find(session: Session) -> LetterVersion | None:
        seen = session.scalar(_versions(campaign_id).where(LetterVersion.id == version_id))
        return seen or session.scalar(_versions(campaign_id).order_by(LetterVersion.number.desc()).limit(1))

    return remember.shortly(("letter", campaign_id, version_id), lambda: db.detached(find))


def _versions(campaign_id: int) -> sa.Select[LetterVersion]:
    return (
        sa.select(LetterVersion)
        .where(LetterVersion.campaign_id == campaign_id)
        .options(selectinload(LetterVersion.texts))
    )


def save_letter(campaign_id: int, texts: Mapping[str, tuple[str, str]]) -> LetterVersion:
    """Make `texts` (language → subject, template) the current letter.

    The same texts as now make no new version. Raises `templates.TemplateFault`.
    """
    for subject, template in texts.values():
        templates.check(subject, is_subject=True)
        templates.check(template)
    content = json.dumps(sorted((k, *v) for k, v in texts.items()), ensure_ascii=False)
    content_hash = hashlib.sha256(content.encode()).hexdigest()
    latest = current_version(campaign_id)
    if latest is not None and latest.content_hash == content_hash:
        return latest
    version = LetterVersion(
        campaign_id=campaign_id,
        number=latest.number + 1 if latest else 1,
        content_hash=content_hash,
        texts=[
            LetterText(language=language, subject=subject, template=template)
            for language, (subject, template) in texts.items()
        ],
    )
    db.session.add(version)
    db.session.flush()
    return version


def set_pace(campaign: Campaign) -> None:
    """Hand the campaign's pace, hours, zone and end to delivery; to be called whenever one of them changes."""
    pace.set_group(
        group_key(campaign.id),
        campaign.letters_per_hour,
        office_hours=campaign.office_hours,
        zone=campaign.timezone,
        spread_until=campaign.ends_at if campaign.spreads_letters else None,
    )


def change_pace(campaign: Campaign, **chosen: Any) -> bool:
    """Set `letters_per_hour`, `office_hours`, `spreads_letters`, for what waits too; False where nothing changes."""
    changed = {name: value for name, value in chosen.items() if getattr(campaign, name) != value}
    for name, value in changed.items():
        setattr(campaign, name, value)
    db.session.flush()
    set_pace(campaign)
    return bool(changed)


def set_zones(officials: Iterable[Official]) -> None:
    """Hand the time zones of the officials' offices to delivery."""
    pace.set_zones({recipient_key(official.id): official.timezone for official in officials})


def queue_letters(campaign: Campaign, signature_id: int) -> None:
    """One letter from this signature to each of the campaign's officials who get letters, at their pace."""
    outbox.put(
        LETTER,
        signature_id,
        [recipient_key(official.id) for official in campaign.letter_officials],
        group=group_key(campaign.id),
        lane=Lane.PACED,
    )


def queue_letters_again(signatures: outbox.Subjects) -> int:
    """Queue the letters of these signatures that were cancelled and have not left, and no other; how many."""
    return outbox.revive(LETTER, signatures)


def stop_letters(signatures: int | outbox.Subjects) -> int:
    """Cancel the letters of this signature, or of those that a query finds, which have not left; how many."""
    return outbox.cancel(LETTER, signatures)


def queue_report(**frozen: Any) -> bool:
    """Store a report with these columns of `Report` and queue it at the official's pace.

    False where another worker has made the one of this day.
    """
    added = db.insert(Report).values(**frozen, created_at=db.now()).on_conflict_do_nothing().returning(Report.id)
    report_id = db.session.scalar(added)
    if report_id is None:
        return False
    key, group = recipient_key(frozen["official_id"]), group_key(frozen["campaign_id"])
    outbox.put(DIGEST, report_id, [key], group=group, lane=Lane.PACED)
    return True


def stop_where_reported() -> int:
    """Cancel the letters that wait for officials who get reports instead; how many."""
    stopped = 0
    seats = sa.select(CampaignOfficial.campaign_id, CampaignOfficial.official_id)
    is_reported = sa.or_(Campaign.letters == LetterMode.DIGEST, Official.wants_digest)
    for seat in db.session.execute(
        seats.select_from(CampaignOfficial).join(Campaign).join(Official).where(is_reported)
    ):
        stopped += outbox.cancel_to(
            LETTER, recipient_key(seat.official_id), group_key(seat.campaign_id), "the official gets reports"
        )
    return stopped
