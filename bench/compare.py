"""Two sides under the same load, A-B-A.

A is the limit, B the product. The limit's rate is the mean of the run before and the run after,
so that a machine that grows slower meanwhile does not make the product look so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass

from bench import load
from bench.ground import Installation, new_numbers
from bench.rows import Row
from bench.server import WebServer, gunicorn, serving, working

SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
WARM_UP_SECONDS = 1.0
CLIENTS = 8
GOOD = frozenset({200, 204, 303})


@dataclass(frozen=True)
class Side:
    """One of the two: an application on an installation, and what its clients ask."""

    place: Installation
    ask: Callable[[int], load.Requests]
    """port → requests"""
    application: str = "wsgi:app"
    clients: int = CLIENTS
    has_worker: bool = False
    """Whether `actionkit worker` runs beside it."""
    web_server: WebServer = gunicorn


@dataclass(frozen=True)
class Measured:
    """What a side did."""

    result: load.Result
    cpu_ms: float
    """Processor milliseconds of the web server's processes for a request."""
    memory_mb: float
    """Of the web server's processes, at the end."""


Beside = Callable[[int], AbstractContextManager[object]]
"""port → something that goes on there while a side is measured"""


def measure(side: Side, beside: Beside = nullcontext) -> Measured:
    """Start the side, warm it up, load it for `SECONDS`.

    Raises `RuntimeError` for an answer that is no success.
    """
    with ExitStack() as running:
        if side.has_worker:
            running.enter_context(working(side.place.environ))
        server = running.enter_context(serving(side.application, side.place.environ, side.web_server))
        ask = side.ask(server.port)
        load.run(server.port, ask, seconds=WARM_UP_SECONDS, connections=side.clients, first=new_numbers())
        running.enter_context(beside(server.port))
        before = server.cpu_seconds()
        result = load.run(server.port, ask, seconds=SECONDS, connections=side.clients, first=new_numbers())
        strange = {status: n for status, n in result.statuses.items() if status not in GOOD}
        if strange:
            raise RuntimeError(f"unexpected answers: {strange}")
        return Measured(result, (server.cpu_seconds() - before) * 1000 / result.requests, server.memory_mb())


def compare(name: str, *, limit: Side, product: Side, floor: float, aim: float) -> Row:
    """The product's rate beside the limit's."""
    before, measured, after = measure(limit), measure(product), measure(limit)
    of_limit = (before.result.rate + after.result.rate) / 2
    return Row(
        name,
        round(measured.result.rate, 1),
        round(of_limit, 1),
        round(measured.result.rate / of_limit, 3),
        floor,
        aim,
        round(measured.cpu_ms, 2),
        round(measured.result.own_us / 1000, 3),
    )
