"""A mail server that is away, busy, set against us, or lacks something: nothing is lost, failed or doubled."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from tests.faults.rig import Round, Scale
from tests.faults.sending import settle, sign_all
from tests.faults.site import Site
from tests.journeys.product import wait_until
from tests.sink import DROP, Session

OUTAGE_SECONDS = 600
SOON_SECONDS = 120
"""Within which all have left once the relay is well, beside the time that sending takes."""
MOST_TRIES = 25
LONG_AGO = "2020-01-01 00:00:00.000000"


def port_closed(round_: Round) -> None:
    """F06. The SMTP port is closed for ten minutes, and 500 mails are due.

    All stay due, no mail's count of tries grows, at most 25 tries to connect in all, by two workers;
    signing goes on. All have left within two minutes after it opens.
    """
    with round_.site() as site:
        people = _queue(round_, site)
        with site.sink.gone():
            _outage(round_, site)
            tries = site.query("SELECT count(*) AS n FROM outgoing_attempts")[0].n
            round_.injected(tries, "tries to connect")
            round_.expect(tries <= MOST_TRIES, f"{tries} tries to connect")
        _recovers(round_, site, people)


def relay_busy(round_: Round) -> None:
    """F07. 421 at the greeting, and then 4xx to MAIL FROM: as when the port is closed."""
    with round_.site() as site:
        people = _queue(round_, site)
        for step, answer in (("connect", "421 4.3.2 too busy"), ("mail", "451 4.3.0 later")):
            met = _answering(site, step, answer)
            _outage(round_, site)
            round_.injected(len(met), f"answers {answer}")
            round_.expect(len(met) <= MOST_TRIES, f"{len(met)} tries that met {answer}")
        _recovers(round_, site, people)


def set_up_wrongly(round_: Round) -> None:
    """F10. 535 at login, and then 550 to MAIL FROM: our settings are wrong.

    Nothing fails, sending pauses, and it is said once: in the log, to `doctor` and in `healthz`. All
    leave after the fix.
    """
    mails = round_.scale.pick(6, 250)
    answers = {"auth": "535 5.7.8 wrong password", "mail": "550 5.7.1 not your sender"}
    with round_.site(MAIL_USERNAME="us", MAIL_PASSWORD="wrong") as site:
        site.start_web(round_.scale.pick(1, 2))
        people: set[str] = set()
        for number, (step, answer) in enumerate(answers.items(), 1):
            met = _answering(site, step, answer)
            people |= sign_all(site, mails, step)
            if number == 1:
                site.start_worker()
            wait_until(lambda: bool(_relay(site)["is_in_trouble"]), 60, "healthz to say so")
            time.sleep(round_.scale.pick(3, 60))
            _only_waiting(round_, site)
            round_.injected(len(met), f"answers {answer}")
            # One opens the breaker; other senders may be in the middle of theirs, and then there are probes.
            round_.expect(len(met) <= 4 + round_.scale.pick(0, 2), f"{len(met)} tries against wrong settings")
            said = site.command("doctor", expect=1)
            round_.expect(answer[:3] in said and "rests since" in said, "doctor does not say it")
            told = (site.folder / "actionkit.log").read_text().count("sending pauses: the relay is in trouble")
            round_.expect(told == number, f"told {told} times, not once for each trouble")
            site.sink.script = lambda step, _session: None
            end_pauses(site)
            settle(round_, site, people)
        round_.count_mails(site)
        round_.green_again(site)


def _answering(site: Site, step: str, answer: str) -> list[str]:
    """Let the relay answer so at a step; what it has answered."""
    met: list[str] = []

    def script(at: str, _session: Session) -> str | None:
        if at != step:
            return None
        met.append(answer)
        return answer

    site.sink.script = script
    return met


def put_off_after_dot(round_: Round) -> None:
    """F11. 452 and 451 after the final dot: tried again, X = 0, since it was not accepted."""
    _tried_again(round_, lambda n: ["452 4.3.1 disk full", "451 4.3.0 error"][n % 2], "dot")


def dropped_before_dot(round_: Round) -> None:
    """F13. The connection drops before the final dot: tried again, X = 0, and nothing is `uncertain`."""
    _tried_again(round_, lambda _n: DROP, "body")


def _tried_again(round_: Round, answer: Callable[[int], object], step: str) -> None:
    mails = round_.scale.pick(5, 100)
    met: set[str] = set()

    def once(at: str, session: Session) -> object:
        if at != step or session.rcpt in met:
            return None
        met.add(session.rcpt)
        return answer(len(met))

    with round_.site() as site:
        site.start_web(round_.scale.pick(1, 2))
        people = sign_all(site, mails)
        site.sink.script = once
        site.start_worker()
        wait_until(lambda: len(met) == mails, 120, "each mail to meet it once")
        if round_.scale is Scale.SHORT:
            wait_until(lambda: not site.query("SELECT 1 FROM outgoing WHERE state = 'sending'"), 30)
            hurry(site)
        settle(round_, site, people)
        round_.injected(len(met), "tries that met it")
        round_.count_mails(site)
        unclear = site.query("SELECT count(*) AS n FROM outgoing_attempts WHERE outcome = 'uncertain'")[0].n
        round_.expect(unclear == 0, f"{unclear} tries are called uncertain")
        round_.green_again(site)


def lacking(round_: Round) -> None:
    """F17. The relay lacks SMTPUTF8 and an address needs it; it lacks STARTTLS and the settings require it.

    Only that mail is `held`, with the reason; with TLS required nothing is sent in clear.
    """
    with round_.site() as site:
        site.sink.extensions = ("8BITMIME",)
        site.start_web(round_.scale.pick(1, 2))
        worker = site.start_worker()
        people = sign_all(site, round_.scale.pick(3, 50))
        site.sign("üser@example.org")
        wait_until(lambda: len(site.query("SELECT 1 FROM outgoing WHERE state = 'held'")) == 1, 60, "it to be held")
        (held,) = site.query("SELECT last_answer FROM outgoing WHERE state = 'held'")
        round_.expect("SMTPUTF8" in held.last_answer, "the reason is not kept")
        wait_until(lambda: len(site.sink.received) == len(people), 60, "the others")
        round_.expect(worker.poll() is None, "the worker ended")
        round_.injected(1, "addresses beyond ASCII")
        round_.count_mails(site)
        site.kill(worker)
        before = len(site.sink.received)
        site.settings["MAIL_USE_TLS"] = "true"
        site.sign("tls@example.org")
        worker = site.start_worker()
        wait_until(lambda: _relay(site)["is_in_trouble"], 60, "healthz to say so")
        round_.expect(_relay(site)["step"] == "tls", "it is not said that TLS is missing")
        round_.expect(len(site.sink.received) == before, "a mail left in clear")
        round_.expect(worker.poll() is None, "the worker ended")
        round_.green_again(site)


# ---------------------------------------------------------------- what these have in common


def end_pauses(site: Site) -> None:
    """What time does to the pause of the relay, and to mails that wait until it is over."""
    site.query("UPDATE delivery_relay SET shut_until = :then WHERE shut_until IS NOT NULL", then=LONG_AGO)
    hurry(site)


def hurry(site: Site) -> None:
    """Make everything due that is queued: what time would do."""
    site.query("UPDATE outgoing SET not_before = :then WHERE state = 'queued'", then=LONG_AGO)


def _queue(round_: Round, site: Site) -> set[str]:
    """A site with mails that have not left, and with workers that are about to start."""
    site.start_web(round_.scale.pick(1, 2))
    people = sign_all(site, round_.scale.pick(12, 500))
    site.sink.script = lambda step, _session: "421 4.3.2 not yet" if step == "connect" else None
    for _ in range(2):
        site.start_worker()
    wait_until(lambda: bool(site.query("SELECT 1 FROM outgoing_attempts")), 60, "the workers")
    wait_until(lambda: bool(_relay(site)["is_in_trouble"]), 60, "the breaker")
    site.query("DELETE FROM outgoing_attempts WHERE ended_at IS NOT NULL")
    site.sink.script = lambda step, _session: None
    return people


def _outage(round_: Round, site: Site) -> None:
    """The time of an outage: in the short form two pauses of the relay, each ended from outside."""
    if round_.scale is Scale.WHOLE:
        began = time.monotonic()
        while time.monotonic() - began < OUTAGE_SECONDS:
            round_.expect(site.sign(f"meanwhile-{time.monotonic_ns()}@example.org") == 303, "signing was refused")
            time.sleep(20)
    else:
        for _ in range(2):
            end_pauses(site)
            time.sleep(3)
        round_.expect(site.sign("meanwhile@example.org") == 303, "signing was refused")
    _only_waiting(round_, site)


def _only_waiting(round_: Round, site: Site) -> None:
    rows = site.query("SELECT state, max(attempts) AS tries, count(*) AS n FROM outgoing GROUP BY state")
    states = {row.state: row.n for row in rows if row.state != "sending"}
    others = set(states) - {"queued", "sent"}
    round_.expect(not others, f"mails are {sorted(others)}")
    waiting = site.query("SELECT count(*) AS n FROM outgoing WHERE state = 'queued' AND attempts > 0")[0].n
    round_.expect(waiting == 0, f"{waiting} mails were charged a try")


def _recovers(round_: Round, site: Site, people: set[str]) -> None:
    """All leave soon after the relay is well; how soon is measured."""
    site.sink.script = lambda step, _session: None
    began = time.monotonic()
    if round_.scale is Scale.SHORT:
        end_pauses(site)
    settle(round_, site, people)
    seconds = time.monotonic() - began
    round_.measured["all left after s"] = round(seconds)
    round_.expect(seconds <= SOON_SECONDS + len(people) / 20, f"{seconds:.0f} s until all had left")
    round_.count_mails(site)
    round_.green_again(site)


def _relay(site: Site) -> dict[str, Any]:
    relay: dict[str, Any] = json.loads(site.get("/healthz")[2])["relay"]
    return relay
