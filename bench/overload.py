"""A crowd of four times what the server carries: what was acknowledged is stored, and it recovers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import sqlalchemy as sa

from actionkit.signing.models import Signature
from bench import load
from bench.compare import CLIENTS, SECONDS, WARM_UP_SECONDS
from bench.ground import Ground, Installation, Kind, new_numbers, sign
from bench.rows import Row
from bench.server import serving

TIMES = 4
CROWD_SECONDS = 10.0
IN_A_ROW = 10
"""Signatures, one after the other, that must be as quick as usual to call it normal again."""
LONGEST_SECONDS = 120.0
FLOOR_SECONDS, AIM_SECONDS = 30, 5
SHORTEST_SECONDS = 0.1
"""Less is not told apart."""


def overload(kind: Kind, name: str, ground: Ground) -> Iterable[Row]:
    """Two rows: seconds until signing is as quick as before; acknowledged signatures that are stored.

    As quick as before: within the 99th percentile of the time a signature took while the server
    carried all that it can. Counted from when the last of the crowd came, who still waits then.
    """
    place = ground.installation(name, kind)
    acknowledged: set[int] = set()

    def answered(number: int, status: int) -> None:
        if status == 303:
            acknowledged.add(number)

    with serving("wsgi:app", place.environ) as server:
        ask = sign(server.port)
        load.run(server.port, ask, seconds=WARM_UP_SECONDS, connections=CLIENTS, first=new_numbers(), answered=answered)
        usual = load.run(server.port, ask, seconds=SECONDS, connections=CLIENTS, first=new_numbers(), answered=answered)
        before = server.cpu_seconds()
        all_came = threading.Event()
        results: list[load.Result] = []

        def come() -> None:
            results.append(
                load.crowd(
                    server.port,
                    ask,
                    rate=TIMES * usual.rate,
                    seconds=CROWD_SECONDS,
                    first=new_numbers(),
                    answered=answered,
                    all_came=all_came.set,
                )
            )

        coming = threading.Thread(target=come)
        coming.start()
        all_came.wait()
        seconds = round(_until_normal(server.port, ask, usual.percentile(0.99), answered), 1)
        coming.join()
        crowd = results[0]
        cpu_ms = (server.cpu_seconds() - before) * 1000 / crowd.requests
    stored = len(acknowledged & _stored(place))
    yield Row(
        name,
        seconds,
        FLOOR_SECONDS,
        round(FLOOR_SECONDS / seconds, 3),
        1.0,
        FLOOR_SECONDS / AIM_SECONDS,
        round(cpu_ms, 2),
        round(crowd.own_us / 1000, 3),
        f"seconds until normal, where less is better: the ratio is limit ÷ value. {crowd.requests:,} came at "
        f"{TIMES * usual.rate:,.0f} a second and were answered {_in_words(crowd)}",
    )
    yield Row(
        f"{name}-stored",
        stored,
        len(acknowledged),
        1.0 if stored == len(acknowledged) else 0.0,
        1.0,
        1.0,
        round(cpu_ms, 2),
        round(crowd.own_us / 1000, 3),
        f"signatures: acknowledged ones that are stored, beside all acknowledged; {len(acknowledged) - stored} lost",
    )


def _in_words(crowd: load.Result) -> str:
    """ "900 × 303, 60 × 503, 2 × not at all"."""
    return ", ".join(f"{n:,} × {status or 'not at all'}" for status, n in sorted(crowd.statuses.items(), reverse=True))


def _until_normal(port: int, ask: load.Requests, usual_ms: float, answered: load.Answered) -> float:
    """Seconds from now until the first of `IN_A_ROW` signatures that were as quick as usual."""
    began = time.perf_counter()
    since, quick = began, 0
    while quick < IN_A_ROW and time.perf_counter() - began < LONGEST_SECONDS:
        if quick == 0:
            since = time.perf_counter()
        one = load.run(port, ask, seconds=0, connections=1, first=new_numbers(), answered=answered)
        quick = quick + 1 if one.statuses[303] and one.percentile(1) <= usual_ms else 0
    return max(since - began, SHORTEST_SECONDS) if quick == IN_A_ROW else LONGEST_SECONDS


def _stored(place: Installation) -> set[int]:
    """The numbers of the people whose signatures are in the database."""
    with place.application() as app, app.extensions["database"]["reading"].connect() as connection:
        addresses = connection.execute(sa.select(Signature.canonical_email)).scalars()
        return {load.number_of(address[1:9]) for address in addresses}
