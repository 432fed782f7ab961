"""Wrong passwords, codes and passkeys are few: by account and network, and by network over all accounts.

Only failures count. Nobody is locked out from another network, since each has counts of its
own. Counts live in this process, or in Redis where the installation has one; with several
processes and no Redis each of them counts for itself.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, current_app, make_response, render_template, request
from flask_limiter import Limiter, RequestLimit

from actionkit.security import client_address, network_of
from actionkit.staff import current, door
from config import Config

log = logging.getLogger(__name__)

PER_ACCOUNT = "5 per 5 minutes"
PER_NETWORK = "30 per 10 minutes"
MAILS_PER_NETWORK = "10 per hour"

View = Callable[..., Any]


def _network() -> str:
    return _sealed(network_of(client_address()).hex())


def _account_and_network() -> str:
    member = current.member()
    account = member.email if member else door.half_name() or request.form.get("email", "").strip().lower()
    return f"{_sealed(account)}/{_network()}"


def _sealed(text: str) -> str:
    """A name for the text that tells nobody the text: keys may lie in Redis."""
    key = current_app.config["SECRET_KEY"].encode()[:64]
    return hashlib.blake2b(text.encode("utf-8", "replace"), key=key, digest_size=16).hexdigest()


def _is_failure(response: Response) -> bool:
    return response.status_code == 422


def _refuse(limit: RequestLimit) -> Response:
    wait = max(1, int(limit.reset_at - time.time()) + 1)
    response = make_response(render_template("staff/wait.html", minutes=-(-wait // 60)), 429)
    response.headers["Retry-After"] = str(wait)
    return response


def few_failures(limiter: Limiter, view: View) -> View:
    """The view answers a POST with 429 after too many that ended in 422."""
    for limit, key in ((PER_NETWORK, _network), (PER_ACCOUNT, _account_and_network)):
        view = limiter.limit(limit, key_func=key, methods=["POST"], deduct_when=_is_failure)(view)
    return view


def few_mails(limiter: Limiter, view: View) -> View:
    """The view, which sends mail to whom it is told, answers a POST with 429 after too many."""
    return limiter.limit(MAILS_PER_NETWORK, key_func=_network, methods=["POST"])(view)


def _storage(config: Config) -> str:
    if not config.broker_url.startswith(("redis://", "rediss://")):
        return "memory://"
    if importlib.util.find_spec("redis") is None:
        log.warning("sign-in limits are counted by each process: the package 'redis' is not installed")
        return "memory://"
    return config.broker_url


def make_limiter(app: Flask) -> Limiter:
    """The counts of this application."""
    return Limiter(
        key_func=_network,
        app=app,
        storage_uri=_storage(app.config["ACTIONKIT"]),
        on_breach=_refuse,
        # Redis away: count here rather than let everything or nothing through.
        in_memory_fallback_enabled=True,
    )
