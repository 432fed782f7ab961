"""The time of the application, moved by a test."""

from __future__ import annotations

import datetime as dt

import pytest

from actionkit import db
from actionkit.campaigns import models


class Clock:
    """Ahead of the real one by as much as the test says; it goes on running."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = dt.timedelta()
        self._real = db.now
        for module in (db, models):
            monkeypatch.setattr(module, "now", self.now)

    def now(self) -> dt.datetime:
        return self._real() + self.ahead

    def pass_by(self, **how_long: float) -> None:
        self.ahead += dt.timedelta(**how_long)

    def set(self, moment: dt.datetime) -> None:
        self.ahead = moment - self._real()
