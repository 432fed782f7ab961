"""What waits for a person, for the first page of the desk. Nothing is counted to its end: see `MOST_COUNTED`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.delivery import groups
from actionkit.delivery.models import Outgoing, State
from actionkit.letters import delivery_desk
from actionkit.letters.operations import LETTER, group_key
from actionkit.review import alerts
from actionkit.signing.models import Signature, SignatureState
from actionkit.staff import rights
from actionkit.staff.rights import Right

MOST_COUNTED = 1_000
"""More signatures or letters of a campaign in one state than these are shown as "1,000+"."""

LETTERS_FOR_A_PERSON = (State.UNCERTAIN, State.FROZEN, State.FAILED, State.HELD)
"""States of letters that no program ends."""


@dataclass
class Waiting:
    """What of one campaign waits for a person; numbers above `MOST_COUNTED` mean "more"."""

    held: int = 0
    """Signatures that somebody has to look at."""
    alerts: int = 0
    """Alerts that nobody has marked as seen."""
    letters: dict[str, int] = field(default_factory=dict)
    """By state; only states that no program ends."""
    is_paused: bool = False
    """No letter of it leaves."""

    @property
    def is_any(self) -> bool:
        """Whether there is anything at all."""
        return bool(self.held or self.alerts or self.letters or self.is_paused)


def by_campaign(campaign_ids: Collection[int]) -> dict[int, Waiting]:
    """For those of these campaigns of which something waits."""
    waiting: dict[int, Waiting] = defaultdict(Waiting)
    for id_, number in _held(campaign_ids):
        waiting[id_].held = number
    for id_, number in alerts.unseen_by_campaign(campaign_ids).items():
        waiting[id_].alerts = number
    for id_, state, number in _letters(campaign_ids):
        waiting[id_].letters[state] = number
    paused = groups.paused()
    for id_ in campaign_ids:
        if group_key(id_) in paused:
            waiting[id_].is_paused = True
    return {id_: each for id_, each in waiting.items() if each.is_any}


def addresses_that_refuse() -> int:
    """How many officials of the member's campaigns get nothing until staff give another address."""
    return len(delivery_desk.suspended_officials(rights.campaign_ids(Right.VIEW)))


def _held(campaign_ids: Collection[int]) -> list[tuple[int, int]]:
    some = _some(Signature.campaign_id == Campaign.id, Signature.state == SignatureState.HELD)
    rows = db.session.execute(sa.select(Campaign.id, some).where(Campaign.id.in_(campaign_ids)))
    return [(id_, number) for id_, number in rows if number]


def _letters(campaign_ids: Collection[int]) -> list[tuple[int, str, int]]:
    of_campaign = Outgoing.group_key == sa.literal("campaign:") + sa.cast(Campaign.id, sa.String)
    numbers = [
        _some(of_campaign, Outgoing.state == state, Outgoing.kind == LETTER).label(state)
        for state in LETTERS_FOR_A_PERSON
    ]
    rows = db.session.execute(sa.select(Campaign.id, *numbers).where(Campaign.id.in_(campaign_ids)))
    return [
        (id_, state.value, number)
        for id_, *counted in rows
        for state, number in zip(LETTERS_FOR_A_PERSON, counted, strict=True)
        if number
    ]


def _some(*which: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    """How many rows of a campaign these are, along an index; one more than `MOST_COUNTED` at most."""
    some = sa.select(sa.literal(1).label("one")).where(*which).limit(MOST_COUNTED + 1).correlate(Campaign).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()
