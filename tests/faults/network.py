"""The network: names that do not resolve, and clients that take their time."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench import load
from tests.faults.rig import Round, Scale
from tests.faults.site import INSIDE, SLUG, Site
from tests.journeys.product import wait_until

# ---------------------------------------------------------------- names


def no_names(round_: Round) -> None:
    """F34. DNS is gone.

    Signing and confirming work, for no name is looked up in a request; mail waits, and leaves when
    names resolve again.
    """
    with round_.site(MAIL_SERVER="localhost") as site:
        gone, lookups = site.folder / "no-names", site.folder / "lookups.txt"
        gone.touch()
        lookups.touch()
        site.variables = {"PYTHONPATH": str(INSIDE), "RIG_NO_NAMES": str(gone), "RIG_LOOKUPS": str(lookups)}
        site.start_worker()
        site.start_web(round_.scale.pick(1, 2))
        people = [f"no-dns-{n}@example.org" for n in range(round_.scale.pick(5, 100))]
        statuses = [site.sign(email) for email in people]
        round_.expect(set(statuses) == {303}, f"signing was answered with {sorted(set(statuses))}")
        wait_until(lambda: "localhost" in lookups.read_text(), 60, "the worker to look for the relay")
        lines = lookups.read_text().splitlines()
        tried = [line for line in lines if not line.endswith("(ready)")]
        in_web = [line for line in tried if "gunicorn" in line]
        round_.injected(sum("gunicorn" in line for line in lines) - len(in_web), "web processes without names")
        round_.injected(len(tried), "look-ups refused")
        round_.expect(not in_web, f"the web looked up {len(in_web)} names")
        round_.expect(not site.sink.received, "a mail left without a name")
        round_.expect(json.loads(site.get("/healthz")[2])["status"] == "ok", "healthz does not say ok")
        gone.unlink()
        if round_.scale is Scale.WHOLE:
            # After our own trouble a mail waits a minute, and all of them for the relay's up to two.
            wait_until(lambda: {m.rcpt for m in list(site.sink.received)} >= set(people), 200, "the mails")
            round_.expect(site.post(site.link_of(people[0]))[0] == 200, "confirming does not work")
            round_.count_mails(site)
        round_.lost += len(set(people) - set(site.people()))
        round_.green_again(site)


# ---------------------------------------------------------------- slow clients

BYTE_SECONDS = 5.0
OTHERS_P95 = 1.0
CLOSED_SECONDS = 30


@dataclass
class Slow:
    """One slow client: when it came, what it has sent, and when it was hung up on."""

    sock: socket.socket
    text: bytes
    began: float = field(default_factory=time.monotonic)
    sent: int = 0
    closed: float | None = None

    def turn(self) -> None:
        """Send the next byte, and see whether the server is still there."""
        try:
            self.sock.send(self.text[self.sent : self.sent + 1])
            self.sent += 1
        except BlockingIOError:
            pass
        except OSError:
            self.closed = time.monotonic()

    def look(self) -> None:
        """Notice that the server has closed, or has answered and so ended its waiting."""
        try:
            if not self.sock.recv(4096):
                self.closed = time.monotonic()
        except BlockingIOError:
            pass
        except OSError:
            self.closed = time.monotonic()


def slow_clients(round_: Round) -> None:
    """F37. 500 connections that send one byte every 5 s: half in the head of a request, half in its body.

    For everyone else p95 stays under 1 s; the slow ones are closed within 30 s.
    """
    sockets = round_.scale.pick(100, 500)
    with round_.running() as site:
        load.run(site.port, load.get(f"/campaigns/{SLUG}", site.port), seconds=1, connections=2)
        with _slow_clients(site, sockets) as slow:
            time.sleep(round_.scale.pick(1.0, BYTE_SECONDS + 1))
            seconds = round_.scale.pick(3, CLOSED_SECONDS)
            p95 = {name: _p95(site, request, seconds / 2) for name, request in _others(site).items()}
            if round_.scale is Scale.WHOLE:
                wait_until(lambda: all(s.closed for s in slow) or time.monotonic() > slow[0].began + 45, 60)
        round_.injected(sum(s.sent > 0 for s in slow), "slow clients")
        for name, value in p95.items():
            round_.measured[f"{name} p95 s"] = round(value, 3)
            round_.expect(value < OTHERS_P95, f"others waited {value:.1f} s for {name} (p95)")
        lives = [s.closed - s.began for s in slow if s.closed]
        round_.measured |= {"closed": len(lives), "longest life s": round(max(lives, default=0), 1)}
        if round_.scale is Scale.WHOLE:
            in_time = sum(life <= CLOSED_SECONDS for life in lives)
            round_.expect(in_time == sockets, f"{in_time} of {sockets} slow ones were closed within {CLOSED_SECONDS} s")
        round_.green_again(site)


@contextlib.contextmanager
def _slow_clients(site: Site, sockets: int) -> Iterator[list[Slow]]:
    head = f"GET /campaigns/{SLUG} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: {'s' * 200}".encode()
    post = (
        f"POST /campaigns/{SLUG}/sign HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 400\r\n\r\n"
    ).encode()
    slow = []
    for n in range(sockets):
        sock = socket.create_connection(("127.0.0.1", site.port), timeout=10)
        if n % 2:
            sock.sendall(post)
        sock.setblocking(False)
        slow.append(Slow(sock, b"name=" + b"s" * 395 if n % 2 else head))
    ended = threading.Event()
    thread = threading.Thread(target=_drip, args=(slow, ended), daemon=True)
    thread.start()
    try:
        yield slow
    finally:
        ended.set()
        thread.join()
        for one in slow:
            one.sock.close()


def _drip(slow: list[Slow], ended: threading.Event) -> None:
    """One byte for each of them every five seconds, and an eye on those that were closed."""
    due = time.monotonic()
    while not ended.is_set():
        open_ones = [one for one in slow if one.closed is None]
        if time.monotonic() >= due:
            due += BYTE_SECONDS
            for one in open_ones:
                one.turn()
        said = _readable(open_ones)
        for one in said:
            one.look()
        ended.wait(0.1)


def _readable(slow: list[Slow]) -> list[Slow]:
    poll = select.poll()
    by_number = {one.sock.fileno(): one for one in slow}
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _event in poll.poll(0)]


def _others(site: Site) -> dict[str, tuple[str, str]]:
    """What the others do meanwhile: read the page, and sign."""
    return {"a page": (f"/campaigns/{SLUG}", ""), "a signature": (f"/campaigns/{SLUG}/sign", FORM)}


FORM = "name=Ann&email=fast{n}@example.org&country=IT&consent=yes"


def _p95(site: Site, request: tuple[str, str], seconds: float) -> float:
    path, body = request
    requests = load.post(path, site.port, body) if body else load.get(path, site.port)
    result = load.run(site.port, requests, seconds=seconds, connections=4)
    good = result.statuses[200] + result.statuses[303]
    # A request that was not answered at all waited for as long as its client could.
    return result.percentile(0.95) / 1000 if good == result.requests and good else float("inf")
