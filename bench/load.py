"""The load: requests over loopback sockets, from one loop over many connections.

One thread and raw sockets, since the load shares the processors with the server under test: a
client library, or a thread for each connection, would cost as much as the server. What it does
cost is measured too (`Result.own_us`).

`run` is a closed loop: some clients, each with one request in flight. `crowd` is an open one:
clients come at their own rate, whether the server keeps up or not.
"""

from __future__ import annotations

import errno
import itertools
import select
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

READ_BYTES = 262_144
PATIENCE_SECONDS = 30.0
"""How long a client waits for its answer; then it goes away."""
VISIT = 50
"""Requests on one connection. Each new one goes to whichever server process takes it first, so
that a run does not keep to its end the uneven shares with which it began."""

Requests = Callable[[int], bytes | None]
"""number → the whole request; None = there is nothing to ask for, and the client leaves"""
Answered = Callable[[int, int], None]
"""(number, status), as each answer comes; status 0 where the connection broke or nobody answered"""


def _ignore(_number: int, _status: int) -> None:
    pass


@dataclass
class Result:
    """What a run gave."""

    seconds: float = 0.0
    """From its beginning to its last answer."""
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    """Seconds from the connection or, on an open one, the request, to the end of the answer."""
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


def get(path: str, port: int) -> Callable[[int], bytes]:
    """The same page each time, compressed where the server does that for browsers."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\n\r\n"
    ).encode()
    return lambda _n: request


def post(path: str, port: int, body: str) -> Callable[[int], bytes]:
    """A form, each time from another client; `{n}` in path and body is the number's `person`."""

    def request(n: int) -> bytes:
        tag = person(n)
        filled = body.replace("{n}", tag).encode()
        head = (
            f"POST {path.replace('{n}', tag)} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(filled)}\r\n"
            f"X-Forwarded-For: {_client_address(n)}\r\n\r\n"
        )
        return head.encode() + filled

    return request


SCATTER = 0x9E3779B1
"""Odd, so that different numbers stay different modulo 2 to the 32nd; neighbours get far apart."""


def person(n: int) -> str:
    """Eight hexadecimal digits for a number below 2 to the 32nd, in no order, as people come."""
    return f"{n * SCATTER & 0xFFFFFFFF:08x}"


def number_of(person: str) -> int:
    """The number whose `person` it is."""
    return int(person, 16) * pow(SCATTER, -1, 1 << 32) & 0xFFFFFFFF


def _client_address(n: int) -> str:
    first, *rest = (n * SCATTER & 0xFFFFFFFF).to_bytes(4, "big")
    return ".".join(map(str, (128 + first % 32, *rest)))


# ---------------------------------------------------------------- the two loads


def run(
    port: int,
    requests: Requests,
    *,
    seconds: float,
    connections: int = 8,
    first: int = 0,
    answered: Answered = _ignore,
) -> Result:
    """Send requests for some seconds, numbered from `first`; every answer is awaited and read whole.

    At least one request for each connection, however short the time.
    """
    loop = _Loop(port, answered)
    numbers = itertools.count(first)
    end = loop.began + seconds
    for _ in range(connections):
        loop.ask(_Client(), next(numbers), requests)
    while loop.is_busy:
        for client in loop.done_within(1.0):
            if client.asked % VISIT == 0:
                client.close()
            if time.perf_counter() < end:
                loop.ask(client, next(numbers), requests)
            else:
                client.close()
    return loop.result()


def crowd(
    port: int,
    requests: Requests,
    *,
    rate: float,
    seconds: float,
    first: int = 0,
    answered: Answered = _ignore,
    all_came: Callable[[], None] = lambda: None,
) -> Result:
    """Clients that come at `rate` a second for some seconds, each with a connection of its own.

    Calls `all_came` after the last one, and ends when each was answered or has gone away.
    """
    loop = _Loop(port, answered)
    total, came = int(rate * seconds), 0
    while came < total or loop.is_busy:
        due = min(int((time.perf_counter() - loop.began) * rate) + 1, total)
        for number in range(came, due):
            loop.ask(_Client(), first + number, requests)
        if came < due == total:
            all_came()
        came = due
        for client in loop.done_within(0.005 if came < total else 0.5):
            client.close()
    return loop.result()


