"""Letters to officials who refuse, take their time, or are not to be written to any more."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from itertools import pairwise

from tests.faults.relays import end_pauses, hurry
from tests.faults.rig import Round, Scale
from tests.faults.sending import sign_all
from tests.faults.site import SLUG, Site
from tests.journeys.product import in_threads, link_in, wait_until
from tests.sink import Session, Trickle

WATER, HEALTH, TOWNS = "acqua@governo.example", "salute@governo.example", "towns@comuni.example"
OFFICIALS = {WATER, HEALTH, TOWNS}
GAPS = (1, 2, 4)
"""Minutes between the tries of a mail that is put off, a quarter more or less."""


def greylisted(round_: Round) -> None:
    """F08. 451 to RCPT for three tries, then all is well: delivered at the fourth, with growing gaps, X = 0."""
    refused: Counter[str] = Counter()

    def script(step: str, session: Session) -> str | None:
        if step != "rcpt" or refused[session.rcpt] == len(GAPS):
            return None
        refused[session.rcpt] += 1
        return "451 4.7.1 greylisted"

    with round_.site() as site:
        site.start_web(1)
        site.sink.script = script
        people = sign_all(site, round_.scale.pick(2, 10))
        site.start_worker()
        for tries in range(1, len(GAPS) + 1):
            put_off = f"SELECT 1 FROM outgoing WHERE state = 'queued' AND attempts = {tries}"
            wait_until(lambda put_off=put_off: len(site.query(put_off)) == len(people), 400, "it to be put off")  # type: ignore[misc]
            if round_.scale is Scale.SHORT:
                _check_gaps(round_, site, tries)
                hurry(site)
        _wait_until_sent(site, len(people), 500)
        if round_.scale is Scale.WHOLE:
            _measure_gaps(round_, site)
        round_.injected(sum(refused.values()), "times put off")
        tried = {row.attempts for row in site.query("SELECT attempts FROM outgoing")}
        round_.expect(tried == {len(GAPS) + 1}, f"delivered after {tried} tries")
        round_.count_mails(site)
        round_.green_again(site)


def _check_gaps(round_: Round, site: Site, tries: int) -> None:
    """What the ledger promises for the next try, counted from the end of the last one."""
    rows = site.query(
        "SELECT (julianday(o.not_before) - julianday(max(a.ended_at))) * 1440 AS gap"
        " FROM outgoing o JOIN outgoing_attempts a ON a.outgoing_id = o.id GROUP BY o.id, o.not_before"
    )
    _expect_gaps(round_, tries, [row.gap for row in rows])


def _measure_gaps(round_: Round, site: Site) -> None:
    rows = site.query("SELECT outgoing_id, julianday(started_at) * 1440 AS at FROM outgoing_attempts ORDER BY id")
    for id_ in {row.outgoing_id for row in rows}:
        times = [row.at for row in rows if row.outgoing_id == id_]
        for tries, (one, next_) in enumerate(pairwise(times), 1):
            _expect_gaps(round_, tries, [next_ - one])


def _expect_gaps(round_: Round, tries: int, gaps: list[float]) -> None:
    least, most = GAPS[tries - 1] * 0.75, GAPS[tries - 1] * 1.25 + 0.1
    odd = [round(gap, 2) for gap in gaps if not least <= gap <= most]
    round_.expect(not odd, f"gaps of {odd} minutes after try {tries}")


def no_such_address(round_: Round) -> None:
    """F09. 550 5.1.1 to the RCPT of one official.

    Each letter `failed` after one try, with the reason; after three the address is suspended and the
    later letters wait as `held`, those too that come later. The other officials get theirs.
    """
    supporters = round_.scale.pick(5, 100)
    with round_.site() as site:
        _start(site)
        site.sink.script = lambda step, s: "550 5.1.1 no such user" if step == "rcpt" and s.rcpt == WATER else None
        _confirm_all(site, supporters)
        states = {"failed": 3, "held": supporters - 3}
        wait_until(lambda: _states_of(site, WATER) == states, 120, "three failed, the others held")
        wait_until(lambda: len(site.sink.to(HEALTH)) == len(site.sink.to(TOWNS)) == supporters, 120, "the others")
        failed = site.query("SELECT last_answer, attempts FROM outgoing WHERE state = 'failed'")
        round_.expect({row.attempts for row in failed} == {1}, "a letter was tried more than once")
        round_.expect({row.last_answer for row in failed} == {"550 5.1.1 no such user"}, "the reason is not kept")
        round_.expect(json.loads(site.get("/healthz")[2])["suspended_recipients"] == 1, "healthz does not say it")
        _confirm_all(site, 1, "late")
        wait_until(lambda: _states_of(site, WATER)["held"] == supporters - 2, 60, "the late one to be held")
        round_.injected(len(failed), "letters refused")
        round_.lost += 3 * (supporters + 1) - _letters(site)
        round_.count_mails(site)
        round_.green_again(site)


def taken_for_spam(round_: Round) -> None:
    """F12. 554 5.7.1 after the final dot: the letter `failed`; five in a row pause the campaign, and staff are told."""
    supporters = round_.scale.pick(4, 50)
    with round_.site() as site:
        site.command("staff", "add", "chief@example.org", "--role", "admin")
        _start(site)
        site.sink.script = lambda step, s: "554 5.7.1 spam" if step == "dot" and s.rcpt in OFFICIALS else None
        _confirm_all(site, supporters)
        wait_until(lambda: json.loads(site.get("/healthz")[2])["paused_groups"] == 1, 60, "the campaign to be paused")
        time.sleep(3)  # in which nothing more may be tried
        failed = site.query("SELECT count(*) AS n FROM outgoing WHERE state = 'failed'")[0].n
        in_flight = 4
        round_.expect(5 <= failed < 5 + in_flight, f"{failed} letters were tried")
        wait_until(lambda: bool(site.sink.to("chief@example.org")), 60, "staff to be told")
        round_.expect(len(site.sink.to("chief@example.org")) == 1, "told more than once")
        site.sink.script = lambda step, session: None
        people = sign_all(site, 2, "still")
        wait_until(lambda: {m.rcpt for m in site.sink.received} >= people, 60, "other mail")
        site.query("UPDATE delivery_groups SET paused_at = NULL, paused_because = '', refusals = 0")
        letters = 3 * supporters
        wait_until(lambda: sum(len(site.sink.to(o)) for o in OFFICIALS) == letters - failed, 60, "the others")
        round_.injected(failed, "letters refused")
        round_.count_mails(site)
        round_.green_again(site)


def tarpit(round_: Round) -> None:
    """F15. The relay takes its time with one official's mail: a byte a second, or 90 s of silence after the dot.

    The final answer is waited for, one sender of two is held up, the delay of other letters grows by
    5 s at most (95th percentile), and X = 0.
    """
    silence, supporters = round_.scale.pick((6.0, 6), (90.0, 40))
    slow: list[float] = []
    together: list[int] = []
    lock = threading.Lock()

    def script(step: str, session: Session) -> object:
        if session.rcpt != WATER:
            return None
        if step == "rcpt":
            with lock:
                slow.append(time.monotonic())
                together.append(len(slow) - len(site.sink.to(WATER)))
        if step == "dot":
            return silence if len(slow) % 2 else Trickle("250 2.0.0 taken", silence / 90)
        return None

    with round_.site(WORKER_SENDERS="2", LEASE_SECONDS="10") as site:
        _start(site)
        site.sink.script = script
        links = _links(site, supporters)
        asked: list[float] = []
        for link in links:
            site.post(link)
            asked.append(time.monotonic())
            time.sleep(0.2)
        others = (HEALTH, TOWNS)
        wait_until(lambda: all(len(site.sink.to(o)) == supporters for o in others), 120, "the others' letters")
        delays = sorted(
            mail.at - at
            for official in others
            for mail, at in zip(sorted(site.sink.to(official), key=lambda m: m.at), asked, strict=True)
        )
        p95 = delays[int(len(delays) * 0.95)]
        round_.measured |= {"p95 of others s": round(p95, 1), "slow ones begun": len(slow)}
        round_.expect(p95 <= 5 + round_.scale.pick(3, 1), f"others waited {p95:.1f} s")
        wait_until(lambda: len(site.sink.to(WATER)) >= 2, 60 + 2 * silence, "the slow ones")
        round_.injected(len(slow), "letters into the tarpit")
        round_.expect(max(together) <= 2, "more than one letter at a time was on its way to the slow one")
        unclear = site.query("SELECT count(*) AS n FROM outgoing_attempts WHERE outcome = 'uncertain'")[0].n
        round_.expect(unclear == 0, f"{unclear} letters are called uncertain")
        round_.count_mails(site)
        round_.green_again(site)


def one_of_five(round_: Round) -> None:
    """F16. One official of five is refused: four letters arrive, one failed; nobody sees another's address."""
    with round_.site() as site:
        _seat_two_more(site)
        _start(site)
        site.sink.script = lambda step, s: "550 5.1.1 no" if step == "rcpt" and s.rcpt == HEALTH else None
        _confirm_all(site, 1)
        wait_until(lambda: _letter_states(site) == {"sent": 4, "failed": 1}, 60, "four and one")
        letters = [
            mail for mail in site.sink.received if mail.rcpt.endswith("@governo.example") or "more-" in mail.rcpt
        ]
        letters += site.sink.to(TOWNS)
        addresses = {mail.rcpt for mail in letters} | {HEALTH}
        round_.injected(len(addresses), "officials")
        round_.expect(len(letters) == len(addresses) - 1 == 4, f"{len(letters)} letters arrived")
        for mail in letters:
            others = [address for address in addresses - {mail.rcpt} if address.encode() in mail.raw]
            round_.expect(not others, f"a letter shows {len(others)} other addresses")
        round_.count_mails(site)
        round_.green_again(site)


