"""Whether the relay is worth trying: one process's memory of its trouble."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 120.0


class Relay:
    """A circuit breaker: after trouble nobody tries for a while, then one does, then all.

    Pauses double from 10 s to 2 minutes, so an outage costs few attempts and ends soon after
    the relay is back. Counted on the monotonic clock: a leap of the wall clock changes nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._pause = 0.0
        self._closed_until = 0.0
        self._prober: int | None = None

    def may_try(self) -> bool:
        """True when all is well, or for the one caller that finds out whether it is again."""
        with self._lock:
            if not self._pause:
                return True
            if self._clock() < self._closed_until or self._prober is not None:
                return False
            self._prober = threading.get_ident()
            return True

    def failed(self) -> None:
        with self._lock:
            if self._pause and self._prober != threading.get_ident():
                return  # another sender's failure, from before the pause
            self._pause = min(self._pause * 2 or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            self._closed_until = self._clock() + self._pause
            self._prober = None

    def answered(self) -> None:
        with self._lock:
            self._pause, self._prober = 0.0, None

    def tried(self) -> None:
        """The caller is done; if it was to find out and did not, the next one will."""
        with self._lock:
            if self._prober == threading.get_ident():
                self._prober = None

    @property
    def is_paused(self) -> bool:
        with self._lock:
            return bool(self._pause) and self._clock() < self._closed_until
