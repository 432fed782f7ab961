"""When the last letter leaves: pure arithmetic over counts and pace, the same as `pace` does turn by turn."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from actionkit.delivery.pace import Pace

HORIZON = dt.timedelta(days=3 * 365)
"""What takes longer than this from now is not foretold."""
TURNS_EACH, MOST_TURNS = 30, 3_000
"""So many turns of each line, or of all of them, show how they go round."""
_NOTHING = 1e-6


@dataclass(frozen=True)
class Line:
    """What waits of one group for one recipient."""

    waiting: int
    pace: Pace


def ends(start: dt.datetime, lines: Sequence[Line]) -> list[dt.datetime | None]:
    """When the last mail of each line to *one* recipient leaves, if none comes in and none fails.

    None beyond the horizon. Letters are taken for a liquid: between two moments at which an office
    opens or closes, or a spread or a line ends, each line flows at a steady rate.
    """
    left = [float(line.waiting) for line in lines]
    ended: list[dt.datetime | None] = [start if not line.waiting else None for line in lines]
    moment = start
    while any(left) and moment < start + HORIZON:
        waiting = [n for n, count in enumerate(left) if count]
        change = min(_next_change(lines[n].pace, moment) for n in waiting)
        rates = _rates(lines, left, moment, [n for n in waiting if lines[n].pace.office.is_open(moment)])
        until_change = (min(change, start + HORIZON) - moment).total_seconds()
        seconds = min([until_change, *(left[n] / rate for n, rate in rates.items())])
        moment += dt.timedelta(seconds=seconds)
        for n, rate in rates.items():
            left[n] = 0.0 if rate == float("inf") else left[n] - rate * seconds
            if left[n] < _NOTHING:
                left[n], ended[n] = 0.0, moment
    return ended


def _next_change(pace: Pace, moment: dt.datetime) -> dt.datetime:
    """When the office opens or closes, or the spread ends."""
    changes = [moment + HORIZON]
    if pace.office.hours:
        opens, closes = next(pace.office.windows(moment))
        changes.append(opens if opens > moment else closes)
    if pace.is_spread(moment) and pace.spread_until:
        changes.append(pace.spread_until)
    return min(changes)


def _rates(lines: Sequence[Line], left: list[float], moment: dt.datetime, open_ones: list[int]) -> dict[int, float]:
    """Mails a second of each line whose office is open.

    Each flows at its own pace, as long as the recipient has time for all; else turns wait.
    """
    gaps = {n: _gap(lines[n].pace, left[n], moment) for n in open_ones}
    unpaced = [n for n, gap in gaps.items() if gap == 0]
    if unpaced:  # these leave before anything else does
        return dict.fromkeys(unpaced, float("inf"))
    if len(gaps) < 2:
        return {n: 1 / gap for n, gap in gaps.items()}
    turns = tuple((gap, lines[n].pace.hold) for n, gap in gaps.items())
    return dict(zip(gaps, _together(turns), strict=True))


@lru_cache(maxsize=1_000)
def _together(turns: tuple[tuple[float, float], ...]) -> tuple[float, ...]:
    """Mails a second of each of these (gap, hold), which share the time of one recipient.

    Turn by turn for a while, since a long hold lets some turns pass by others in ways that no formula tells.
    """
    due, sent, last = [0.0] * len(turns), [0] * len(turns), [0.0] * len(turns)
    free_at = 0.0
    while min(sent) < TURNS_EACH and sum(sent) < MOST_TURNS:
        began, _due, n = min((max(moment, free_at), moment, n) for n, moment in enumerate(due))
        gap, hold = turns[n]
        due[n], free_at = began + gap, began + hold
        sent[n], last[n] = sent[n] + 1, began
    return tuple(
        (count - 1) / moment if count > 1 else 1 / gap
        for count, moment, (gap, _hold) in zip(sent, last, turns, strict=True)
    )


def _gap(pace: Pace, waiting: float, moment: dt.datetime) -> float:
    if not pace.is_spread(moment):
        return pace.gap
    assert pace.spread_until is not None
    seconds = pace.office.between(moment, pace.spread_until)
    return max(pace.gap, min(seconds / waiting, pace.office.seconds_a_day))
