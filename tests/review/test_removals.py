"""Signatures taken out by a rule: counted first, in batches, to be cancelled and put back, exact at every moment."""

from __future__ import annotations

import datetime as dt
import math
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from actionkit import db, jobs
from actionkit.campaigns.models import Campaign, CampaignOfficial
from actionkit.delivery.models import Outgoing
from actionkit.review import removals
from actionkit.review.models import Removal, RemovedSignature
from actionkit.review.removal_rules import Rule
from actionkit.signing import counting, operations
from actionkit.signing.counting import BY_RULE, BY_STAFF, WITHDRAWN_AFTER
from actionkit.signing.models import (
    CampaignCount,
    ConsentWithdrawal,
    CountBucket,
    Signature,
    SignatureState,
    Submission,
)
from actionkit.staff.models import AuditEntry, StaffRole
from tests.conftest import CONTENT
from tests.review.conftest import ReviewSite
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn, csrf_token
from tests.structure.page import Page
from tests.structure.test_pages_structure import check

REMOVALS = f"/staff/campaigns/{ITALY}/removals"
SIGNATURES = f"/staff/campaigns/{ITALY}/signatures"
OTHER = "kenya-petition"
NOON = dt.datetime(2026, 3, 29, 12, 20, tzinfo=dt.UTC)
only_sqlite = pytest.mark.one_database


class Desk:
    """A campaigner at the desk of a site, and the job that does what she asks for."""

    def __init__(self, site: Site, client: FlaskClient) -> None:
        self.site, self.client = site, client

    def post(self, path: str, **form: str) -> TestResponse:
        return self.client.post(path, data={"csrf_token": csrf_token(self.client), **form})

    def counted(self, **rule: str) -> str:
        """The path of a removal of this rule."""
        answer = self.post(REMOVALS, **rule)
        assert answer.status_code == 303, answer.text
        return answer.location

    def started(self, **rule: str) -> str:
        path = self.counted(**rule)
        assert self.post(f"{path}/start", reason="stuffed from one domain").status_code == 303
        return path

    def work(self, batches: int = 1_000) -> None:
        """What the job does, batch by batch."""
        with self.site.app.app_context():
            for _ in range(batches):
                db.reading()
                if (batch := removals.next_batch()) is None:
                    return
                db.writing()
                removals.work_off(batch)
                db.session.commit()

    def count(self) -> int:
        """Add up; the public number, once `recount` has found that all numbers are what the signatures say."""
        with self.site.app.app_context():
            while counting.add_up():
                pass
            db.session.commit()
        said = self.site.app.test_cli_runner().invoke(args=["recount"])
        assert said.stdout == "no difference\n", said.output
        return self.site.total()

    def removed(self) -> int:
        return self.site.one(CampaignCount, CampaignCount.campaign_id == self.site.campaign().id).removed

    def signatures(self) -> dict[int, tuple[Any, ...]]:
        """How each signature stands."""
        how = (Signature.state, Signature.state_reason, Signature.is_name_public, Signature.confirmed_at)
        return {row[0]: tuple(row[1:]) for row in self.rows(Signature.id, *how, Signature.submission_id)}

    def mails(self) -> dict[tuple[Any, ...], str]:
        """The state of each mail of the ledger."""
        rows = self.rows(Outgoing.kind, Outgoing.subject_id, Outgoing.recipient_key, Outgoing.state)
        return {(kind, subject_id, to): state for kind, subject_id, to, state in rows}

    def rows(self, *columns: Any) -> list[Any]:
        with self.site.app.app_context():
            db.reading()
            return list(db.session.execute(sa.select(*columns)))

    def buckets(self) -> dict[tuple[Any, ...], int]:
        return {(b.hour, b.country): b.signatures for b in self.site.stored(CountBucket) if b.signatures}

    def audited(self) -> list[str]:
        return [entry.action for entry in self.site.stored(AuditEntry) if "removal" in entry.action]


@pytest.fixture
def desk(site: ReviewSite, sign_in: SignIn) -> Desk:
    return Desk(site, sign_in(StaffRole.CAMPAIGNER, ITALY))


Fill = Callable[..., list[int]]


