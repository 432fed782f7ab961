"""Changing officials. Nothing here commits."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from actionkit import db
from actionkit.campaigns.models import Campaign, CampaignOfficial, Official, VersionCause
from actionkit.delivery.models import Outgoing, Turn
from actionkit.letters import addresses, history
from actionkit.letters.models import Report
from actionkit.letters.operations import recipient_key, set_zones, stop_where_reported
from actionkit.replies.models import LetterAnswer

RESERVED = frozenset({"admin", "api", "dev", "export", "import", "new", "staff", "static"})
"""Ids that are no official's, since pages stand there."""
AT_ONCE = 1_000
"""Values in one query."""
_IS_PACED = Outgoing.lane == sa.literal_column("'paced'")
"""No parameter: only so do the databases see that the partial index will do."""


def add(email: str, **chosen: Any) -> Official:
    """A new official with this (normal) address."""
    official = Official(slug=new_slug(chosen["name"], email), **chosen)
    addresses.begin(official, email)
    db.session.add(official)
    db.session.flush()
    set_zones([official])
    return official


def change(official: Official, **chosen: Any) -> list[str]:
    """Set columns of an official; the names of those that were another before."""
    changed = [name for name, value in chosen.items() if getattr(official, name) != value]
    for name in changed:
        setattr(official, name, chosen[name])
    db.session.flush()
    if "timezone" in changed:
        set_zones([official])
    if "wants_digest" in changed and official.wants_digest:
        stop_where_reported()
    return changed


def delete(official: Official) -> bool:
    """Delete one to whom nothing points but its seats; False where something does, and it stays."""
    if is_written_to(official.id):
        return False
    unseat([official.id])
    db.session.delete(official)
    db.session.flush()
    return True


def unseat(official_ids: Collection[int], campaign_id: int | None = None) -> None:
    """Have campaigns, or one of them, no longer write to these officials. What was sent stays."""
    ids = list(official_ids)
    for start in range(0, len(ids), AT_ONCE):
        which: list[sa.ColumnElement[bool]] = [CampaignOfficial.official_id.in_(ids[start : start + AT_ONCE])]
        if campaign_id is not None:
            which.append(CampaignOfficial.campaign_id == campaign_id)
        campaign_ids = db.session.scalars(sa.select(CampaignOfficial.campaign_id).where(*which).distinct()).all()
        for campaign in _with_seats(campaign_ids):
            history.catch_up(campaign)
        db.rows_changed(sa.delete(CampaignOfficial).where(*which))
        for campaign in _with_seats(campaign_ids):
            history.record(campaign, VersionCause.SAVED)


def _with_seats(campaign_ids: Collection[int]) -> Sequence[Campaign]:
    """Campaigns with their officials as they are in the database now, read at once: there may be very many."""
    query = sa.select(Campaign).where(Campaign.id.in_(campaign_ids))
    seats = selectinload(Campaign.seats).joinedload(CampaignOfficial.official)
    return db.session.scalars(query.options(seats).execution_options(populate_existing=True)).all()


def is_written_to(official_id: int) -> bool:
    """Whether a letter, a report or an answer points to the official, in any state."""
    return bool(written_to([official_id]))


def written_to(official_ids: Collection[int]) -> set[int]:
    """Those of these officials to whom a letter, a report or an answer points, in any state."""
    found: set[int] = set()
    ids = list(official_ids)
    for start in range(0, len(ids), AT_ONCE):
        some = {recipient_key(id_): id_ for id_ in ids[start : start + AT_ONCE]}
        # Each key by itself, so that it ends at the first letter: there may be very many.
        has_letter = sa.select(Outgoing.id).where(Outgoing.recipient_key == Turn.recipient_key, _IS_PACED).exists()
        keys = db.session.scalars(sa.select(Turn.recipient_key).where(Turn.recipient_key.in_(some), has_letter))
        found |= {some[key] for key in keys}
        for column in (Report.official_id, LetterAnswer.official_id):
            found |= set(db.session.scalars(sa.select(column).where(column.in_(some.values())).distinct()))
    return found


def seat(campaign: Campaign, official_ids: Collection[int], cause: VersionCause = VersionCause.SAVED) -> list[int]:
    """Have a campaign write to these officials too, at the end of its list; those that are new there.

    Letters go to them from who signs from now on.
    """
    seated = {seat.official_id for seat in campaign.seats}
    new = [id_ for id_ in dict.fromkeys(official_ids) if id_ not in seated]
    last = max((seat.position for seat in campaign.seats), default=0)
    if new:
        history.catch_up(campaign)
        db.session.execute(
            sa.insert(CampaignOfficial),
            [{"campaign_id": campaign.id, "official_id": id_, "position": last + n} for n, id_ in enumerate(new, 1)],
        )
        (whole,) = _with_seats([campaign.id])
        history.record(whole, cause)
        stop_where_reported()
    return new


def new_slug(name: str, email: str) -> str:
    """An id for an official without one, which no other has."""
    begins_so = Official.slug.startswith(_stem(name, email), autoescape=True)
    return free_slug(name, email, set(db.session.scalars(sa.select(Official.slug).where(begins_so))))


def free_slug(name: str, email: str, taken: Collection[str]) -> str:
    """An id made from the name, with a number where that one is taken."""
    stem = slug = _stem(name, email)
    number = 1
    while slug in taken or slug in RESERVED:
        number += 1
        slug = f"{stem}-{number}"
    return slug


def _stem(name: str, email: str) -> str:
    """A name in another alphabet leaves nothing; then the address makes one, by its hash."""
    return slug_of(name)[:90].strip("-") or f"official-{hashlib.sha256(email.lower().encode()).hexdigest()[:8]}"


def slug_of(text: str) -> str:
    """What of a text may stand in an id: lower-case letters of the Latin alphabet, digits, single hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