def poison(round_: Round) -> None:
    """F36. One letter of very many cannot be written: it is frozen with its reason, and the others arrive."""
    supporters = round_.scale.pick(4, 167)
    with round_.site() as site:
        _start(site)
        site.query("UPDATE delivery_groups SET paused_at = :now", now="2026-01-01 00:00:00.000000")
        _confirm_all(site, supporters)
        site.query(
            "INSERT INTO letter_versions (campaign_id, number, content_hash, created_at)"
            " SELECT id, 99, 'poison', created_at FROM campaigns WHERE slug = :slug",
            slug=SLUG,
        )
        site.query(
            "INSERT INTO letter_texts (version_id, language, subject, template)"
            " SELECT id, 'it', 'Hello', '{% broken' FROM letter_versions WHERE number = 99"
        )
        site.query(
            "UPDATE submissions SET letter_version_id = (SELECT id FROM letter_versions WHERE number = 99)"
            " WHERE id = (SELECT min(id) FROM submissions)"
        )
        site.query(
            "INSERT INTO letter_texts (version_id, language, subject, template)"
            " SELECT v.id, 'en', t.subject, t.template FROM letter_versions v, letter_texts t"
            " JOIN letter_versions w ON w.id = t.version_id AND w.number = 1 AND t.language = 'en'"
            " WHERE v.number = 99 AND w.campaign_id = v.campaign_id"
        )
        site.query("UPDATE delivery_groups SET paused_at = NULL")
        frozen = 2  # to the two officials who read Italian
        wanted = {"sent": 3 * supporters - frozen, "frozen": frozen}
        wait_until(lambda: _letter_states(site) == wanted, 120, f"{wanted}, not {_letter_states(site)}")
        reasons = [row.last_answer for row in site.query("SELECT last_answer FROM outgoing WHERE state = 'frozen'")]
        round_.injected(len(reasons), "letters that cannot be written")
        round_.expect(all(reasons), "the reason is not kept")
        round_.count_mails(site)
        round_.green_again(site)


