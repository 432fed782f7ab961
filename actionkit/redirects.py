"""Where to look after a form was sent."""

from __future__ import annotations

from typing import Any, cast

from flask import Response, redirect, url_for


def see_other(endpoint: str, **values: Any) -> Response:
    """303: what was asked for is done, and here is its page (RFC 9110, 15.4.4)."""
    return to(url_for(endpoint, **values), 303)


def to(address: str, status: int = 302) -> Response:
    """Flask's own, typed as what it is in a Flask application."""
    return cast(Response, redirect(address, status))