@pytest.fixture
def fill(site: ReviewSite) -> Fill:
    """Store many signatures of one kind at once, each as if it had been signed through the form; their ids."""
    wording = site.signed(OTHER).consent_wording_id
    campaign_id, officials = site.campaign().id, [f"official:{n}" for n in _officials(site)]

    def make(state: str, number: int, domain: str = "mail.stuffed.example", **values: Any) -> list[int]:
        is_confirmed = state == SignatureState.CONFIRMED
        stands = {name: value for name, value in values.items() if name in ("state_reason", "signed_at")}
        sent = {"name": "Ann Example", "country": "IT", "language": "en", "email": f"ann@{domain}"}
        sent |= {name: value for name, value in values.items() if name not in stands}
        with site.app.app_context():
            signatures = [
                {"public_id": db.new_public_id(), "campaign_id": campaign_id, "state": state, "signed_at": NOON}
                | {
                    "canonical_email": f"ann-{secrets.token_hex(6)}@{domain}",
                    "is_name_public": is_confirmed and n % 2 == 0,
                }
                | {
                    "confirmed_at": NOON + dt.timedelta(hours=n % 3) if is_confirmed else None,
                    "state_reason": "",
                    **stands,
                }
                for n in range(number)
            ]
            ids = list(db.session.scalars(_returning(Signature), signatures))
            for at, n_signed in Counter(each["signed_at"] for each in signatures).items():
                counting.leave_signed(campaign_id, at, n_signed)
            submissions = [
                {
                    "signature_id": id_,
                    "public_id": db.new_public_id(),
                    "consent_wording_id": wording,
                    "created_at": NOON,
                }
                | {"show_name": n % 2 == 0, **sent}
                for n, id_ in enumerate(ids)
            ]
            of_submissions = list(db.session.scalars(_returning(Submission), submissions))
            if is_confirmed:
                pairs = [{"id": i, "submission_id": j} for i, j in zip(ids, of_submissions, strict=True)]
                db.session.execute(sa.update(Signature), pairs)
                counting.leave_traces(
                    [
                        counting.Trace(
                            campaign_id, each["confirmed_at"], sent["country"], +1, language="en", source="web"
                        )
                        for each in signatures
                    ]
                )
                letter = {"kind": "letter", "group_key": f"campaign:{campaign_id}", "lane": "paced"}
                letters = [
                    {**letter, "subject_id": id_, "recipient_key": to, "public_id": db.new_public_id()}
                    | {"state": "sent" if n % 5 == 0 else "queued"}
                    for n, id_ in enumerate(ids)
                    for to in officials
                ]
                db.session.execute(sa.insert(Outgoing), letters)
            db.session.commit()
        return ids

    return make


def _returning(table: type[Signature] | type[Submission]) -> Any:
    return sa.insert(table).returning(table.id, sort_by_parameter_order=True)


def _officials(site: Site) -> list[int]:
    with site.app.app_context():
        seats = sa.select(CampaignOfficial.official_id).join(Campaign, Campaign.id == CampaignOfficial.campaign_id)
        return list(db.session.scalars(seats.where(Campaign.slug == ITALY)))


# ---------------------------------------------------------------- the whole way, with two thousand