class _Client:
    """A connection, and the request that it has in flight."""

    __slots__ = ("answer", "asked", "began", "missing", "number", "sock", "unsent")

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.asked = 0

    def ask(self, number: int, request: bytes) -> None:
        self.number, self.unsent, self.asked = number, request, self.asked + 1
        self.answer = b""
        self.missing = 0
        """Bytes of the body that have not come, once the head has."""
        self.began = time.perf_counter()

    def send(self) -> None:
        """As much as the connection takes now."""
        assert self.sock is not None
        try:
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOTCONN):  # it is not open yet
                raise

    def receive(self) -> int | None:
        """Read what is there; the status when the answer is whole. Raises `OSError` if broken."""
        assert self.sock is not None
        part = self.sock.recv(READ_BYTES)
        if not part:
            raise ConnectionResetError
        if self.missing:
            self.missing -= len(part)
        else:
            self.answer += part
            head, end, body = self.answer.partition(b"\r\n\r\n")
            if not end:
                return None
            self.answer = head.lower()
            self.missing = int(self.answer.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0) - len(body)
        if self.missing > 0:
            return None
        if b"connection: close" in self.answer:
            self.close()
        return int(self.answer[9:12])

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None


class _Loop:
    """Clients that wait for their answers, by the number of their socket."""

    def __init__(self, port: int, answered: Answered) -> None:
        self.began = self._looked = time.perf_counter()
        self._port = port
        self._answered = answered
        self._poll = select.epoll()
        self._waiting: dict[int, _Client] = {}
        self._failed: list[_Client] = []
        self._cpu = time.thread_time()
        self._result = Result()

    @property
    def is_busy(self) -> bool:
        return bool(self._waiting or self._failed)

    def result(self) -> Result:
        """Ends the loop."""
        self._poll.close()
        self._result.seconds = time.perf_counter() - self.began
        self._result.own_seconds = time.thread_time() - self._cpu
        return self._result

    def ask(self, client: _Client, number: int, requests: Requests) -> None:
        """Send the request of this number, over the client's connection or a new one."""
        if (request := requests(number)) is None:
            client.close()
            return
        client.ask(number, request)
        try:
            if client.sock is None:
                client.sock = socket.socket()
                client.sock.setblocking(False)
                client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.sock.connect_ex(("127.0.0.1", self._port))
                self._poll.register(client.sock, select.EPOLLIN)
            client.send()
            if client.unsent:
                self._poll.modify(client.sock, select.EPOLLIN | select.EPOLLOUT)
        except OSError:
            self._failed.append(client)
        else:
            self._waiting[client.sock.fileno()] = client

    def done_within(self, seconds: float) -> list[_Client]:
        """The clients whose exchange is over, the first of them after at most so many seconds."""
        done = []
        for number, events in self._poll.poll(0 if self._failed else seconds):
            if (client := self._waiting.get(number)) is None:
                continue  # it failed before it could wait
            try:
                status = self._go_on(client, events)
            except OSError:
                self._failed.append(self._waiting.pop(number))
                continue
            if status is not None:
                del self._waiting[number]
                self._end(client, status)
                done.append(client)
        return done + self._gone()

    def _go_on(self, client: _Client, events: int) -> int | None:
        assert client.sock is not None
        if events & select.EPOLLOUT:
            client.send()
            if not client.unsent:
                self._poll.modify(client.sock, select.EPOLLIN)
        return client.receive() if events & ~select.EPOLLOUT else None

    def _gone(self) -> list[_Client]:
        """Those whose connection broke, and those whose patience is over."""
        moment = time.perf_counter()
        if moment - self._looked > 1:
            self._looked = moment
            for number, client in list(self._waiting.items()):
                if moment - client.began > PATIENCE_SECONDS:
                    self._failed.append(self._waiting.pop(number))
        gone, self._failed = self._failed, []
        for client in gone:
            client.close()
            self._end(client, 0)
        return gone

    def _end(self, client: _Client, status: int) -> None:
        self._result.statuses[status] += 1
        self._result.latencies.append(time.perf_counter() - client.began)
        self._answered(client.number, status)
