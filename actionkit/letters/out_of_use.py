"""Taking an official out of use and bringing one back, letters included. Nothing here commits.

What waits may be very much, so a job moves it in batches; until it is done, whoever renders one of
these letters sees that its official is out of use, and does not send it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign, CampaignOfficial, CampaignState, Official
from actionkit.delivery import recipients
from actionkit.letters.operations import recipient_key

BATCH = 1000
OUT_OF_USE = "the official is out of use"
"""Why a letter was not sent, in its history; and how those are found that may leave after all."""
BACK_IN_USE = "the official is in use again"


@dataclass(frozen=True)
class Consequence:
    """What it means for one campaign that an official goes out of use."""

    campaign: Campaign
    others: int
    """Officials that it would still write to."""


def consequences(official: Official) -> Sequence[Consequence]:
    """The campaigns that have not ended and write to the official."""
    campaigns = db.session.scalars(
        sa.select(Campaign)
        .join(CampaignOfficial)
        .where(CampaignOfficial.official_id == official.id, Campaign.state != CampaignState.CLOSED)
        .order_by(Campaign.slug)
    ).all()
    return [Consequence(each, len([one for one in each.officials if one.id != official.id])) for each in campaigns]


def waiting(official: Official) -> int:
    """How many mails to the official have not left and would be stopped."""
    return recipients.count_unsent(recipient_key(official.id))


def stopped(official: Official) -> int:
    """How many were stopped so, and would leave after all."""
    return recipients.count_cancelled(recipient_key(official.id), OUT_OF_USE)


def take_out(official: Official) -> bool:
    """Write to the official no more; False where it is so already."""
    return _move(official, Official.retired_at.is_(None), retired_at=db.now())


def bring_back(official: Official) -> bool:
    """Write to the official again, the letters too that were stopped for it; False where it is in use."""
    return _move(official, Official.retired_at.is_not(None), retired_at=None)


def _move(official: Official, condition: sa.ColumnElement[bool], **values: object) -> bool:
    changed = db.rows_changed(
        sa.update(Official).where(Official.id == official.id, condition).values(has_letters_to_move=True, **values)
    )
    db.session.expire(official)
    return bool(changed)


def work_off(most: int = BATCH) -> int:
    """Cancel, or queue again, one batch of letters to an official that went or came; how many. Idempotent."""
    official = db.session.execute(
        sa.select(Official.id, Official.retired_at)
        .where(Official.has_letters_to_move)
        .order_by(Official.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if official is None:
        return 0
    key = recipient_key(official.id)
    if official.retired_at:
        moved = recipients.cancel_unsent(key, OUT_OF_USE, most)
    else:
        moved = recipients.queue_cancelled(key, OUT_OF_USE, BACK_IN_USE, most)
    if not moved:
        db.session.execute(sa.update(Official).where(Official.id == official.id).values(has_letters_to_move=False))
    return moved
