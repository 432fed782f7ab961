"""What a process remembers for two seconds, so that a crowd does not ask the database the same.

Only what is the same for everyone and may be two seconds old. Switched off with the page cache
(`ACTIONKIT_PAGE_CACHE_SECONDS=0`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from flask import Flask, current_app

SECONDS = 2.0
MOST = 1_000

T = TypeVar("T")


def shortly(key: Hashable, make: Callable[[], T]) -> T:
    """What `make` gave for this key in the last two seconds, or gives now.

    It must be safe to share between threads: frozen, or detached from its session.
    """
    memory: dict[Hashable, tuple[float, Any]] | None = current_app.extensions["remember"]
    if memory is None:
        return make()
    moment = time.monotonic()
    known = memory.get(key)
    if known is not None and moment < known[0]:
        value: T = known[1]
        return value
    value = make()
    if len(memory) >= MOST:
        memory.clear()
    memory[key] = (moment + SECONDS, value)
    return value


def init_app(app: Flask) -> None:
    app.extensions["remember"] = {} if app.config["ACTIONKIT"].page_cache_seconds else None
