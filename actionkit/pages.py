"""The one cache policy of public pages.

A public page sets no cookie and is the same for everyone in one language, so this process
(`page_cache`), a proxy and the browser may all keep it for a few seconds, show it a little stale
while a new one is fetched (RFC 5861), and go on showing it when we are down.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Response, make_response, request

from actionkit import languages, page_cache

FRESH_SECONDS = 5
COUNT_SECONDS = 2
"""For browsers and proxies. The counting job, this process and this together: at most five seconds."""
COUNT_KEPT_SECONDS = 1

P = ParamSpec("P")


def public(page: str | Response, content_type: str | None = None) -> Response:
    """The page as a cacheable answer with an ETag; 304 where the client has it already."""
    return _cacheable(
        page,
        content_type,
        f"public, max-age={FRESH_SECONDS}, stale-while-revalidate={page_cache.STALE_SECONDS}, "
        f"stale-if-error={page_cache.DOWN_SECONDS}",
    )


def live(answer: Response) -> Response:
    """A number that changes: kept for two seconds and never shown stale."""
    return _cacheable(answer, None, f"public, max-age={COUNT_SECONDS}, must-revalidate")


def _cacheable(page: str | Response, content_type: str | None, policy: str) -> Response:
    response = make_response(page)
    if content_type:
        response.headers["Content-Type"] = content_type
    response.headers["Cache-Control"] = policy
    response.add_etag(weak=True)
    return response


def cached(view: Callable[P, Response]) -> Callable[P, Response]:
    """Let this process keep what the view answers: see `page_cache`.

    Only whole pages (200) are kept, under their path and a language that they really speak: what
    may be asked for without end is not kept, so that nobody can push the pages out.
    """
    return _kept(view, None)


def briefly(view: Callable[P, Response]) -> Callable[P, Response]:
    """The same for a live number, for a second."""
    return _kept(view, COUNT_KEPT_SECONDS)


def _kept(view: Callable[P, Response], seconds: float | None) -> Callable[P, Response]:
    @wraps(view)
    def answer(*args: P.args, **kwargs: P.kwargs) -> Response:
        response = view(*args, **kwargs)
        speaks_it = request.args.get("lang", "") in ("", languages.current())
        if response.status_code == 200 and speaks_it and page_cache.is_wanted(request.environ):
            page_cache.keep(request.environ, seconds, str(request.url_rule))
            return response
        response.make_conditional(request)
        return response

    return answer
