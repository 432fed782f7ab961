"""So many requests at once and no more: the others of a process wait in line, not in each other's way.

Python runs one thread at a time, and threads that all want to run take turns every few
milliseconds, most of all while one of them holds SQLite's only writer's place. Two at once keep
a processor busy while one waits for the disk; with eight a signature cost twice the processor
time and a third of them got through (docs/decisions/0012-crowds-slow-clients-overload.md).

Only the work on a request is counted. Sending the answer, which may take a slow reader minutes,
is not; nor are kept pages, which are answered in front of this.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

AT_ONCE = 2
WAIT_SECONDS = 5.0
"""Longer than that, and the database is in trouble: the answer is 503, and soon."""
BUSY = b"We cannot store anything at this moment, and nothing was stored. Please send it again in a minute.\n"


@dataclass
class Turnstile:
    """WSGI middleware: lets `AT_ONCE` requests into `app`, and says 503 to who waited too long."""

    app: WSGIApplication
    slots: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(AT_ONCE))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not self.slots.acquire(timeout=WAIT_SECONDS):
            headers = [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Retry-After", "10"),
                ("Cache-Control", "no-store"),
            ]
            start_response("503 SERVICE UNAVAILABLE", [*headers, ("Content-Length", str(len(BUSY)))])
            return [BUSY]
        try:
            return self.app(environ, start_response)
        finally:
            self.slots.release()


def init_app(app: Flask) -> None:
    """Before `page_cache`, which stands in front of it."""
    app.wsgi_app = Turnstile(app.wsgi_app)  # type: ignore[method-assign]