def test_counted_cancelled_put_back_and_done(desk: Desk, fill: Fill) -> None:
    stuffed = set(fill("confirmed", 1_100))
    fill("pending", 300)
    fill("held", 100, state_reason="network on your list")
    fill("confirmed", 500, domain="stuffed.example")  # not below it
    site, total = desk.site, desk.count()
    assert total == 1_600
    before = (desk.signatures(), desk.mails(), desk.buckets())

    # Counting changes nothing.
    page = check(desk.client.get(f"{REMOVALS}/new?domain=*.stuffed.example&network=abc"))
    assert (page.value("domain"), page.value("network")) == ("*.stuffed.example", "abc")
    path = desk.counted(domain="*.Stuffed.example")
    page = check(desk.client.get(path))
    assert page.one("h1").words == "1,500 signatures match"
    said = page.of_class("removal-numbers")[0].words
    assert "1,100 confirmed, 300 not confirmed yet, 100 held for review." in said
    stopping = sum(
        state == "queued" for (kind, i, _to), state in before[1].items() if kind == "letter" and i in stuffed
    )
    assert stopping == 880 * 3
    assert f"{stopping:,} letters that have not left will stop." in said
    assert len(page.all("tr")) == 1 + 10
    assert desk.post(f"{path}/start", reason=" ").status_code == 422
    desk.work()
    assert (desk.signatures(), desk.mails()) == before[:2]

    # Two batches, and cancelled.
    assert desk.post(f"{path}/start", reason="stuffed from one domain").status_code == 303
    desk.work(batches=2)
    page = check(desk.client.get(path))
    assert "1,000 of 1,500 so far" in page.one("main").words
    assert page.one("progress")["value"] == "1000"
    assert desk.post(f"{path}/cancel").status_code == 303
    desk.work()
    assert (desk.count(), desk.removed()) == (600, 1_000)
    page = check(desk.client.get(path))
    assert "It was cancelled midway: 1,000 of 1,500 were taken out by then." in page.one("main").words
    now = desk.signatures()
    out = {i for i, (state, *_more) in now.items() if state == "invalidated"}
    assert len(out) == 1_000
    assert all(state in ("cancelled", "sent") for (_kind, i, _to), state in desk.mails().items() if i in out)
    assert not any(is_public for i, (_state, _why, is_public, *_more) in now.items() if i in out)
    assert all(now[i] == how for i, how in before[0].items() if i not in out)

    # Put back: everything is as it was, and nothing is there twice.
    assert desk.post(f"{path}/undo").status_code == 303
    desk.work()
    assert (desk.count(), desk.removed()) == (1_600, 0)
    assert (desk.signatures(), desk.mails(), desk.buckets()) == before
    assert site.stored(RemovedSignature) == []
    assert desk.post(f"{path}/undo").status_code == 303, "a second press says that nothing was changed"
    desk.work()

    # Once more, to the end; the public is told where the campaign says so.
    again = desk.started(domain="mail.stuffed.example")
    with site.app.app_context():
        assert jobs.remove(site.app.extensions["delivery_worker"], math.inf) == 1_500
    assert (desk.count(), desk.removed()) == (500, 1_100)
    check(desk.client.get(again))
    assert "removed after review" not in site.client.get(f"/campaigns/{ITALY}").text
    site.change(Campaign, shows_removed=True)
    page = Page(site.client.get(f"/campaigns/{ITALY}").text)
    assert page.of_class("removed")[0].words == "1,100 signatures were removed after review."
    listed = check(desk.client.get(REMOVALS))
    assert [row.words for row in listed.of_class("state")] == ["taken out", "put back"]

    with site.app.app_context():
        db.session.execute(sa.update(CampaignCount).values(removed=7))
        db.session.commit()
    repaired = site.app.test_cli_runner().invoke(args=["recount"]).stdout
    assert "removed: stored 7, counted 1100; repaired" in repaired
    assert (desk.count(), desk.removed()) == (500, 1_100)


