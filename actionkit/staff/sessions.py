"""Sessions exist behind the desk and nowhere else.

A public page has none to read or to set, whatever an extension does to it: it stays the same
for everyone, and any cache may keep it.
"""

from __future__ import annotations

from flask import Flask, Request, Response
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from actionkit import security
from actionkit.staff import current, signed_in


class DeskSessions(SecureCookieSessionInterface):
    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The signed session; outside the desk none, in which nothing can be kept."""
        if request.path != current.DESK and not request.path.startswith(f"{current.DESK}/"):
            return None
        return super().open_session(app, request)


def _keep_private(response: Response) -> Response:
    if current.is_desk():
        signed_in.note_seen()
        security.keep_private(response)
        response.vary.add("Cookie")
    return response


def init_app(app: Flask) -> None:
    is_https = app.config["ACTIONKIT"].base_url.startswith("https://")
    app.config.update(
        # A browser takes a `__Host-` cookie from this very host only, over https, for "/".
        SESSION_COOKIE_NAME="__Host-actionkit" if is_https else "actionkit",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        SESSION_COOKIE_DOMAIN=None,
        PERMANENT_SESSION_LIFETIME=signed_in.WORKING_DAY,
    )
    app.session_interface = DeskSessions()
    app.after_request(_keep_private)
