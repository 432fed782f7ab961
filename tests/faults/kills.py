"""Web processes that are killed while people sign."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from tests.faults.rig import Round
from tests.faults.signers import Signers, post_sign
from tests.faults.site import Site, children, form, hidden_fields
from tests.journeys.product import wait_until

BROKEN = {0, 502, 503}
"""What a client may see of a killed server: a broken connection, or an honest "not now"."""


def web_worker(round_: Round) -> None:
    """F01. kill -9 of one web worker every 2 s for 60 s, while 20 clients sign (at least 1,000 thanked).

    L = 0, D = 0. Clients see nothing but resets, 502 and 503, and never a wrong thank-you; a
    retry with the same form gives one signature.
    """
    scale = round_.scale
    least = scale.pick(20, 1000)
    with round_.site() as site:
        web = site.start_web()
        signers = round_.signers(site, 6, 20)
        with signers.at_work():
            kills = _kill_workers(web, scale.pick(1.0, 2.0), scale.pick(3, 60))
            while len(signers.thanked()) < least and kills < 200:  # on a slow machine it takes longer
                kills += _kill_workers(web, 2.0, 5)
        round_.injected(kills, "kills")
        round_.injected(signers.statuses()[0], "resets")
        round_.expect(kills >= scale.pick(2, 25), f"only {kills} kills")
        _only_honest(round_, signers)
        round_.green_again(site)
        round_.count(site, signers, least)


def _kill_workers(web: subprocess.Popen[bytes], every: float, seconds: float) -> int:
    """Kill the oldest worker, which is the one that serves, again and again; how many."""
    kills = 0
    end = time.monotonic() + seconds
    while time.monotonic() + every < end:
        time.sleep(every)
        if workers := children(web.pid):
            os.kill(workers[0], signal.SIGKILL)
            kills += 1
    return kills


def _only_honest(round_: Round, signers: Signers) -> None:
    others = set(signers.statuses()) - BROKEN - {303}
    round_.expect(not others, f"clients saw {sorted(others)}")


def whole_service(round_: Round) -> None:
    """F02. kill -9 of the whole web service, and a start by hand.

    L = 0, D = 0. It answers within 5 s of its start, and a form that was open before still submits.
    """
    scale = round_.scale
    with round_.site() as site:
        web = site.start_web(scale.pick(1, 2))
        opened = hidden_fields(site.get("/campaigns/italy-water")[2])
        signers = round_.signers(site, 6, 20)
        slowest, kills = 0.0, scale.pick(1, 5)
        with signers.at_work():
            for _ in range(kills):
                web, seconds = _kill_in_full_work(site, web, signers, scale.pick(1, 2))
                slowest = max(slowest, seconds)
        round_.injected(signers.statuses()[0], "resets")
        round_.measured |= {"kills": kills, "slowest start s": round(slowest, 1)}
        round_.expect(slowest <= scale.pick(20, 5), f"answered {slowest:.1f} s after its start")
        late = post_sign(site, {**form("open@example.org"), **opened})
        round_.expect(late.status == 303, f"an open form got {late.status}")
        _only_honest(round_, signers)
        round_.green_again(site)
        round_.count(site, signers, least=scale.pick(10, 100))


def _kill_in_full_work(
    site: Site, web: subprocess.Popen[bytes], signers: Signers, workers: int
) -> tuple[subprocess.Popen[bytes], float]:
    """Kill the service when it has thanked some more, start it; the new one, and when it answered."""
    before = len(signers.thanked())
    wait_until(lambda: len(signers.thanked()) > before + 5 * signers.clients, 60, "people to sign")
    site.kill(web)
    began = time.monotonic()
    return site.start_web(workers), time.monotonic() - began
