"""The one cache policy of public pages.

A public page sets no cookie and is the same for everyone in one language, so this process, a
proxy and the browser may all keep it for a few seconds, show it a little stale while a new one
is fetched (RFC 5861), and go on showing it when we are down.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec

from flask import Flask, Response, current_app, make_response, request

from actionkit import languages

FRESH_SECONDS = 5
COUNT_SECONDS = 2
"""The live number: the counting job and this together keep it at most five seconds old."""
STALE_SECONDS = 60
DOWN_SECONDS = 86_400

MOST_KEPT = 512
FILTERS = ("program", "country", "year", "outcome")
"""Query arguments of which any value may come: such a page is rendered each time."""
SMALLEST_GZIP = 500

P = ParamSpec("P")


def public(page: str | Response, content_type: str | None = None) -> Response:
    """The page as a cacheable answer with an ETag; 304 where the client has it already."""
    return _cacheable(
        page,
        content_type,
        f"public, max-age={FRESH_SECONDS}, stale-while-revalidate={STALE_SECONDS}, stale-if-error={DOWN_SECONDS}",
    )


def live(answer: Response) -> Response:
    """A number that changes: kept for two seconds and never shown stale."""
    response = _cacheable(answer, None, f"public, max-age={COUNT_SECONDS}, must-revalidate")
    response.make_conditional(request)
    return response


def _cacheable(page: str | Response, content_type: str | None, policy: str) -> Response:
    response = make_response(page)
    if content_type:
        response.headers["Content-Type"] = content_type
    response.headers["Cache-Control"] = policy
    response.add_etag(weak=True)
    return response


# ---------------------------------------------------------------- this process


@dataclass
class _Kept:
    """A rendered page: its bytes, plain and compressed, and until when they are fresh."""

    body: bytes
    headers: list[tuple[str, str]]
    fresh_until: float
    is_renewed: bool = False
    _gzipped: bytes | None = None

    def gzipped(self) -> bytes:
        if self._gzipped is None:
            self._gzipped = gzip.compress(self.body, 6, mtime=0)
        return self._gzipped


@dataclass
class _Shelf:
    """The pages that this process keeps, the longest unused one going first."""

    seconds: float
    kept: OrderedDict[tuple[str, ...], _Kept] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, key: tuple[str, ...]) -> _Kept | None:
        """A page to answer with; None for the one caller that has to render it anew.

        While that one renders, the others get the old page, up to a minute old.
        """
        moment = time.monotonic()
        with self.lock:
            page = self.kept.get(key)
            if page is None:
                return None
            self.kept.move_to_end(key)
            if moment < page.fresh_until:
                return page
            if page.is_renewed and moment < page.fresh_until + STALE_SECONDS:
                return page
            page.is_renewed = True
            return None

    def keep(self, key: tuple[str, ...], page: _Kept) -> None:
        with self.lock:
            self.kept[key] = page
            self.kept.move_to_end(key)
            while len(self.kept) > MOST_KEPT:
                self.kept.popitem(last=False)

    def failed(self, key: tuple[str, ...]) -> None:
        """The page could not be rendered: the next caller tries again."""
        with self.lock:
            if page := self.kept.get(key):
                page.is_renewed = False


def cached(view: Callable[P, Response]) -> Callable[P, Response]:
    """Keep what the view answers in this process, and send it compressed to who takes that.

    Only whole pages (200) are kept, under their path and a language that they really speak: what
    may be asked for without end is not kept, so that nobody can push the pages out.
    """

    @wraps(view)
    def kept_or_rendered(*args: P.args, **kwargs: P.kwargs) -> Response:
        shelf: _Shelf = current_app.extensions["pages"]
        if not shelf.seconds or any(request.args.get(name) for name in FILTERS):
            return _conditional(view(*args, **kwargs))
        wanted = request.args.get("lang", "")
        key = (request.path, wanted)
        page = shelf.find(key)
        if page is None:
            try:
                response = view(*args, **kwargs)
            except BaseException:
                shelf.failed(key)
                raise
            if response.status_code != 200 or wanted not in ("", languages.current()):
                return _conditional(response)
            page = _Kept(response.get_data(), list(response.headers), time.monotonic() + shelf.seconds)
            shelf.keep(key, page)
        return _conditional(_answer(page))

    return kept_or_rendered


def _answer(page: _Kept) -> Response:
    is_compressed = len(page.body) >= SMALLEST_GZIP and request.accept_encodings.quality("gzip") > 0
    response = Response(page.gzipped() if is_compressed else page.body)
    response.headers.clear()
    response.headers.extend(page.headers)
    response.headers["Vary"] = "Accept-Encoding"
    if is_compressed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Content-Length"] = str(response.calculate_content_length())
    return response


def _conditional(response: Response) -> Response:
    response.make_conditional(request)
    return response


def init_app(app: Flask) -> None:
    app.extensions["pages"] = _Shelf(app.config["ACTIONKIT"].page_cache_seconds)