def withdrawn_meanwhile(round_: Round) -> None:
    """F38. A supporter withdraws while one of her letters is on its way: nothing leaves after the answer but that."""
    people = round_.scale.pick(1, 20)
    with round_.site(WORKER_SENDERS="1") as site:
        _start(site)
        for n in range(people):
            (link,) = _links(site, 1, f"leaves-{n}")
            on_its_way, go_on = threading.Event(), threading.Event()

            def script(
                step: str,
                session: Session,
                on_its_way: threading.Event = on_its_way,
                go_on: threading.Event = go_on,
            ) -> None:
                if step == "dot" and session.rcpt in OFFICIALS:
                    on_its_way.set()
                    go_on.wait(20)

            before = sum(len(site.sink.to(o)) for o in OFFICIALS)
            site.sink.script = script
            page = site.post(link)[2]
            wait_until(on_its_way.is_set, 30, "a letter to be on its way")
            withdraw = page[page.index("/withdraw/") :].split('"')[0]
            round_.expect(site.post(withdraw)[0] == 200, "withdrawing was refused")
            claimed = "SELECT count(*) AS n FROM outgoing_attempts a JOIN outgoing o ON o.id = a.outgoing_id"
            claimed += " WHERE o.kind = 'letter'"
            tries = site.query(claimed)[0].n
            go_on.set()
            time.sleep(2.5)
            round_.expect(site.query(claimed)[0].n == tries, "a letter was tried after the answer")
            round_.expect(
                sum(len(site.sink.to(o)) for o in OFFICIALS) == before + 1, "more than the one in flight left"
            )
        round_.injected(people, "withdrawals in the middle of a letter")
        states = _letter_states(site)
        round_.expect(states == {"sent": people, "cancelled": 2 * people}, f"letters are {states}")
        round_.count_mails(site)
        round_.green_again(site)


