"""The load: requests over loopback sockets, from one loop over many connections.

One thread and raw sockets, since the load shares two processors with the server under test: a
client library, or a thread for each connection, would cost as much as the server. What it costs
is measured with everything else (`Result.own_us`).

`run` is a closed loop: some clients, each with one request in flight. `burst` is an open one:
requests come at their own rate, whether the server keeps up or not, as a crowd does.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

READ_BYTES = 262_144
PATIENCE_SECONDS = 30.0
"""How long a client waits for its answer; then it goes away."""
VISIT = 50
"""Requests on one connection. Each new one goes to whichever process takes it first, so that a
run does not keep for its whole length the uneven share with which its connections began."""

Requests = Callable[[int], bytes]
"""number → the request, whole"""
Answered = Callable[[int, int], None]
"""(number, status): called for each answer as it comes; 0 where the connection broke"""


@dataclass
class Result:
    """What a run gave. Statuses count requests; 0 stands for a connection that broke or gave up."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    """Seconds from the first byte sent (in `burst`: from when the client came) to the last received."""
    own_seconds: float = 0.0
    """Processor time of the load itself."""

    @property
    def requests(self) -> int:
        return self.statuses.total()

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def own_us(self) -> float:
        """Processor microseconds that the load itself spent on a request."""
        return self.own_seconds * 1e6 / max(self.requests, 1)

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the requests was answered."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


# ---------------------------------------------------------------- requests


def get(path: str, port: int) -> Requests:
    """The same page each time, compressed as for a browser."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\n\r\n"
    ).encode()
    return lambda _n: request


def post(path: str, port: int, body: str) -> Requests:
    """A form, each time from another client; `{n}` in path and body is the number."""

    def request(n: int) -> bytes:
        filled = body.replace("{n}", str(n)).encode()
        head = (
            f"POST {path.replace('{n}', str(n))} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(filled)}\r\n"
            f"X-Forwarded-For: {client_address(n)}\r\n\r\n"
        )
        return head.encode() + filled

    return request


def client_address(n: int) -> str:
    """An address for the client of a number: neighbours in number are far apart in the network."""
    scattered = n * 0x9E3779B1 & 0xFFFFFFFF
    first, *rest = scattered.to_bytes(4, "big")
    return ".".join(map(str, (128 + first % 32, *rest)))


# ---------------------------------------------------------------- closed loop


def run(
    port: int,
    requests: Requests,
    *,
    seconds: float,
    connections: int = 8,
    first: int = 0,
    answered: Answered | None = None,
) -> Result:
    """Send requests for some seconds, numbered from `first`; every answer is read whole."""
    loop = _Loop(port, answered)
    numbers = itertools.count(first)
    end = loop.began + seconds
    for number in itertools.islice(numbers, connections):
        loop.send(_Client(), number, requests(number))
    while loop.clients:
        for client in loop.wait(PATIENCE_SECONDS):
            if time.perf_counter() >= end:
                client.close()
                continue
            if client.sent % VISIT == 0:
                client.close()
            number = next(numbers)
            loop.send(client, number, requests(number))
    return loop.finished()


# ---------------------------------------------------------------- open loop


def burst(
    port: int,
    requests: Requests,
    *,
    rate: float,
    seconds: float,
    first: int = 0,
    answered: Answered | None = None,
    came: Callable[[], None] = lambda: None,
) -> Result:
    """Clients that come at `rate` a second for some seconds, each with a connection of its own.

    Calls `came` after the last one came, and ends when each was answered or has gone away.
    """
    loop = _Loop(port, answered)
    total = int(rate * seconds)
    number = 0
    while number < total or loop.clients:
        due = min(int((time.perf_counter() - loop.began) * rate), total)
        for number in range(number, due):  # noqa: B020 - goes on where it stopped
            loop.send(_Client(), first + number, requests(first + number))
    return loop.finished()