def test_two_jobs_beside_confirming_and_withdrawing(desk: Desk, fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes first, every signature is counted right, moved once, and its owner's wish holds for good."""
    site = desk.site
    monkeypatch.setattr(removals, "BATCH", 40)
    fill("confirmed", 300)
    fill("pending", 300)
    desk.count()
    by_state = {state: site.stored(Signature, Signature.state == state) for state in ("confirmed", "pending")}
    italy = [s for s in by_state["pending"] if s.campaign_id == site.campaign().id]
    sent = {s.signature_id: s for s in site.stored(Submission)}
    # Of each kind some before, some beside and some after the job's own ids.
    confirms = [site.confirm_path(sent[s.id]) for s in italy[::15]]
    withdraws = [site.withdraw_path(s) for s in by_state["confirmed"][::15]]
    refuses = [site.confirm_path(sent[s.id]) for s in by_state["confirmed"][3::15]]

    def at_once(*posts: list[tuple[str, dict[str, str]]]) -> None:
        faults: list[BaseException] = []

        def run(work: Callable[[], None]) -> None:
            try:
                work()
            except BaseException as fault:
                faults.append(fault)

        def send(each: list[tuple[str, dict[str, str]]]) -> None:
            client = site.app.test_client()
            for path, form in each:
                assert client.post(path, data=form).status_code in (200, 410), path

        works: list[Callable[[], None]] = [desk.work, desk.work, *(lambda each=each: send(each) for each in posts)]
        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faults == []

    path = desk.started(domain="mail.stuffed.example")
    half = len(withdraws) // 2
    at_once(
        [(p, {}) for p in confirms],
        [(p, {}) for p in withdraws[:half]],
        [(p, {"decision": "refuse"}) for p in refuses[:half]],
    )
    removal = site.one(Removal)
    out = site.stored(
        Signature, Signature.state == "invalidated", Signature.state_reason != operations.REFUSED_BY_OWNER
    )
    assert removal.state == "done"
    assert removal.removed == len(site.stored(RemovedSignature))
    assert {s.state_reason for s in out} <= {BY_RULE, WITHDRAWN_AFTER}
    assert desk.count() == 0, "who confirmed meanwhile was taken out too"
    assert not any(state == "queued" for (kind, *_more), state in desk.mails().items() if kind == "letter")

    assert desk.post(f"{path}/undo").status_code == 303
    at_once([(p, {}) for p in withdraws[half:]])
    removal = site.one(Removal)
    assert (removal.state, site.one(Removal).removed - removal.restored) == (
        "undone",
        len(site.stored(RemovedSignature)),
    )
    count = desk.count()
    states = Counter(s.state for s in site.stored(Signature, Signature.campaign_id == site.campaign().id))
    assert count == states["confirmed"]
    gone = {s.id for s in by_state["confirmed"][::15]}
    for signature in site.stored(Signature, Signature.id.in_(gone)):
        assert signature.state != "confirmed", "she withdrew it"
    # Of those that refused, some came too late to be asked: their signature was out already, with no button.
    assert desk.removed() == len([s for s in site.stored(Signature) if s.state_reason == WITHDRAWN_AFTER])
    letters = Counter(i for kind, i, _to in desk.mails() if kind == "letter")
    confirmed = {s.id for s in site.stored(Signature, Signature.state == "confirmed")}
    assert {letters[i] for i in confirmed} == {3}
    assert all(state in ("queued", "sent") for (kind, i, _to), state in desk.mails().items() if i in confirmed)


def test_a_job_that_dies_has_done_nothing_and_goes_on(desk: Desk, fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removals, "BATCH", 20)
    fill("confirmed", 70)
    desk.count()
    path = desk.started(domain="mail.stuffed.example")
    with desk.site.app.app_context():
        db.reading()
        batch = removals.next_batch()
        assert batch is not None
        db.writing()
        assert removals.work_off(batch) == 20
        db.session.rollback()
        assert desk.count() == 70
        for moved in (20, 0):  # and what was found is done once, however often it is tried
            db.writing()
            assert removals.work_off(batch) == moved
            db.session.commit()
    desk.work(batches=1)
    assert (reached := desk.site.one(Removal).position) > batch.up_to
    with desk.site.app.app_context():
        assert removals.work_off(batch) == 0, "another worker has been at it and further"
        db.session.commit()
    assert desk.site.one(Removal).position == reached
    assert desk.post(f"{path}/cancel").status_code == 303
    assert desk.post(f"{path}/undo").status_code == 303
    with desk.site.app.app_context():
        db.writing()
        assert removals.work_off(batch) == 0, "it was found before she cancelled"
    desk.work()
    assert (desk.count(), desk.removed()) == (70, 0)
    assert desk.audited() == [
        *("count-removal", "start-removal", "cancel-removal", "undo-removal"),
        "removal-undone",
    ]


# ---------------------------------------------------------------- rules


RULES: list[tuple[Rule, str]] = [
    (Rule(domain="mail.stuffed.example"), "abcdefg"),
    (Rule(domain="*.example"), "abcdefgh"),
    (Rule(domain="*.stuffed.example"), "abcdefg"),
    (Rule(domain="xn--bcher-kva.example"), "h"),
    (Rule(domain="m??l.stuffed.example"), "abcdefg"),
    (Rule(domain="m?l.stuffed.example"), ""),
    (Rule(name="100%"), "b"),
    (Rule(name="_", domain="*.example"), "b"),
    (Rule(name="aNN"), "acdefgh"),
    (Rule(comment="buy now"), "c"),
    (Rule(country="FR"), "d"),
    (Rule(network="0f" * 16), "e"),
    (Rule(reason="throw-away address"), "f"),
    (Rule(domain="*.example", state="pending"), "eh"),
    (Rule(signed_from=NOON + dt.timedelta(hours=1)), "g"),
    (Rule(signed_before=NOON + dt.timedelta(hours=1), country="IT", domain="*.example"), "abcefh"),
    (Rule(signed_from=NOON, signed_before=NOON), ""),
]


def test_what_a_rule_matches(site: ReviewSite, fill: Fill) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "a": {},
        "b": {"name": "Bob_100%"},
        "c": {"comment": "Buy Now, buy more"},
        "d": {"country": "FR"},
        "e": {"state": "pending", "network": "0f" * 16},
        "f": {"state": "held", "state_reason": "throw-away address"},
        "g": {"signed_at": NOON + dt.timedelta(hours=1)},
        "h": {"state": "pending", "domain": "xn--bcher-kva.example"},
        "i": {"state": "withdrawn"},
        "j": {"state": "expired"},
    }
    for mark, kind in kinds.items():
        fill(**{"state": "confirmed", "number": 1, "postcode": mark, "domain": "mail.stuffed.example", **kind})
    campaign_id = site.campaign().id
    with site.app.app_context():
        db.reading()
        for rule, matches in RULES:
            found = removals.count(campaign_id, Rule.of({**rule.stored(), "found": {}}))
            marks = db.session.scalars(sa.select(Submission.postcode).where(Submission.signature_id.in_(found.sample)))
            assert "".join(sorted(marks)) == matches, rule
            assert found.total == len(matches), rule


