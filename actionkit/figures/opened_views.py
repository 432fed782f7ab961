"""How often a campaign's page was opened: a number by day, of nobody.

Pages are kept by this process, by proxies and by browsers, so whoever serves one does not know how
often it is seen. The page's own script says so instead: one empty request, without a cookie, an id
or anything about the reader, and nothing of it is stored but one more in a sum. Most programs run
no scripts, so robots are left out, and so are people whose browser runs none. Anyone can send the
request as often as they like: it is a measure, not a count that decides anything.

A popular page must not cost a request to the database each time it is opened. So each process adds
up for `EVERY_SECONDS` and then stores the sums; most requests are answered before Flask is asked. A
process that is killed takes up to that many seconds of its sums with it.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa
from flask import Blueprint, Flask, Response, current_app

from actionkit import db, logs
from actionkit.campaigns.models import Campaign, Phase
from actionkit.campaigns.operations import find_public_campaign
from actionkit.signing import counting
from actionkit.signing.models import Measure

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

EVERY_SECONDS = 5
MOST_CAMPAIGNS = 512
"""Of so many campaigns a process has sums at a time: names that are none must not fill its memory."""

_PATH = re.compile(r"/campaigns/([a-z0-9-]{1,100})/opened")
_RULE = "/campaigns/<slug>/opened"

blueprint = Blueprint("opened", __name__)


@dataclass
class Sums:
    """What this process has not stored yet."""

    by_slug: Counter[str] = field(default_factory=Counter)
    stored_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, slug: str) -> bool:
        """One more; False where it is time to store, or there is no place: then it is not added."""
        with self.lock:
            is_due = time.monotonic() - self.stored_at >= EVERY_SECONDS
            if is_due or (slug not in self.by_slug and len(self.by_slug) >= MOST_CAMPAIGNS):
                return False
            self.by_slug[slug] += 1
            return True

    def take(self, slug: str) -> Counter[str]:
        """All of it and one more, which the caller stores."""
        with self.lock:
            taken, self.by_slug = self.by_slug, Counter()
            self.stored_at = time.monotonic()
        taken[slug] += 1
        return taken

    def give_back(self, taken: Counter[str]) -> None:
        """They could not be stored."""
        with self.lock:
            self.by_slug.update(taken)


@blueprint.post("/campaigns/<slug>/opened")
def note(slug: str) -> Response:
    """One more, and whatever this process has added up; 404 for what is no public campaign."""
    campaign = find_public_campaign(slug)
    sums: Sums = current_app.extensions["opened"]
    if campaign.phase() is Phase.OPEN and not sums.add(slug):
        taken = sums.take(slug)
        try:
            _store(taken)
            db.session.commit()
        except BaseException:
            sums.give_back(taken)
            raise
    response = Response(status=204)
    response.headers["Cache-Control"] = "no-store"
    return response


def _store(taken: Counter[str]) -> None:
    ids = db.session.execute(
        sa.select(Campaign.id, Campaign.slug).where(Campaign.slug.in_(taken)).order_by(Campaign.id)
    )
    today = db.now().date()
    for id_, slug in ids.all():
        counting.add_to_day(id_, Measure.OPENED, today, "", taken[slug])


# ---------------------------------------------------------------- before Flask is asked


@dataclass
class Quick:
    """Middleware that answers what needs no look: an empty request of one of our own pages, while sums are young."""

    app: WSGIApplication
    sums: Sums

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        slug = _slug_of(environ)
        if slug is None:
            return self.app(environ, start_response)
        began = time.perf_counter()
        if not self.sums.add(slug):
            return self.app(environ, start_response)
        logs.write_request("POST", _RULE, 204, began)
        start_response("204 NO CONTENT", [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")])
        return []


def _slug_of(environ: WSGIEnvironment) -> str | None:
    """The name in a request that may be answered here; None for all others."""
    if environ["REQUEST_METHOD"] != "POST" or environ.get("HTTP_SEC_FETCH_SITE") != "same-origin":
        return None
    if environ.get("CONTENT_LENGTH") not in (None, "", "0") or environ.get("HTTP_TRANSFER_ENCODING"):
        return None
    match = _PATH.fullmatch(environ.get("PATH_INFO", ""))
    return match[1] if match else None


def init_app(app: Flask) -> None:
    """Put it in front of everything that waits in line."""
    sums = app.extensions["opened"] = Sums()
    app.wsgi_app = Quick(app.wsgi_app, sums)  # type: ignore[method-assign]
