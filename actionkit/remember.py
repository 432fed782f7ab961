"""What a process remembers for two seconds, so that a crowd does not ask the database the same.

Only what is the same for everyone and may be two seconds old (`ACTIONKIT_MEMORY_SECONDS`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Flask, current_app

from actionkit.freshness import Freshness

MOST = 1_000

T = TypeVar("T")


@dataclass
class _Memory:
    seconds: float
    freshness: Freshness
    number: int = 0
    known: dict[Hashable, tuple[float, Any]] = field(default_factory=dict)


def shortly(key: Hashable, make: Callable[[], T]) -> T:
    """What `make` gave for this key in the last two seconds, or gives now.

    It must be safe to share between threads: frozen, or detached from its session.
    """
    memory: _Memory = current_app.extensions["remember"]
    if not memory.seconds:
        return make()
    if memory.number != (number := memory.freshness.number()):
        memory.number, memory.known = number, {}
    moment = time.monotonic()
    known = memory.known.get(key)
    if known is not None and moment < known[0]:
        value: T = known[1]
        return value
    value = make()
    if len(memory.known) >= MOST:
        memory.known = {}
    memory.known[key] = (moment + memory.seconds, value)
    return value


def init_app(app: Flask) -> None:
    """After `freshness`."""
    app.extensions["remember"] = _Memory(app.config["ACTIONKIT"].memory_seconds, app.extensions["freshness"])