def two_schedulers(round_: Round) -> None:
    """F40. Two schedulers, since somebody started two workers: every job's work is done once, X = 0."""
    supporters = round_.scale.pick(5, 100)
    with round_.site() as site:
        _start(site)
        workers = [site.start_worker() for _ in range(round_.scale.pick(1, 3))]
        site.query("UPDATE campaigns SET closes_on = '2020-01-02' WHERE slug <> :slug AND closes_on IS NULL", slug=SLUG)
        _confirm_all(site, supporters)
        wait_until(lambda: _letter_states(site) == {"sent": 3 * supporters}, 120, "all letters")
        wait_until(lambda: f'"signatures":{supporters}' in _count(site), 30, "the count")
        time.sleep(3)
        round_.expect(f'"signatures":{supporters}' in _count(site), "counted twice")
        round_.injected(sum(worker.poll() is None for worker in workers), "schedulers more than one")
        round_.count_mails(site)
        round_.expect(len(site.sink.received) == 4 * supporters, f"{len(site.sink.received)} mails")
        end_pauses(site)
        round_.green_again(site)


# ---------------------------------------------------------------- what these have in common


def _start(site: Site) -> None:
    site.start_web(1)
    site.start_worker()


def _links(site: Site, count: int, name: str = "mail") -> list[str]:
    """So many people sign, and have their confirmation links."""
    people = sorted(sign_all(site, count, name))
    wait_until(lambda: all(site.sink.to(person) for person in people), 120, "the confirmations")
    return [link_in(site.sink.to(person)[0].text, site.base_url) for person in people]


def _confirm_all(site: Site, count: int, name: str = "mail") -> None:
    links = _links(site, count, name)
    in_threads([lambda link=link: _press(site, link) for link in links])  # type: ignore[misc]


def _press(site: Site, link: str) -> None:
    status = site.post(link)[0]
    assert status == 200, f"confirming was answered with {status}"


def _count(site: Site) -> str:
    return site.get(f"/campaigns/{SLUG}/count.json")[2].replace(" ", "")


def _letters(site: Site) -> int:
    return sum(_letter_states(site).values())


def _letter_states(site: Site) -> Counter[str]:
    rows = site.query("SELECT state, count(*) AS n FROM outgoing WHERE kind = 'letter' GROUP BY state")
    return Counter({row.state: row.n for row in rows})


def _states_of(site: Site, address: str) -> Counter[str]:
    rows = site.query(
        "SELECT state, count(*) AS n FROM outgoing WHERE kind = 'letter' AND recipient_key ="
        " (SELECT 'official:' || id FROM officials WHERE email = :address) GROUP BY state",
        address=address,
    )
    return Counter({row.state: row.n for row in rows})


def _wait_until_sent(site: Site, count: int, seconds: float) -> None:
    wait_until(lambda: len(site.query("SELECT 1 FROM outgoing WHERE state = 'sent'")) == count, seconds, "all")


def _seat_two_more(site: Site) -> None:
    for n in range(2):
        site.query(
            "INSERT INTO officials (slug, name, salutation, office, organisation, country, language, email,"
            " postal_address) VALUES (:slug, 'Minister', 'Dear', '', '', 'IT', 'en', :email, '')",
            slug=f"more-{n}",
            email=f"more-{n}@palazzo.example",
        )
        site.query(
            "INSERT INTO campaign_officials (campaign_id, official_id, position)"
            " SELECT c.id, o.id, :position FROM campaigns c, officials o WHERE c.slug = :slug AND o.slug = :official",
            position=10 + n,
            slug=SLUG,
            official=f"more-{n}",
        )
