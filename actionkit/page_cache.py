"""Public pages kept in this process, and answered before Flask is asked.

WSGI middleware in front of the whole application. It keeps what a view behind `pages.cached`
has allowed it to keep, plain and compressed; a page that has run out is rendered by one request
while the others get the old one, and the old one stands in for as long as we are unwell.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from flask import Flask
from werkzeug.http import parse_accept_header, parse_etags
from werkzeug.sansio.utils import host_is_trusted

from actionkit import logs, security
from actionkit.freshness import Freshness

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

STALE_SECONDS = 60
DOWN_SECONDS = 86_400
MOST_KEPT = 512
FILTERS = frozenset({"program", "country", "year", "outcome"})
"""Query arguments of which any value may come: such a page is rendered each time."""
LONGEST_QUERY = 500
SMALLEST_GZIP = 500
NOT_IN_A_304 = frozenset({"content-type", "content-length", "content-encoding"})

_WANTED = "actionkit.page_cache.wanted"
_ALLOWED = "actionkit.page_cache.allowed"

Key = tuple[str, str]
"""(path, language asked for)"""


def is_wanted(environ: WSGIEnvironment) -> bool:
    """Whether the cache stands in front of this request and would keep its answer."""
    return _WANTED in environ


def keep(environ: WSGIEnvironment, seconds: float | None, rule: str) -> None:
    """Allow that the answer is kept, for so long or for the cache's own time; `rule` is for the log."""
    environ[_ALLOWED] = (seconds, rule)


# ---------------------------------------------------------------- the shelf


@dataclass
class _Page:
    """A rendered page: its bytes and headers, plain and compressed, and until when it is fresh."""

    body: bytes
    headers: list[tuple[str, str]]
    rule: str
    fresh_until: float
    is_live: bool = False
    """A number that changes, which is never shown stale."""
    is_renewed: bool = False
    etag: str = ""
    packed: tuple[list[tuple[str, str]], bytes] | None = None

    def __post_init__(self) -> None:
        self.headers = [(name, value) for name, value in self.headers if name.lower() != "content-length"]
        self.headers.append(("Vary", "Accept-Encoding"))
        self.etag = next((value for name, value in self.headers if name.lower() == "etag"), "")

    def compressed(self) -> tuple[list[tuple[str, str]], bytes]:
        if self.packed is None:
            body = gzip.compress(self.body, 6, mtime=0)
            headers = [*self.headers, ("Content-Encoding", "gzip"), ("Content-Length", str(len(body)))]
            self.packed = (headers, body)
        return self.packed

    def plain(self) -> tuple[list[tuple[str, str]], bytes]:
        return [*self.headers, ("Content-Length", str(len(self.body)))], self.body


@dataclass
class Shelf:
    """The pages that this process keeps, the longest unused one going first."""

    seconds: float
    freshness: Freshness
    kept: OrderedDict[Key, _Page] = field(default_factory=OrderedDict)
    published: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, key: Key) -> _Page | None:
        """A page to answer with; None for the one caller that has to render it anew.

        While that one renders, the others get the old page, up to a minute old.
        """
        moment = time.monotonic()
        number = self.freshness.number()
        with self.lock:
            if number != self.published:
                self.published = number
                self.kept.clear()
            page = self.kept.get(key)
            if page is None:
                return None
            self.kept.move_to_end(key)
            if moment < page.fresh_until:
                return page
            if page.is_renewed and not page.is_live and moment < page.fresh_until + STALE_SECONDS:
                return page
            page.is_renewed = True
            return None

    def keep(self, key: Key, page: _Page) -> None:
        with self.lock:
            self.kept[key] = page
            self.kept.move_to_end(key)
            while len(self.kept) > MOST_KEPT:
                self.kept.popitem(last=False)

    def failed(self, key: Key) -> _Page | None:
        """We are unwell: the next caller tries again. The old page, if there is one that may be shown."""
        with self.lock:
            page = self.kept.get(key)
            if page is None:
                return None
            page.is_renewed = False
            return None if page.is_live or time.monotonic() > page.fresh_until + DOWN_SECONDS else page

    def drop(self, key: Key) -> None:
        """The page is no more what it was: taken away, or not for keeping any longer."""
        with self.lock:
            self.kept.pop(key, None)


