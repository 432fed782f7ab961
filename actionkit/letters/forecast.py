"""When a campaign's letters will have left, from what waits now and the pace of each official."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign, Official
from actionkit.delivery import forecast, groups, pace
from actionkit.letters.operations import group_key, recipient_key


@dataclass(frozen=True)
class OfficialForecast:
    """What waits for one official, and when the last of it leaves; None = later than can be foretold."""

    name: str
    waiting: int
    ends_at: dt.datetime | None


@dataclass(frozen=True)
class Forecast:
    """What waits of a campaign, with its officials, the last to be done first."""

    officials: list[OfficialForecast]
    is_resting: bool
    """It is paused: nothing of it leaves, and `ends_at` is what it would be otherwise."""

    @property
    def waiting(self) -> int:
        return sum(official.waiting for official in self.officials)

    @property
    def ends_at(self) -> dt.datetime | None:
        return self.officials[0].ends_at if self.officials else None


def of_campaign(campaign: Campaign) -> Forecast:
    """The forecast as of now. Letters of other campaigns to the same officials take their turns in it."""
    mine, moment = group_key(campaign.id), db.now()
    resting = set(db.session.scalars(groups.are_resting()))
    waiting: dict[str, dict[str, int]] = defaultdict(dict)
    for recipient, group, count in pace.waiting_beside(mine):
        if group == mine or group not in resting:
            waiting[recipient][group] = count
    paces = pace.paces_of(waiting)
    known: dict[tuple[forecast.Line, ...], dt.datetime | None] = {}
    ends_at: dict[str, dt.datetime | None] = {}
    for recipient, counts in waiting.items():
        if mine not in counts:
            continue
        others = sorted(key for key in counts if key != mine)
        lines = tuple(forecast.Line(counts[group], paces[recipient, group]) for group in (mine, *others))
        if lines not in known:
            known[lines] = forecast.ends(moment, lines)[0]
        ends_at[recipient] = known[lines]
    names = db.session.execute(sa.select(Official.id, Official.name).where(Official.id.in_(map(_official_id, ends_at))))
    name_of = {recipient_key(row.id): row.name for row in names}
    officials = [OfficialForecast(name_of.get(key, key), waiting[key][mine], end) for key, end in ends_at.items()]
    far = moment + 2 * forecast.HORIZON
    officials.sort(key=lambda each: (each.ends_at or far, each.waiting), reverse=True)
    return Forecast(officials, mine in resting)


def _official_id(key: str) -> int:
    return int(key.removeprefix("official:"))
