"""When a campaign reaches its goal, if it goes on as in the last days."""

from __future__ import annotations

import datetime as dt

from actionkit.campaigns.models import Campaign, Phase
from actionkit.figures import numbers
from actionkit.figures.spans import Span

LOOKED_AT = 7
"""So many whole days before today say how fast it goes."""
HORIZON_DAYS = 3 * 365


def reached_on(campaign: Campaign, total: int, today: dt.date) -> dt.date | None:
    """The day on which an open campaign would reach its goal; None where nobody can say, or it is reached."""
    if campaign.phase() is not Phase.OPEN or not campaign.goal or total >= campaign.goal:
        return None
    week = Span(today - dt.timedelta(days=LOOKED_AT), today - dt.timedelta(days=1))
    recent = sum(point.number for point in numbers.by_day([campaign.id], week))
    if recent <= 0:
        return None
    days = -(-(campaign.goal - total) * LOOKED_AT // recent)
    return today + dt.timedelta(days=days) if days <= HORIZON_DAYS else None
