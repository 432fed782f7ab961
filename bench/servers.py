"""`python -m bench servers`: gunicorn beside granian, on the product's own pages.

The same processes and threads for all, the product's own server first and last, and then once
more while slow clients are there. The table is Markdown, for docs/decisions/0004-wsgi-server.md.
"""

from __future__ import annotations

import importlib.util
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace

from bench.compare import SECONDS, Beside, Measured, Side, measure
from bench.figures import PAGE, RENDERED, get
from bench.ground import CAMPAIGN, Ground, Kind, prepared, sign
from bench.server import granian, gthread, gunicorn

MISSING = """granian is not here, and is no dependency of actionkit. To measure it:
  .venv/bin/python -m pip install granian==2.8.7
  .venv/bin/python -m bench servers
  .venv/bin/python -m pip uninstall granian"""

SLOW_CLIENTS = 64
BYTE_SECONDS = 0.1
"""Between two bytes of a slow client's form."""

IN_TURN = (gunicorn, gthread, granian, gunicorn)
"""The columns; what each is: see `bench.server`."""


def main() -> int:
    if importlib.util.find_spec("granian") is None:
        print(MISSING)
        return 1
    with prepared() as ground:
        print(f"| | {' | '.join(server.__name__ for server in IN_TURN)} |")
        print(f"|---|{'---|' * len(IN_TURN)}")
        for name, side, beside in _subjects(ground):
            _print(name, [measure(replace(side, web_server=web_server), beside) for web_server in IN_TURN])
    return 0


def _subjects(ground: Ground) -> Iterator[tuple[str, Side, Beside]]:
    pages = ground.installation("pages", Kind.SQLITE)
    yield "cached page", Side(pages, get(PAGE)), nullcontext
    yield "rendered page", Side(pages.with_settings(**RENDERED), get(PAGE)), nullcontext
    for kind in Kind:
        yield f"sign, {kind}", Side(ground.installation(f"sign-{kind}", kind), sign), nullcontext
    yield f"cached page beside {SLOW_CLIENTS} slow clients", Side(pages, get(PAGE)), dripping


def _print(name: str, measured: list[Measured]) -> None:
    cells = {
        f"{name}, requests/s": [f"{m.result.rate:,.0f}" for m in measured],
        "… p50 / p99": [f"{m.result.percentile(0.5):.1f} / {m.result.percentile(0.99):.0f} ms" for m in measured],
        "… CPU a request": [f"{m.cpu_ms:.2f} ms" for m in measured],
        "… memory (PSS)": [f"{m.memory_mb:.0f} MB" for m in measured],
    }
    for what, values in cells.items():
        print(f"| {what} | {' | '.join(values)} |", flush=True)


@contextmanager
def dripping(port: int) -> Iterator[None]:
    """Clients that send a form a byte at a time, for as long as a measurement takes and not longer.

    So a server that can do nothing beside them answers in the end, and shows how long it could not.
    """
    head = (
        f"POST /campaigns/{CAMPAIGN}/sign HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\n"
    ).encode()
    with ExitStack() as opened:
        socks = [opened.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(SLOW_CLIENTS)]
        for sock in socks:
            sock.sendall(head)

        def drip() -> None:
            for _ in range(int(SECONDS / BYTE_SECONDS)):
                for sock in socks:
                    with suppress(OSError):  # the server has given it up, as it may
                        sock.send(b"n")
                time.sleep(BYTE_SECONDS)
            for sock in socks:
                sock.close()

        thread = threading.Thread(target=drip)
        thread.start()
        yield
        thread.join()
