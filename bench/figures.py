"""Every figure of `make bench`, by name: what is compared with what, floor and aim."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial

from bench import campaigns, load
from bench.compare import Side, compare
from bench.delivery import MANY, ONE, PACED, SENDERS, delivery
from bench.fill import fill
from bench.ground import CAMPAIGN, FORM, Ground, Installation, Kind, sign
from bench.overload import overload
from bench.rows import Row
from bench.server import free_port, mail_sink

STORED = int(os.environ.get("BENCH_SIGNATURES", "1_000_000"))
"""Signatures that are stored already, where a figure is about many."""
HOT_CLIENTS = 16
SLOW_MAIL_MS = 200

SQLITE, POSTGRESQL = Kind.SQLITE, Kind.POSTGRESQL
Figure = Callable[[str, Ground], Iterable[Row]]
"""(name, ground) → rows"""

BARE = "bench.limits:app"


def get(path: str) -> Callable[[int], load.Requests]:
    return partial(load.get, path)


def _insert(port: int) -> load.Requests:
    return load.post("/insert", port, FORM)


# ---------------------------------------------------------------- beside a bare Flask application


def _signing(kind: Kind) -> Figure:
    """Everything on: limits, consent, the mail put into the ledger."""

    def figure(name: str, ground: Ground) -> Iterable[Row]:
        limit = Side(ground.installation(f"{name}-limit", kind, content=None), _insert, BARE)
        product = Side(ground.installation(name, kind), sign)
        yield compare(name, limit=limit, product=product, floor=0.45, aim=0.65)

    return figure


def _reading(path: str, limit_path: str, floor: float, aim: float, **settings: str) -> Figure:
    def figure(name: str, ground: Ground) -> Iterable[Row]:
        limit = Side(ground.installation(f"{name}-limit", SQLITE, content=None), get(limit_path), BARE)
        product = Side(ground.installation(name, SQLITE).with_settings(**settings), get(path))
        yield compare(name, limit=limit, product=product, floor=floor, aim=aim)

    return figure


# ---------------------------------------------------------------- with many stored / with none


def _empty(ground: Ground, kind: Kind) -> Installation:
    return ground.once(("empty", kind), lambda: ground.installation(f"empty-{kind}", kind))


def _full(ground: Ground, kind: Kind) -> Installation:
    def make() -> Installation:
        made = ground.installation(f"full-{kind}", kind)
        fill(made, STORED)
        return made

    return ground.once(("full", kind), make)


def _many(kind: Kind, ask: Callable[[int], load.Requests], floor: float, aim: float, **settings: str) -> Figure:
    def figure(name: str, ground: Ground) -> Iterable[Row]:
        limit = Side(_empty(ground, kind).with_settings(**settings), ask)
        product = Side(_full(ground, kind).with_settings(**settings), ask)
        yield compare(name, limit=limit, product=product, floor=floor, aim=aim)

    return figure


# ---------------------------------------------------------------- mail in trouble / mail at ease


def _mail(kind: Kind, *, slow: bool) -> Figure:
    """The worker runs beside the web server, and sends to a mail server that is slow or away."""

    def side(place: Installation, port: int) -> Side:
        return Side(place.with_settings(MAIL_SERVER="127.0.0.1", MAIL_PORT=str(port)), sign, has_worker=True)

    def figure(name: str, ground: Ground) -> Iterable[Row]:
        with mail_sink() as fast, mail_sink(SLOW_MAIL_MS) as slow_port:
            limit = side(ground.installation(f"{name}-fast", kind), fast)
            product = side(ground.installation(name, kind), slow_port if slow else free_port())
            yield compare(name, limit=limit, product=product, floor=0.95, aim=1.0)

    return figure


# ---------------------------------------------------------------- one campaign / many


def _hot(kind: Kind) -> Figure:
    def one(port: int) -> load.Requests:
        return load.post(f"/campaigns/{campaigns.slug(0)}/sign", port, FORM)

    def each_another(port: int) -> load.Requests:
        asks = [load.post(f"/campaigns/{campaigns.slug(n)}/sign", port, FORM) for n in range(HOT_CLIENTS)]
        return lambda n: asks[n % HOT_CLIENTS](n)

    def figure(name: str, ground: Ground) -> Iterable[Row]:
        content = campaigns.write(ground.folder / f"{name}-content", HOT_CLIENTS, letters=True)
        spread, hot = (ground.installation(f"{name}-{which}", kind, content) for which in ("spread", "one"))
        limit = Side(spread, each_another, clients=HOT_CLIENTS)
        product = Side(hot, one, clients=HOT_CLIENTS)
        yield compare(name, limit=limit, product=product, floor=0.90, aim=1.0)

    return figure


# ---------------------------------------------------------------- all of them

PAGE = f"/campaigns/{CAMPAIGN}"
RENDERED = {"PAGE_CACHE_SECONDS": "0"}

FIGURES: dict[str, Figure] = {
    "sign-sqlite": _signing(SQLITE),
    "sign-postgresql": _signing(POSTGRESQL),
    "page-cached": _reading(PAGE, "/hello", 0.70, 0.90),
    "page-rendered": _reading(PAGE, "/one-query", 0.45, 0.70, **RENDERED),
    "count": _reading(f"{PAGE}/count.json", "/one-query", 0.45, 0.70),
    "sign-million-sqlite": _many(SQLITE, sign, 0.90, 0.98),
    "page-million-cached": _many(SQLITE, get(PAGE), 0.95, 1.0),
    "page-million-rendered": _many(SQLITE, get(PAGE), 0.95, 1.0, **RENDERED),
    "sign-million-postgresql": _many(POSTGRESQL, sign, 0.90, 0.98),
    "page-million-postgresql": _many(POSTGRESQL, get(PAGE), 0.95, 1.0, **RENDERED),
    "sign-mail-slow": _mail(SQLITE, slow=True),
    "sign-mail-down": _mail(SQLITE, slow=False),
    "sign-hot-sqlite": _hot(SQLITE),
    "sign-hot-postgresql": _hot(POSTGRESQL),
    "overload-sqlite": partial(overload, SQLITE),
    "overload-postgresql": partial(overload, POSTGRESQL),
    "delivery-sqlite": partial(delivery, SQLITE, MANY, SENDERS),
    "delivery-postgresql": partial(delivery, POSTGRESQL, MANY, SENDERS),
    "delivery-paced-sqlite": partial(delivery, SQLITE, PACED, (4,)),
    "delivery-paced-postgresql": partial(delivery, POSTGRESQL, PACED, (4,)),
    "delivery-one-official-sqlite": partial(delivery, SQLITE, ONE, (4,)),
    "delivery-one-official-postgresql": partial(delivery, POSTGRESQL, ONE, (4,)),
}
