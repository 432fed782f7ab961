"""The same thing sent more than once: by one person who is impatient, or by many at one moment."""

from __future__ import annotations

import json
import time

from tests.faults.rig import Round, Scale, at_once
from tests.faults.signers import Answer, post_sign
from tests.faults.site import SLUG, Site, form
from tests.journeys.product import wait_until

DOUBLE_CLICK_SECONDS = 0.05
SETTLE_SECONDS = 1.5
"""More than a turn of the worker: a second mail would have come."""


def double_click(round_: Round) -> None:
    """F24. 2 to 20 identical posts within 50 ms, 200 times.

    D = 0, every answer is the same page, and each person gets one confirmation.
    """
    rounds = round_.scale.pick(8, 200)
    with round_.running() as site:
        people = [f"double-{n}@example.org" for n in range(rounds)]
        in_time = 0
        for n, email in enumerate(people):
            times = 2 + n * 18 // max(rounds - 1, 1)
            answers, spread = _post_at_once(site, [form(email)] * times)
            in_time += spread <= DOUBLE_CLICK_SECONDS
            _are_one_answer(round_, answers)
        round_.injected(in_time, "double clicks within 50 ms")
        round_.expect(in_time >= rounds * 0.8, f"only {in_time} of {rounds} were within 50 ms")
        _one_each(round_, site, people)
        round_.green_again(site)


def same_person(round_: Round) -> None:
    """F25. The same person from 20 clients at once, with spellings that differ by case and IDN form.

    D = 0, one mail, no 500.
    """
    persons = round_.scale.pick(2, 20)
    with round_.running() as site:
        people = [f"ann{n}@xn--bcher-kva.example" for n in range(persons)]
        for n in range(persons):
            spellings = _spellings(n)
            answers, _spread = _post_at_once(site, [form(spellings[i % len(spellings)]) for i in range(20)])
            _are_one_answer(round_, answers)
            round_.measured["spellings"] = len(set(spellings))
        round_.injected(persons, "persons from 20 clients")
        _one_each(round_, site, people)
        round_.green_again(site)


def _spellings(n: int) -> list[str]:
    """One address in upper and lower case, with its domain in Unicode (composed or not) and as an A-label."""
    domains = ("bücher.example", "BÜCHER.example", "bu\N{COMBINING DIAERESIS}cher.example", "xn--bcher-kva.example")
    return [f"{local}{n}@{domain}" for local in ("ann", "Ann", "ANN") for domain in domains]


def _post_at_once(site: Site, forms: list[dict[str, str]]) -> tuple[list[Answer], float]:
    return at_once([lambda fields=fields: post_sign(site, fields) for fields in forms])  # type: ignore[misc]


def _are_one_answer(round_: Round, answers: list[Answer]) -> None:
    seen = {(answer.status, answer.location) for answer in answers}
    round_.expect(seen == {(303, f"/campaigns/{SLUG}/thanks")}, f"answers differ: {sorted(seen)}")


def _one_each(round_: Round, site: Site, people: list[str]) -> None:
    """One signature and one mail for each of these people."""
    stored = site.people()
    round_.lost += sum(stored[email] == 0 for email in people)
    round_.twins += sum(max(n - 1, 0) for email, n in stored.items() if email in people)
    wait_until(lambda: all(_mails(site, email) for email in people), 60, "a mail for each")
    time.sleep(SETTLE_SECONDS)
    mails = [_mails(site, email) for email in people]
    round_.measured["mails"] = sum(mails)
    round_.twins += sum(n - 1 for n in mails)


def _mails(site: Site, canonical: str) -> int:
    """Mails to an address, however it is spelled in the envelope."""
    return sum(_canonical(mail.rcpt) == canonical for mail in list(site.sink.received))


def _canonical(address: str) -> str:
    local, _at, domain = address.rpartition("@")
    return f"{local.casefold()}@{domain.casefold().encode('idna').decode()}"


def confirm_twice(round_: Round) -> None:
    """F27. The confirming post twice, and 20 times at once.

    Counted once; each later answer is a 200 that says "already confirmed, thank you".
    """
    persons = round_.scale.pick(2, 20)
    with round_.running() as site:
        before = site.confirmed()
        people = [f"again-{n}@example.org" for n in range(2 * persons)]
        for email in people:
            round_.expect(site.sign(email) == 303, "signing was refused")
        paths = [site.link_of(email) for email in people]
        for path in paths[:persons]:
            _says(round_, [site.post(path), site.post(path)])
        for path in paths[persons:]:
            answers, _spread = at_once([lambda path=path: site.post(path) for _ in range(20)])  # type: ignore[misc]
            _says(round_, answers)
        round_.injected(len(paths), "links posted more than once")
        confirmed = site.confirmed()
        round_.expect(confirmed == before + len(people), f"{confirmed - before} of {len(people)} are confirmed")
        wait_until(lambda: _counted(site) >= confirmed, 30, "the count")
        time.sleep(SETTLE_SECONDS)
        round_.twins += _counted(site) - confirmed
        round_.measured["confirmed"] = confirmed - before
        if round_.scale is Scale.WHOLE:
            round_.expect(site.command("recount") == "no difference\n", "the count differs from the signatures")
        round_.green_again(site)


def _counted(site: Site) -> int:
    """What the campaign says of itself."""
    return int(json.loads(site.get(f"/campaigns/{SLUG}/count.json")[2])["signatures"])


def _says(round_: Round, answers: list[tuple[int, dict[str, str], str]]) -> None:
    """One answer thanks, and all the others say that it was done before."""
    statuses = {status for status, _headers, _page in answers}
    already = sum("already confirmed, thank you" in page for _status, _headers, page in answers)
    round_.expect(statuses == {200}, f"confirming was answered with {sorted(statuses)}")
    round_.expect(already == len(answers) - 1, f"{already} of {len(answers)} answers say that it was done before")
