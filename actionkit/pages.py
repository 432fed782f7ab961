"""The one cache policy of public pages.

A public page sets no cookie and is the same for everyone in one language, so a browser and
any proxy may keep it for a few seconds, show it a little stale while it fetches a new one
(RFC 5861), and go on showing it when we are down.
"""

from __future__ import annotations

from flask import Response, make_response, request

FRESH_SECONDS = 5
COUNT_SECONDS = 2
"""The live number: the counting job and this together keep it at most five seconds old."""
STALE_SECONDS = 60
DOWN_SECONDS = 86_400


def public(page: str | Response, content_type: str | None = None) -> Response:
    """The page as a cacheable answer with an ETag; 304 where the client has it already."""
    return _cacheable(
        page,
        content_type,
        f"public, max-age={FRESH_SECONDS}, stale-while-revalidate={STALE_SECONDS}, stale-if-error={DOWN_SECONDS}",
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
    response.make_conditional(request)
    return response