def test_the_form_says_what_is_wrong(desk: Desk, fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    fill("held", 3, state_reason="throw-away address", name="Bob O'Hara")
    for form, field, sentence in (
        ({}, "domain", "by more than their state"),
        ({"state": "held"}, "domain", "by more than their state"),
        ({"domain": "ann@example.org"}, "domain", "This is an address."),
        ({"domain": "*"}, "domain", "every address"),
        ({"signed_from": "yesterday"}, "signed_from", "not a day"),
        ({"signed_from": "2026-03-29T12:00", "signed_before": "2026-03-29T11:00"}, "signed_before", "before the other"),
        ({"name": "x" * 201}, "name", "too long"),
        ({"comment": "a\x00b"}, "comment", "nobody can have typed"),
        ({"name": "nobody at all"}, "domain", "No signature matches"),
    ):
        answer = desk.post(REMOVALS, **form)
        assert answer.status_code == 422, form
        page = check(answer)
        assert sentence in page.one("small", id=f"{field}-error").words
        for name, value in form.items():
            assert page.value(name).strip("\x00") == value.strip("\x00") or "\x00" in value
    assert desk.site.stored(Removal) == []
    # An earlier rule can be taken up again, without its words in any address.
    path = desk.counted(name="o'hara", reason="throw-away address", signed_from="2026-03-29T12:00")
    page = check(desk.client.get(f"{REMOVALS}/new?like={desk.site.one(Removal).public_id}"))
    assert page.value("name") == "o'hara"
    assert page.value("reason") == "throw-away address"
    assert page.value("signed_from") == "2026-03-29T12:00"
    assert "hara" not in path
    monkeypatch.setattr(removals, "COUNT_SECONDS", -1.0)
    assert "too long to count" in desk.post(REMOVALS, name="o'hara").text
    desk.site.change(Removal, created_at=db.now() - dt.timedelta(days=8))
    with desk.site.app.app_context():
        jobs.forget(desk.site.app.extensions["delivery_worker"])
    assert desk.site.stored(Removal) == [], "what was never started is forgotten: it may name somebody"


def test_who_signs_after_the_count_is_not_touched_and_who_changed_is_looked_at_again(desk: Desk, fill: Fill) -> None:
    (first, second, third) = fill("pending", 3, name="Spam Bot")
    desk.started(name="spam bot")
    (later,) = fill("pending", 1, name="Spam Bot")
    site = desk.site
    with site.app.app_context():
        db.reading()
        batch = removals.next_batch()
        assert batch is not None
        assert batch.signature_ids == [first, second, third]
    # Between the look and the deed: one is confirmed under her own name, which counts from then on.
    site.signed(email="ann@example.org")
    mine = site.stored(Submission)[-1]
    site.change(Submission, Submission.id == mine.id, signature_id=second)
    assert site.client.post(site.confirm_path(mine)).status_code == 200
    with site.app.app_context():
        removals.work_off(batch)
        db.session.commit()
    states = {s.id: s.state for s in site.stored(Signature)}
    assert {i: states[i] for i in (first, second, third, later)} == {
        first: "invalidated",
        second: "confirmed",
        third: "invalidated",
        later: "pending",
    }
    assert (site.one(Removal).state, site.one(Removal).removed) == ("done", 2)


# ---------------------------------------------------------------- letters, and single signatures


def test_no_letter_that_may_have_left_leaves_again(desk: Desk, fill: Fill) -> None:
    (signature,) = fill("confirmed", 2)[1:]
    letters = desk.site.stored(Outgoing, Outgoing.kind == "letter", Outgoing.subject_id == signature)
    # One is in a sender's hands; another fell silent, and was stopped when its second try was due.
    desk.site.change(Outgoing, Outgoing.id == letters[0].id, state="sending")
    desk.site.change(Outgoing, Outgoing.id == letters[1].id, state="cancelled", is_maybe_twice=True)
    path = desk.started(domain="mail.stuffed.example")
    desk.work()
    desk.site.change(Outgoing, Outgoing.id == letters[0].id, state="sent")
    desk.post(f"{path}/undo")
    desk.work()
    states = [letter.state for letter in desk.site.stored(Outgoing, Outgoing.subject_id == signature)]
    assert states == ["sent", "cancelled", "queued"]


def test_a_pending_one_that_is_put_back_still_gets_its_mail(desk: Desk) -> None:
    site = desk.site
    site.signed(email="ann@stuffed.example")
    path = desk.started(domain="stuffed.example")
    desk.work()
    site.drain()
    assert (site.state(), site.links()) == ("invalidated", [])
    desk.post(f"{path}/undo")
    desk.work()
    site.drain()
    (link,) = site.links()
    assert site.client.post(link).status_code == 200
    assert (site.state(), desk.count()) == ("confirmed", 1)


def test_one_signature_is_put_back(desk: Desk, fill: Fill) -> None:
    site = desk.site
    by_rule = fill("confirmed", 2)
    (held, bare) = fill("held", 2, domain="example.org", state_reason="no proof of work")
    desk.count()
    before = desk.signatures()
    path = desk.started(domain="mail.stuffed.example")
    desk.work()
    public = {s.id: s.public_id for s in site.stored(Signature)}
    for id_ in (held, bare):
        assert desk.post(f"{SIGNATURES}/{public[id_]}/refuse").status_code == 303
    site.change(Signature, Signature.id == bare, state_reason=operations.REFUSED_BY_OWNER)
    page = Page(desk.client.get(f"{SIGNATURES}?state=invalidated").text)
    buttons = [form["action"] for form in page.all("form") if form["action"].endswith("/put-back")]
    assert sorted(buttons) == sorted(f"{SIGNATURES}/{public[i]}/put-back" for i in (*by_rule, held))
    for id_ in (by_rule[0], held, bare, by_rule[0]):
        assert desk.post(f"{SIGNATURES}/{public[id_]}/put-back").status_code == 303
    now = desk.signatures()
    assert now[by_rule[0]] == before[by_rule[0]]
    assert now[held][:2] == ("held", "put back by staff")
    assert now[bare][0] == now[by_rule[1]][0] == "invalidated"
    assert (desk.count(), desk.removed()) == (1, 1)
    # The removal knows; another one that takes it out again is the one that can put it back.
    again = desk.started(domain="mail.stuffed.example")
    desk.work()
    assert (desk.count(), desk.removed()) == (0, 2)
    desk.post(f"{path}/undo")
    desk.work()
    assert [removal.restored for removal in site.stored(Removal)] == [2, 0]
    assert (desk.count(), desk.removed()) == (1, 1)
    desk.post(f"{again}/undo")
    desk.work()
    assert (desk.count(), desk.removed()) == (2, 0)
    assert desk.signatures() == before | {held: now[held], bare: now[bare]}


def test_its_owner_has_the_last_word(desk: Desk, fill: Fill) -> None:
    """What she withdraws or refuses while it is out stays out, whatever staff do."""
    site = desk.site
    (withdrawn, refused, unconfirmed) = (*fill("confirmed", 2), *fill("pending", 1))
    desk.count()
    stale = {s.id: s for s in site.stored(Signature)}  # as a page had them that was opened before
    sent = {s.signature_id: s for s in site.stored(Submission)}
    path = desk.started(domain="mail.stuffed.example")
    desk.work()
    assert site.client.post(site.withdraw_path(stale[withdrawn])).status_code == 200
    assert site.client.post(site.confirm_path(sent[unconfirmed])).status_code == 410
    with site.app.app_context():
        operations.refuse(operations.Signed(sent[refused], stale[refused], site.campaign()))
        assert not operations.withdraw(stale[withdrawn]), "once is enough"
        db.session.commit()
    assert [w.signature_id for w in site.stored(ConsentWithdrawal)] == [withdrawn]
    assert (desk.count(), desk.removed()) == (0, 1), "who says that it was not hers is not one that staff removed"
    desk.post(f"{path}/undo")
    desk.work()
    assert (desk.count(), desk.removed(), site.one(Removal).restored) == (0, 1, 1)
    now = {i: how[:2] for i, how in desk.signatures().items()}
    assert now[withdrawn] == ("invalidated", WITHDRAWN_AFTER)
    assert now[refused] == ("invalidated", operations.REFUSED_BY_OWNER)
    assert now[unconfirmed] == ("pending", "")
    page = Page(desk.client.get(path).text)
    assert "2 were left out: their owners refused or withdrew them" in page.one("main").words
    assert desk.post(f"{SIGNATURES}/{stale[withdrawn].public_id}/put-back").status_code == 303
    assert desk.signatures()[withdrawn][0] == "invalidated"


def test_staff_take_out_one_that_was_confirmed(site: ReviewSite) -> None:
    """No page does this yet; the numbers know it."""
    site.confirmed()
    with site.app.app_context():
        assert operations.take_out(db.session.scalars(sa.select(Signature)).one())
        db.session.commit()
    desk = Desk(site, site.client)
    assert (desk.count(), desk.removed(), site.one(Signature).state_reason) == (0, 1, BY_STAFF)
    with site.app.app_context():
        assert removals.put_back_one(db.session.scalars(sa.select(Signature)).one())
        db.session.commit()
    assert (desk.count(), desk.removed(), site.state()) == (1, 0, "confirmed")


@only_sqlite
def test_a_campaign_says_in_its_file_whether_the_number_is_shown(site: ReviewSite, tmp_path: Path) -> None:
    shutil.copytree(CONTENT, tmp_path / "content")
    file = tmp_path / "content" / "campaigns" / f"{ITALY}.md"
    for value, expected in (("true", True), ("false", False), ("no", False), ("", False)):
        text = (CONTENT / "campaigns" / file.name).read_text("utf-8")
        file.write_text(text.replace("---\n", f"---\nshows_removed: {value}\n", 1), "utf-8")
        said = site.app.test_cli_runner().invoke(args=["content", "load", str(tmp_path / "content")])
        assert said.exit_code == 0, said.output
        assert site.campaign().shows_removed is expected


# ---------------------------------------------------------------- who


@only_sqlite
def test_only_who_may_act_on_this_campaign(desk: Desk, fill: Fill, sign_in: SignIn) -> None:
    fill("confirmed", 2, name="Bob Secret")
    path = desk.counted(name="bob secret")
    for role, slug, expected in ((StaffRole.VIEWER, ITALY, 403), (StaffRole.CAMPAIGNER, "india-water", 404)):
        other = Desk(desk.site, sign_in(role, slug, OTHER))
        assert {other.client.get(page).status_code for page in (path, REMOVALS, f"{REMOVALS}/new")} == {expected}
        assert other.post(REMOVALS, name="bob").status_code == expected
        for step in ("start", "cancel", "undo"):
            assert other.post(f"{path}/{step}", reason="because").status_code == expected
        own = f"/staff/campaigns/{slug}/signatures"
        assert ("removals" in other.client.get(own).text) == (role is StaffRole.CAMPAIGNER)
        assert other.client.get(path.replace(ITALY, OTHER)).status_code == expected
    assert desk.post(f"{path}/start", reason="because").status_code == 303
    for step in ("start", "undo"):
        assert desk.post(f"{path}/{step}", reason="because").status_code == 303, "it says that nothing was changed"
    desk.work()
    assert desk.site.one(Removal).state == "done"
    assert desk.audited() == ["count-removal", "start-removal", "removal-done"]
    said = " ".join(str(entry.detail) for entry in desk.site.stored(AuditEntry))
    assert "because" not in said, "free words stay with the removal"
    assert "'criteria': ['name']" in said
    assert "bob" not in said.lower(), "what a rule looks for may be a supporter's"
