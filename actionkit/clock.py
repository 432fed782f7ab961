"""The time of day can be set, forwards and backwards; the clock that only runs cannot."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

TOLERANCE = dt.timedelta(seconds=30)
"""Clocks of several machines, and moments of requests that run at once, differ by less than this.

A stored moment that lies further ahead was written by a clock that has been set back since.
"""

_BEGAN_AT = dt.datetime.now(dt.UTC)
_BEGAN = time.monotonic()


def steady_now() -> dt.datetime:
    """A moment for rhythms: right when this process began, and from then on as many seconds later as have passed."""
    return _BEGAN_AT + dt.timedelta(seconds=time.monotonic() - _BEGAN)


@dataclass
class SetClock:
    """Notices that somebody set the time of day, by comparing it with the clock that only runs."""

    time_of_day: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    _difference: float | None = None
    _noticed_at: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.steady()

    def was_set(self) -> bool:
        """Whether it was set since `heeded`; True at first, since nobody knows what happened before."""
        with self._lock:
            if self._difference is None:
                return True
            if abs(self._now() - self._difference) < TOLERANCE.total_seconds():
                return False
            self._noticed_at = self.steady()
            return True

    def heeded(self) -> None:
        """What there was to do about it is done."""
        with self._lock:
            self._difference = self._now()

    def is_settled(self, seconds: float) -> bool:
        """Whether it was left alone for so long, as far as this process knows."""
        with self._lock:
            return self._noticed_at is None or self.steady() - self._noticed_at >= seconds

    def is_trusted(self, seconds: float) -> bool:
        """Whether this process has run for so long, and the time of day was not set meanwhile; looks now."""
        self.was_set()
        with self._lock:
            since = self._began if self._noticed_at is None else self._noticed_at
            return self.steady() - since >= seconds

    def _now(self) -> float:
        return self.time_of_day() - self.steady()
