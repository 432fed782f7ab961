"""When something was published: whatever a process remembers from before is forgotten.

A file in the instance folder carries the moment, so that every process of the machine sees it
within half a second. Where several machines serve one site, the others go by the few seconds
that `pages` and `remember` keep anything.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from flask import Flask, current_app

LOOK_SECONDS = 0.5


class Freshness:
    """The number of the latest publication, looked up at most twice a second."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark
        self._number = 0
        self._look_again_at = 0.0

    def number(self) -> int:
        moment = time.monotonic()
        if moment >= self._look_again_at:
            self._look_again_at = moment + LOOK_SECONDS
            with contextlib.suppress(OSError):
                self._number = os.stat(self._mark).st_mtime_ns
        return self._number

    def renew(self) -> None:
        with contextlib.suppress(OSError):  # a folder that cannot be written: seconds must do
            self._mark.touch(mode=0o600)
        self._look_again_at = 0.0


def published() -> None:
    """Say that public pages have changed. To be called after the commit."""
    current_app.extensions["freshness"].renew()


def init_app(app: Flask) -> None:
    app.extensions["freshness"] = Freshness(app.config["ACTIONKIT"].instance / "published")
