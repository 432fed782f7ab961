"""Workers that die, stop or compete, and a relay that hangs up: each mail arrives, and nearly none twice."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from zlib import crc32

from tests.faults.rig import Round, Scale
from tests.faults.site import Site
from tests.journeys.product import in_threads, wait_until
from tests.sink import DROP, Session

SENDERS = 4
"""Mails in flight of one worker: the default of `WORKER_SENDERS`."""


def worker_killed(round_: Round) -> None:
    """F03. kill -9 of the worker 20 times, at random moments of 2,000 mails.

    M = 0; X is at most one for each kill and sender. Every twin has the Message-ID of the first, and
    its history says `uncertain`.
    """
    mails, kills = round_.scale.pick((40, 2), (2000, 20))
    lease = round_.scale.pick(2, 4)
    with round_.site(LEASE_SECONDS=str(lease), WORKER_SENDERS=str(SENDERS)) as site:
        site.start_web(round_.scale.pick(1, 2))
        people = sign_all(site, mails)
        site.sink.script = lambda step, _session: 0.02 if step == "dot" else None
        in_full_work = 0
        for n in range(kills):
            worker = site.start_worker()
            goal = mails * (n + 1) // (kills + 2)
            wait_until(lambda goal=goal: _arrived(site) >= goal, 120, "some mails")  # type: ignore[misc]
            time.sleep(random.uniform(0, 0.2))
            in_full_work += _arrived(site) < mails
            site.kill(worker)
        site.start_worker()
        settle(round_, site, people)
        round_.injected(in_full_work, "kills before the last mail")
        round_.bound += kills * SENDERS
        _count_twins(round_, site)
        round_.green_again(site)


def sign_all(site: Site, count: int, name: str = "mail") -> set[str]:
    """So many people sign; their addresses."""
    people = {f"{name}-{n}@example.org" for n in range(count)}
    in_threads([lambda email=email: _sign(site, email) for email in people])  # type: ignore[misc]
    return people


def _sign(site: Site, email: str) -> None:
    status = site.sign(email)
    assert status == 303, f"signing was answered with {status}"


def _arrived(site: Site) -> int:
    return len({mail.rcpt for mail in list(site.sink.received)})


def settle(round_: Round, site: Site, people: set[str]) -> None:
    """Wait until nothing is due any more, now or when a lease ends. M: who then has no mail."""
    left = "SELECT count(*) AS n FROM outgoing WHERE state <> 'sent'"
    wait_until(lambda: site.query(left)[0].n == 0, 120, "every mail to be sent")
    round_.lost += len(people - {mail.rcpt for mail in list(site.sink.received)})


def _count_twins(round_: Round, site: Site) -> None:
    """X, and whether each twin is one by its Message-ID and marked in the ledger."""
    ids = Counter(mail.message_id for mail in list(site.sink.received))
    people = Counter(mail.rcpt for mail in list(site.sink.received))
    twins = {id_.strip("<>").partition("@")[0] for id_, times in ids.items() if times > 1}
    round_.twins += ids.total() - len(ids)
    round_.measured["mails"] = ids.total()
    round_.expect(people.total() - len(people) == ids.total() - len(ids), "a twin has another Message-ID")
    round_.expect(max(ids.values()) <= 2, "a mail left more than twice")
    marked = {
        row.public_id
        for row in site.query(
            "SELECT o.public_id FROM outgoing o JOIN outgoing_attempts a ON a.outgoing_id = o.id"
            " WHERE a.outcome = 'uncertain' AND o.is_maybe_twice"
        )
    }
    round_.expect(twins <= marked, f"{len(twins - marked)} twins are not marked as uncertain")


def worker_stopped(round_: Round) -> None:
    """F05. SIGTERM to the worker in the middle of a mail.

    It takes no new mail, finishes the one in flight and exits 0 within 30 s; X = 0. Only where the
    relay stays silent beyond that is the mail `uncertain`.
    """
    with round_.site(WORKER_SENDERS="1") as site:
        site.start_web(round_.scale.pick(1, 2))
        people = sign_all(site, 3)
        _stop_in_the_middle(round_, site, silence=2.0)
        round_.expect(len(site.sink.received) == 1, f"{len(site.sink.received)} mails left, not the one in flight")
        site.command("worker", "--drain")
        settle(round_, site, people)
        round_.count_mails(site)
        if round_.scale is Scale.WHOLE:
            _sign(site, "silence@example.org")
            _stop_in_the_middle(round_, site, silence=60.0)
            rows = site.query("SELECT state FROM outgoing WHERE state <> 'sent'")
            round_.expect([row.state for row in rows] == ["uncertain"], "the mail in silence is not uncertain")
        round_.green_again(site)


def _stop_in_the_middle(round_: Round, site: Site, silence: float) -> None:
    """Stop a worker while the relay is silent after the final dot."""
    reached = threading.Event()

    def silent_once(step: str, _session: Session) -> float | None:
        if step != "dot" or reached.is_set():
            return None
        reached.set()
        return silence

    site.sink.script = silent_once
    worker = site.start_worker()
    round_.injected(int(reached.wait(60)), "stops in the middle of a mail")
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    status = worker.wait(60)
    seconds = time.monotonic() - began
    round_.measured[f"stopped after s, of {silence:.0f} s silence"] = round(seconds, 1)
    round_.expect(status == 0, f"the worker ended with {status}")
    round_.expect(seconds <= 30, f"the worker took {seconds:.0f} s to end")


def dropped_after_dot(round_: Round) -> None:
    """F14. The connection drops after the final dot, and the relay has kept the message.

    The mail is `uncertain` and sent once more at most, with the same Message-ID; X is at most the
    number of mails dropped this way.
    """
    mails = round_.scale.pick(6, 200)
    lease = round_.scale.pick(2, 4)
    dropped: set[str] = set()

    def drop_once(step: str, session: Session) -> object:
        if step != "dot" or session.rcpt in dropped or crc32(session.rcpt.encode()) % 2:
            return None
        dropped.add(session.rcpt)
        return DROP

    with round_.site(LEASE_SECONDS=str(lease)) as site:
        site.start_web(round_.scale.pick(1, 2))
        people = sign_all(site, mails)
        site.sink.script = drop_once
        site.start_worker()
        settle(round_, site, people)
        round_.injected(len(dropped), "connections dropped after the dot")
        round_.bound += len(dropped)
        _count_twins(round_, site)
        round_.green_again(site)


def competition(round_: Round) -> None:
    """F23. 4 workers and one due mail, 500 times: exactly 500 are received, X = 0."""
    times = round_.scale.pick(4, 500)
    with round_.site() as site:
        workers = [site.start_worker() for _ in range(round_.scale.pick(2, 4))]
        site.start_web(round_.scale.pick(1, 2))
        people = [f"one-{n}@example.org" for n in range(times)]
        for email in people:
            _sign(site, email)
            site.link_of(email)
        settle(round_, site, set(people))
        time.sleep(1.5)  # more than a turn of each worker
        round_.injected(sum(worker.poll() is None for worker in workers) - 1, "workers more than one")
        round_.count_mails(site)
        round_.expect(len(site.sink.received) == times, f"{len(site.sink.received)} received, not {times}")
        round_.green_again(site)