# ---------------------------------------------------------------- the middleware


@dataclass
class PageCache:
    """The middleware: `app` is what stands behind it, `hosts` the names that we answer to (empty = all)."""

    app: WSGIApplication
    shelf: Shelf
    hosts: list[str]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = time.perf_counter()
        key = self._key(environ)
        if key is None:
            return self.app(environ, start_response)
        page = self.shelf.find(key)
        if page is None:
            return self._rendered(key, environ, start_response)
        return _answer(page, environ, start_response, began)

    def _key(self, environ: WSGIEnvironment) -> Key | None:
        """Under which name the answer may be kept; None for what has to be looked at by the application."""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        path: str = environ.get("PATH_INFO", "")
        query: str = environ.get("QUERY_STRING", "")
        if not path.isascii() or "HTTP_COOKIE" in environ:  # the bytes of both are checked there
            return None
        if environ.get("SCRIPT_NAME"):  # its links would begin with it, for everyone
            return None
        if self.hosts and not host_is_trusted(environ.get("HTTP_HOST"), self.hosts):
            return None
        if not query:
            return (path, "")
        if len(query) > LONGEST_QUERY or not query.isascii() or "%" in query:
            return None
        asked = dict(reversed(parse_qsl(query, keep_blank_values=True)))  # of several the first counts
        if not FILTERS.isdisjoint(asked):
            return None
        return (path, asked.get("lang", ""))

    def _rendered(self, key: Key, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began = time.perf_counter()
        if environ["REQUEST_METHOD"] == "GET":
            environ[_WANTED] = True
        said: list[Any] = []

        def listen(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
            said[:] = [status, headers]
            return lambda _data: None

        try:
            body = self.app(environ, listen)
        except BaseException:
            self.shelf.failed(key)
            raise
        if _ALLOWED in environ:
            seconds, rule = environ[_ALLOWED]
            until = time.monotonic() + (self.shelf.seconds if seconds is None else min(seconds, self.shelf.seconds))
            page = _Page(_whole(body), said[1], rule, until, is_live=seconds is not None)
            self.shelf.keep(key, page)
            return _answer(page, environ, start_response, None)
        if said[0][:1] == "5":
            if old := self.shelf.failed(key):
                _whole(body)
                return _answer(old, environ, start_response, began)
        elif environ["REQUEST_METHOD"] == "GET":
            self.shelf.drop(key)
        start_response(*said)
        return body


def _whole(body: Iterable[bytes]) -> bytes:
    try:
        return b"".join(body)
    finally:
        if close := getattr(body, "close", None):
            close()


def _answer(
    page: _Page, environ: WSGIEnvironment, start_response: StartResponse, began: float | None
) -> Iterable[bytes]:
    """The page, compressed for who takes that; 304 for who has it. Logged here if nobody else has."""
    known = environ.get("HTTP_IF_NONE_MATCH")
    if known and page.etag and parse_etags(known).contains_raw(page.etag):
        status, body = "304 NOT MODIFIED", b""
        headers = [(name, value) for name, value in page.headers if name.lower() not in NOT_IN_A_304]
    else:
        status = "200 OK"
        headers, body = page.compressed() if _takes_gzip(environ, page) else page.plain()
    if began is not None:
        logs.write_request(environ["REQUEST_METHOD"], page.rule, int(status[:3]), began)
    start_response(status, headers[:])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _takes_gzip(environ: WSGIEnvironment, page: _Page) -> bool:
    accepted = environ.get("HTTP_ACCEPT_ENCODING", "")
    if ("gzip" not in accepted and "*" not in accepted) or len(page.body) < SMALLEST_GZIP:
        return False
    return parse_accept_header(accepted).quality("gzip") > 0


def init_app(app: Flask) -> None:
    """Put the cache in front of everything. After `freshness`, and after all other middleware."""
    config = app.config["ACTIONKIT"]
    shelf = Shelf(config.page_cache_seconds, app.extensions["freshness"])
    app.extensions["pages"] = shelf
    if shelf.seconds:
        hosts = security.our_hosts(config) if config.is_production else []
        app.wsgi_app = PageCache(app.wsgi_app, shelf, hosts)  # type: ignore[method-assign]
