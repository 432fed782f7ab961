"""`python -m bench desk`: the desk's pages with very many signatures on PostgreSQL, and their query plans.

A database is filled by a few statements (`bench.crowd`), a member signs in, and each page is asked
for a few times in this process: what is measured is the server's own work, without the network.
The plans of each page's slowest statements go to `bench/results/desk-plans.txt`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from actionkit import create_app, db
from actionkit.staff import operations
from actionkit.staff.models import StaffRole
from bench import campaigns, crowd
from bench.ground import Installation, Kind, prepared
from bench.server import ROOT

LIMIT_MS = 200
TIMES = 5
"""So often is each page asked for, after once for its caches; the middle one counts."""
SLOW_MS = 20
"""Statements that take longer than this get their plan written down."""

RESULTS = ROOT / "bench" / "results"
BIG, SMALL = campaigns.slug(0), campaigns.slug(40)
OF_BIG = f"/staff/campaigns/{BIG}"

PAGES = {
    "campaign list": "/staff/",
    "figures, 7 days": "/staff/figures?span=7",
    "figures, 30 days": "/staff/figures",
    "figures, a year": "/staff/figures?span=365",
    "figures, all": "/staff/figures?span=all",
    "figures, all, countries as CSV": "/staff/figures.csv?what=country&span=all",
    "compare six, all": "/staff/figures/compare?span=all&"
    + "&".join(f"campaign={campaigns.slug(n)}" for n in range(6)),
    "overview, 7 days": f"{OF_BIG}/overview?span=7",
    "overview, all": f"{OF_BIG}/overview?span=all",
    "signatures": f"{OF_BIG}/signatures",
    "signatures, page 20": f"{OF_BIG}/signatures?page=20",
    "signatures held": f"{OF_BIG}/signatures?state=held",
    "search: an address": f"{OF_BIG}/signatures?q=u{{one}}@mail7.example",
    "search: a common name": f"{OF_BIG}/signatures?q=Rossi",
    "search: a rare name": f"{OF_BIG}/signatures?q=Supporter+{{one}}",
    "search: no such name": f"{OF_BIG}/signatures?q=nobody+of+this+name",
    "search: a postcode": f"{OF_BIG}/signatures?q=00184",
    "search: a domain": f"{OF_BIG}/signatures?domain=mail7.example",
    "search: a name in a small campaign": f"/staff/campaigns/{SMALL}/signatures?q=nobody+of+this+name",
    "letters": f"{OF_BIG}/letters",
    "delivery": "/staff/delivery",
}


@dataclass
class Statement:
    """One that ran for a page: how long, and what to explain."""

    text: str
    parameters: Any
    ms: float


@dataclass
class Measured:
    name: str
    path: str
    status: int
    ms: float
    """The middle one of `TIMES`."""
    least_ms: float
    """The quickest: what it takes while nothing else runs on the machine."""
    slowest: list[Statement] = field(default_factory=list)


def run(signatures: int, only: str) -> int:
    with prepared() as ground:
        folder = campaigns.write(ground.folder / "content", crowd.CAMPAIGNS, letters=True, officials=3)
        place = ground.installation("desk", Kind.POSTGRESQL, folder)
        began = time.monotonic()
        crowd.fill(place, signatures)
        print(f"{signatures:,} signatures of {crowd.CAMPAIGNS} campaigns stored in {time.monotonic() - began:.0f} s")
        app = create_app(place.config)
        measured = list(_measure(app, signatures, only))
        db.close(app)
        _write(place, signatures, measured)
    slow = [each for each in measured if each.ms > LIMIT_MS or each.status != 200]
    print(f"{len(measured) - len(slow)} of {len(measured)} pages within {LIMIT_MS} ms")
    return 1 if slow else 0


def _measure(app: Flask, signatures: int, only: str) -> Iterator[Measured]:
    client = _signed_in(app)
    one = crowd.number_of(0, signatures)
    for name, template in PAGES.items():
        if only not in name:
            continue
        path = template.format(one=one)
        client.get(path)
        times, status = [], 0
        for _ in range(TIMES):
            began = time.perf_counter()
            status = client.get(path).status_code
            times.append((time.perf_counter() - began) * 1000)
        with _listening(app) as statements:
            client.get(path)
        slowest = sorted(statements, key=lambda each: each.ms, reverse=True)
        each = Measured(name, path, status, statistics.median(times), min(times), slowest[:3])
        said = f"{len(statements):3} statements, the slowest {slowest[0].ms:7.1f} ms"
        print(f"{each.name:36} {each.ms:8.1f} ms (least {each.least_ms:7.1f})  {said}", flush=True)
        yield each


def _signed_in(app: Flask) -> FlaskClient:
    with app.app_context():
        member = operations.add_staff("bench@desk.example", StaffRole.ADMIN, None, [])
        path = operations.new_sign_in_link(member)
        db.session.commit()
    client = app.test_client()
    page = client.get(path).text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    answer = client.post(path, data={"csrf_token": token})
    assert answer.status_code == 303, answer.status
    return client


@contextmanager
def _listening(app: Flask) -> Iterator[list[Statement]]:
    """The statements that the application runs meanwhile."""
    found: list[Statement] = []

    def before(_c: Any, _u: Any, _text: str, _parameters: Any, context: Any, _many: bool) -> None:
        context.bench_began = time.perf_counter()

    def after(_c: Any, _u: Any, text: str, parameters: Any, context: Any, _many: bool) -> None:
        found.append(Statement(text, parameters, (time.perf_counter() - context.bench_began) * 1000))

    engines = {
        id(each): each for name in ("database", "database_of_requests") for each in app.extensions[name].values()
    }
    for engine in engines.values():
        sa.event.listen(engine, "before_cursor_execute", before)
        sa.event.listen(engine, "after_cursor_execute", after)
    yield found
    for engine in engines.values():
        sa.event.remove(engine, "before_cursor_execute", before)
        sa.event.remove(engine, "after_cursor_execute", after)


def _write(place: Installation, signatures: int, measured: list[Measured]) -> None:
    RESULTS.mkdir(exist_ok=True)
    rows = [
        {"page": each.name, "ms": round(each.ms, 1), "least_ms": round(each.least_ms, 1), "limit_ms": LIMIT_MS}
        for each in measured
    ]
    (RESULTS / "desk.json").write_text(json.dumps({"signatures": signatures, "pages": rows}, indent=1) + "\n")
    engine = sa.create_engine(place.config.database_url)
    with engine.connect() as connection, (RESULTS / "desk-plans.txt").open("w") as file:
        for each in measured:
            file.write(f"=== {each.name}: {each.ms:.1f} ms, {each.path}\n\n")
            for statement in each.slowest:
                if statement.ms < SLOW_MS and statement is not each.slowest[0]:
                    continue
                plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS) {statement.text}", statement.parameters)
                lines = "\n".join(row[0] for row in plan)
                file.write(f"{statement.ms:.1f} ms\n{statement.text}\n\n{lines}\n\n")
    engine.dispose()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench desk")
    parser.add_argument("--signatures", type=int, default=200_000)
    parser.add_argument("--only", default="", help="pages whose name holds this")
    given = parser.parse_args(arguments)
    return run(given.signatures, given.only)
