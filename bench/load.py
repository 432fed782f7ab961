"""A closed-loop load on loopback: some connections, each with one request in flight.

Raw keep-alive sockets, since a client library would cost more than the server under test.
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

READ_BYTES = 65_536


@dataclass
class Result:
    """What a run of some seconds gave."""

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return self.statuses.total()

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the requests was answered."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


def get(path: str, port: int) -> Callable[[int], bytes]:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/html\r\n\r\n".encode()
    return lambda _n: request


def post(path: str, port: int, body: str) -> Callable[[int], bytes]:
    """A form; `{n}` in the body is another number each time."""

    def request(n: int) -> bytes:
        filled = body.replace("{n}", str(n)).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(filled)}\r\n"
            f"X-Forwarded-For: 10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}\r\n\r\n"
        )
        return head.encode() + filled

    return request


def run(port: int, requests: Callable[[int], bytes], *, seconds: float, connections: int = 8, first: int = 0) -> Result:
    """Send requests for some seconds; every answer is read whole."""
    numbers = itertools.count(first)
    result = Result(seconds)
    lock = threading.Lock()
    end = time.perf_counter() + seconds

    def work() -> None:
        statuses: Counter[int] = Counter()
        latencies: list[float] = []
        connection = _Connection(port)
        while (began := time.perf_counter()) < end:
            statuses[connection.exchange(requests(next(numbers)))] += 1
            latencies.append(time.perf_counter() - began)
        connection.close()
        with lock:
            result.statuses.update(statuses)
            result.latencies.extend(latencies)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return result


class _Connection:
    def __init__(self, port: int) -> None:
        self.port = port
        self.sock: socket.socket | None = None

    def exchange(self, request: bytes) -> int:
        """Send a request and read its answer; the status, or 0 where the connection broke."""
        try:
            if self.sock is None:
                self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=30)
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.sendall(request)
            return self._read(self.sock)
        except OSError:
            self.close()
            return 0

    def _read(self, sock: socket.socket) -> int:
        answer = sock.recv(READ_BYTES)
        while b"\r\n\r\n" not in answer:
            if not (more := sock.recv(READ_BYTES)):
                raise ConnectionResetError
            answer += more
        head, _end, body = answer.partition(b"\r\n\r\n")
        lower = head.lower()
        length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        while len(body) < length:
            if not (more := sock.recv(READ_BYTES)):
                raise ConnectionResetError
            body += more
        if b"connection: close" in lower:
            self.close()
        return int(head[9:12])

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None
