"""Sending them to the product as shipped, and counting what comes back."""

from __future__ import annotations

import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from actionkit import create_app, db
from tests.conftest import make_config
from tests.fuzz.making import Made, Maker
from tests.journeys.product import Product, in_threads

ANSWER_SECONDS = 30
NOT_PUBLIC = ("/staff",)


@dataclass
class Found:
    """Answers by status; and every request whose answer is a fault of ours."""

    statuses: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[str, bytes]] = field(default_factory=list)


def public_rules(site: Product) -> list[str]:
    app = create_app(make_config(site.folder))
    rules = sorted({rule.rule for rule in app.url_map.iter_rules() if not rule.rule.startswith(NOT_PUBLIC)})
    db.close(app)
    return rules


def fuzz(site: Product, values: list[str], *, seconds: float, seed: int, threads: int = 4) -> Found:
    """Send random requests for some seconds; the web service must be running.

    A fault is a 5xx other than 503, and no answer to a request that HTTP leaves no doubt about.
    """
    found = Found()
    rules = public_rules(site)
    end = time.monotonic() + seconds

    def work(number: int) -> Callable[[], None]:
        maker = Maker(rules, values, random.Random(f"{seed}-{number}"))

        def run() -> None:
            while time.monotonic() < end:
                _judge(found, maker.request(), site.port)

        return run

    in_threads([work(number) for number in range(threads)], threads)
    return found


def _judge(found: Found, made: Made, port: int) -> None:
    status = _send(made, port)
    found.statuses[status] += 1
    found.rules[made.rule] += 1
    if (status.startswith("5") and status != "503") or (status == "none" and made.is_wellformed):
        found.faults.append((status, made.raw))


def _send(made: Made, port: int) -> str:
    """The status of the answer; "none" where the connection was closed without one."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as sock:
            sock.sendall(made.raw)
            if not made.is_wellformed:
                sock.shutdown(socket.SHUT_WR)  # or the server would wait, as it should, for what it was promised
            answer = sock.recv(65_536)
            while answer and b"\r\n" not in answer:
                answer += sock.recv(65_536)
    except ConnectionError:
        return "none"
    except TimeoutError:
        return "silent"
    return answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.") else "none"
