"""What happens to a signature after it was signed: its states and their moves, reminders, expiry, deletion."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from itertools import count, product

import pytest
import sqlalchemy as sa

from actionkit import db, jobs
from actionkit.campaigns.models import Campaign, CampaignState
from actionkit.delivery.models import Outgoing, OutgoingAttempt
from actionkit.errors import ActionError
from actionkit.exports import signatures_csv
from actionkit.screening.judge import Verdict
from actionkit.signing import consent, counting, lifecycle, operations, search, taking_out
from actionkit.signing.lifecycle import REMINDER
from actionkit.signing.models import MailAllowance, Purpose, Signature, SignatureState, Submission
from actionkit.signing.operations import CONFIRMATION
from tests.conftest import MakeApp
from tests.signing.clock import Clock
from tests.signing.site import ITALY, Site, text_of
from tests.structure.page import Page
from tests.structure.test_pages_structure import check

ANN = "ann@example.org"
HELD = "many signatures from one network"

only_sqlite = pytest.mark.one_database


def states(site: Site) -> list[str]:
    return [signature.state for signature in site.stored(Signature)]


def mails_about(site: Site, kind: str) -> list[str]:
    return [mail.state for mail in site.stored(Outgoing, Outgoing.kind == kind)]


# ---------------------------------------------------------------- the picture, move by move

ALL = [str(state) for state in SignatureState]

MOVES: dict[str, dict[str, str]] = {
    # What is not named here stays as it is.
    "signs again": {"expired": "pending"},
    "signs again, over a limit": {"expired": "held"},
    "confirms": {"pending": "confirmed"},
    "confirms what was sent after the withdrawal": {"pending": "confirmed", "withdrawn": "confirmed"},
    "asks for a new link": {"expired": "pending"},
    "did not sign this": {"pending": "invalidated", "held": "invalidated", "confirmed": "invalidated"},
    "did not sign what was sent after the withdrawal": dict.fromkeys(
        ["pending", "held", "confirmed", "withdrawn"], "invalidated"
    ),
    "withdraws": {"confirmed": "withdrawn", "held": "withdrawn"},
    "staff release it": {"held": "pending"},
    "staff take it out": dict.fromkeys(ALL, "invalidated"),
    "a rule takes it out": {"pending": "invalidated", "held": "invalidated", "confirmed": "invalidated"},
    "staff put it back": {"invalidated": "held"},
    "seven days pass": {"pending": "expired"},
    "a day passes": {},
}


class Moves:
    """Each move, as its caller does it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.numbers = count()
        italy = site.campaign()
        self.campaign_id = italy.id

    def signed(self, state: str) -> Signature:
        """A signature in a state, signed and mailed about an hour ago."""
        address = f"p{next(self.numbers)}@example.org"
        hour_ago = db.now() - dt.timedelta(hours=1)
        self._sign(address)
        was_confirmed = state in ("confirmed", "withdrawn")
        values = {
            "state": state,
            "state_reason": counting.BY_STAFF if state == "invalidated" else "",
            "signed_at": hour_ago,
            "mailed_at": hour_ago,
            "confirmed_at": hour_ago if was_confirmed else None,
            "withdrawn_at": db.now() if state == "withdrawn" else None,
        }
        signature = db.session.scalars(sa.select(Signature).where(Signature.canonical_email == address)).one()
        submission_id = self.submissions(signature)[0].id
        values["submission_id"] = submission_id if was_confirmed else None
        db.session.execute(sa.update(Signature).where(Signature.id == signature.id).values(values))
        db.session.execute(sa.update(Outgoing).values(state="sent", first_tried_at=hour_ago))
        db.session.commit()
        db.session.expire_all()
        return signature

    def submissions(self, signature: Signature) -> list[Submission]:
        mine = sa.select(Submission).where(Submission.signature_id == signature.id).order_by(Submission.id)
        return list(db.session.scalars(mine))

    def found(self, submission: Submission) -> operations.Signed:
        found = operations.find_submission(Submission.id == submission.id)
        assert found is not None
        return found

    def _sign(self, address: str, held_because: str = "") -> None:
        campaign = db.session.get_one(Campaign, self.campaign_id)
        with self.site.app.test_request_context():
            words = consent.wording_id(Purpose.SIGN, "I agree.")
        form = operations.Signing(
            *("Ann", address, "IT", "", "", ""),
            show_name=False,
            updates=False,
            language="en",
            letter_version_id=None,
            consent_wording_id=words,
            updates_wording_id=None,
        )
        operations.sign(campaign, form, address, held_because)

    def _answer(self, submission: Submission, what: Callable[[operations.Signed], object]) -> None:
        """Press a button of the page behind a link that was mailed just now."""
        signed = self.found(submission)
        operations.refuse_if_too_late(signed, db.now())
        what(signed)

    def _later(self, days: float, signature: Signature) -> None:
        """As if the mail had left so long ago; then the job."""
        before = db.now() - dt.timedelta(days=days, seconds=1)
        db.session.execute(sa.update(Signature).where(Signature.id == signature.id).values(mailed_at=before))
        db.session.execute(sa.update(Outgoing).values(first_tried_at=before))
        campaign = db.session.get_one(Campaign, self.campaign_id)
        lifecycle.expire(campaign, [signature.id])

    def make(self, move: str, signature: Signature) -> None:
        first = self.submissions(signature)[0]
        address = signature.canonical_email
        what: dict[str, Callable[[], object]] = {
            "signs again": lambda: self._sign(address),
            "signs again, over a limit": lambda: self._sign(address, HELD),
            "confirms": lambda: self._answer(first, operations.confirm),
            "confirms what was sent after the withdrawal": lambda: self._answer(
                self.newer(signature), operations.confirm
            ),
            "asks for a new link": lambda: lifecycle.send_new_link(self.found(first)),
            "did not sign this": lambda: self._answer(first, operations.refuse),
            "did not sign what was sent after the withdrawal": lambda: self._answer(
                self.newer(signature), operations.refuse
            ),
            "withdraws": lambda: operations.withdraw(signature),
            "staff release it": lambda: operations.release(signature),
            "staff take it out": lambda: operations.take_out(signature),
            "a rule takes it out": lambda: taking_out.take_out([signature.id], counting.BY_RULE),
            "staff put it back": lambda: taking_out.put_back_one(signature),
            "seven days pass": lambda: self._later(7, signature),
            "a day passes": lambda: self._later(1, signature),
        }
        what[move]()

    def newer(self, signature: Signature) -> Submission:
        """One more submission, as another form would have left it."""
        first = self.submissions(signature)[0]
        copied = {
            c.key: getattr(first, c.key) for c in sa.inspect(Submission).columns if c.key not in ("id", "public_id")
        }
        newer = Submission(**copied | {"created_at": db.now()})
        db.session.add(newer)
        db.session.flush()
        return newer


def test_each_move_from_each_state(site: Site) -> None:
    """The table of docs/signatures.md, and nothing else."""
    ended: dict[str, dict[str, str]] = {move: {} for move in MOVES}
    with site.app.app_context():
        moves = Moves(site)
        for move, state in product(MOVES, ALL):
            signature = moves.signed(state)
            try:
                moves.make(move, signature)
                db.session.commit()
            except ActionError:
                db.session.rollback()
            now = db.session.scalars(sa.select(Signature.state).where(Signature.id == signature.id)).one()
            if now != state:
                ended[move][state] = now
    expected = {move: {a: b for a, b in moved.items() if a != b} for move, moved in MOVES.items()}
    assert ended == expected


# ---------------------------------------------------------------- expiry


def test_it_expires_when_its_last_link_has_run_out(site: Site, clock: Clock) -> None:
    site.sign(email=ANN)
    site.drain()
    (path,) = site.links()
    site.change(Signature, reminders=2)
    clock.pass_by(days=6, hours=23, minutes=59)
    site.drain()
    assert site.state() == "pending"
    assert site.client.get(path).status_code == 200
    clock.pass_by(minutes=2)
    assert site.drain()["expired"] == 1
    assert site.state() == "expired"
    for answer in (site.client.get(path), site.client.post(path), site.client.post(path, data={"decision": "refuse"})):
        assert answer.status_code == 410
        assert answer.headers["Cache-Control"] == "no-store"
        page = check(answer)
        assert page.one("form")["action"] == f"{path}/new-link"
    assert site.state() == "expired"


@only_sqlite
def test_a_mail_that_waited_for_its_relay_leaves_a_week_from_when_it_left(site: Site, clock: Clock) -> None:
    site.sign(email=ANN)
    site.change(Outgoing, not_before=db.now() + dt.timedelta(days=8))
    clock.pass_by(days=7, hours=1)
    site.drain()
    assert site.state() == "pending", "its mail has not left yet"
    clock.pass_by(days=1)
    site.drain()
    clock.pass_by(days=6)
    site.drain()
    assert site.state() == "pending"
    assert site.client.get(site.links()[0]).status_code == 200
    clock.pass_by(days=1, hours=1)
    site.drain()
    assert site.state() == "expired"


def test_a_new_link_is_sent_for_one_that_has_run_out(site: Site, clock: Clock) -> None:
    site.sign(email=ANN, lang="it")
    site.drain()
    (old,) = site.links()
    clock.pass_by(days=8)
    site.drain()
    assert Page(site.client.get(old).text).one("html")["lang"] == "it"
    answers = [site.client.post(f"{old}/new-link") for _thrice in range(3)]
    assert {(a.status_code, a.location, a.data) for a in answers} == {
        (303, f"/campaigns/{ITALY}/thanks?lang=it", answers[0].data)
    }
    assert site.state() == "pending"
    assert len(site.confirmations()) == 2, "ten minutes lie between two mails"
    site.drain()
    new = site.links()[-1]
    assert site.client.get(old).status_code == 410
    assert site.client.post(new).status_code == 200
    assert site.state() == "confirmed"
    assert site.client.post(f"{old}/new-link").location == f"{old}"
    assert site.client.post("/confirm/forged/new-link").status_code == 404
    assert site.client.post(f"/confirm/{site.token('confirm', 'f' * 32)}/new-link").status_code == 410


@only_sqlite
def test_new_links_keep_to_three_mails_a_day_and_to_what_can_be_confirmed(site: Site, clock: Clock) -> None:
    submission = site.signed(email=ANN)
    clock.pass_by(days=8)
    site.drain()
    path = f"{site.confirm_path(submission, db.now() - dt.timedelta(days=8))}/new-link"
    for _time in range(5):
        site.ten_minutes_later()
        assert site.client.post(path).status_code == 303
    assert len(site.confirmations()) == 1 + 3
    site.change(Signature, state=SignatureState.HELD)
    clock.pass_by(days=2)
    assert site.client.post(path).status_code == 303, "who is held is not told so"
    assert len(site.confirmations()) == 1 + 3
    site.change(Signature, state=SignatureState.EXPIRED)
    site.change(Campaign, state=CampaignState.CLOSED, closed_at=db.now() - dt.timedelta(hours=25))
    over = site.client.post(path)
    assert over.status_code == 410
    assert Page(over.text).all("form") == [], "no button that leads nowhere"


@only_sqlite
@pytest.mark.parametrize("held_because", ["", HELD])
def test_signing_again_revives_an_expired_one(
    site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch, held_because: str
) -> None:
    site.signed(email=ANN, name="Old")
    site.drain()
    clock.pass_by(days=8)
    site.drain()
    monkeypatch.setattr("actionkit.signing.views.judge", lambda *_args: Verdict(held_because, ""))
    second = site.signed(email=ANN, name="New")
    signature = site.one(Signature)
    assert (signature.state, signature.state_reason) == ("held" if held_because else "pending", held_because)
    assert (signature.reminders, db.now() - signature.signed_at < dt.timedelta(minutes=1)) == (0, True)
    site.drain()
    assert len(site.sent_to(ANN)) == (1 if held_because else 2)
    if held_because:
        with site.app.app_context():
            assert operations.release(db.session.scalars(sa.select(Signature)).one())
            db.session.commit()
        site.drain()
    assert site.client.post(site.links()[-1]).status_code == 200
    assert site.one(Signature).submission_id == second.id


@only_sqlite
@pytest.mark.parametrize(("minutes", "status"), [(-1, 200), (1, 410)])
def test_the_day_after_the_end_is_24_hours_in_the_campaigns_zone(
    site: Site, clock: Clock, minutes: int, status: int
) -> None:
    """It ends at midnight in Rome, before the day that has 23 hours there."""
    site.change(Campaign, Campaign.slug == ITALY, closes_on=dt.date(2026, 3, 28))
    end = dt.datetime(2026, 3, 28, 23, tzinfo=dt.UTC)
    clock.set(end - dt.timedelta(minutes=1))
    first, second = site.signed(email=ANN), site.signed()
    clock.set(end + dt.timedelta(seconds=1))
    site.drain()
    assert site.sign().status_code == 410, "closed at its own midnight"
    clock.set(end + dt.timedelta(hours=24, minutes=minutes))
    answer = site.client.post(site.confirm_path(first, end))
    assert answer.status_code == status
    site.drain()
    assert states(site) == (["confirmed", "pending"] if status == 200 else ["expired", "expired"])
    clock.set(end + dt.timedelta(hours=24, minutes=1))
    site.drain()
    assert states(site)[1] == "expired", "nobody can confirm it any more"
    page = Page(site.client.get(site.confirm_path(second, end)).text)
    assert "has ended" in page.one("main").words
    assert page.all("form") == []


# ---------------------------------------------------------------- reminders


def reminders_sent(site: Site) -> int:
    return mails_about(site, REMINDER).count("sent")


def test_two_reminders_and_no_more(site: Site, clock: Clock) -> None:
    site.sign(email=ANN)
    site.drain()
    first, second = 24, 24 + 3 * 24
    expected = {
        first - 1: (0, "pending"),
        first: (1, "pending"),
        second - 1: (1, "pending"),
        second: (2, "pending"),
        second + 6 * 24: (2, "pending"),
        second + 7 * 24: (2, "expired"),
    }
    for hours, there_is in expected.items():
        clock.ahead = dt.timedelta(hours=hours, seconds=30)
        site.drain()
        assert (reminders_sent(site), site.state()) == there_is, f"after {hours} hours"
    assert len(site.sent_to(ANN)) == 3
    keys = [mail.recipient_key for mail in site.stored(Outgoing, Outgoing.kind == REMINDER)]
    submission = site.one(Submission)
    assert keys == [f"submission:{submission.id}:reminder:{n}" for n in (1, 2)]


@only_sqlite
@pytest.mark.parametrize("lang", ["", "it"])
def test_a_reminder_has_the_link_and_a_way_out(site: Site, clock: Clock, lang: str) -> None:
    site.sign(email="Ann@Example.ORG", name="Mallory", lang=lang)
    site.drain()
    clock.pass_by(hours=25)
    site.drain()
    _confirmation, mail = site.mails()
    base = site.app.config["ACTIONKIT"].base_url
    lines = text_of(mail).splitlines()
    (link,) = [line for line in lines if "/confirm/" in line]
    (way_out,) = [line for line in lines if "/unsubscribe/" in line]
    assert link.startswith(f"{base}/confirm/")
    assert way_out.startswith(f"{base}/unsubscribe/")
    assert mail["List-Unsubscribe"] == f"<{way_out}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    files = [file.read_bytes() for file in site.app.config["ACTIONKIT"].mail_folder.glob("*.eml")]
    assert len([raw for raw in files if f"\r\nList-Unsubscribe: <{way_out}>\r\n".encode() in raw]) == 1, "not folded"
    assert (mail["Auto-Submitted"], mail["Content-Language"]) == ("auto-generated", lang or "en")
    assert "Mallory" not in text_of(mail), "what a stranger typed is not mailed to others"
    assert site.mails()[0]["List-Unsubscribe"] is None, "a confirmation is owed"
    clock.pass_by(days=6, hours=23)
    assert site.client.post(link.removeprefix(base)).status_code == 200, "seven days from the reminder"
    assert site.state() == "confirmed"


def put_reminder(site: Site) -> None:
    """As the job does; nothing is sent."""
    with site.app.app_context():
        reminders = lifecycle.Reminders()
        (italy,) = (c for c in lifecycle.campaigns() if c.slug == ITALY)
        db.reading()
        ids = reminders.due(italy, 0)
        db.writing()
        reminders.put(ids)
        db.session.commit()


@only_sqlite
def test_what_changed_before_it_left_is_not_reminded_of(site: Site, clock: Clock) -> None:
    site.sign(email=ANN)
    site.drain()
    for change in (*SignatureState, "the campaign ends"):
        clock.pass_by(hours=25)
        day_ago = db.now() - dt.timedelta(hours=24)
        site.change(Signature, state=SignatureState.PENDING, reminders=0, mailed_at=day_ago)
        put_reminder(site)
        assert mails_about(site, REMINDER) == ["queued"]
        if change == "the campaign ends":
            site.change(Campaign, state=CampaignState.CLOSED, closed_at=db.now())
        else:
            site.change(Signature, state=change)
        site.drain()
        left = mails_about(site, REMINDER) == ["sent"]
        assert left == (change == SignatureState.PENDING), change
        site.change(Outgoing, Outgoing.kind == REMINDER, kind=f"reminder before {change}"[:32])


@only_sqlite
def test_who_is_not_reminded(site: Site, clock: Clock) -> None:
    cases = {
        "held": lambda: site.change(Signature, state=SignatureState.HELD),
        "refused by the mail server": lambda: site.change(Outgoing, state="failed"),
        "its mail waits": lambda: site.change(Outgoing, state="queued", not_before=db.now() + dt.timedelta(days=9)),
        "closed": lambda: site.change(Campaign, state=CampaignState.CLOSED, closed_at=db.now()),
        "a draft again": lambda: site.change(Campaign, state=CampaignState.DRAFT),
    }
    site.sign(email=ANN)
    site.drain()
    campaign = site.campaign()
    clock.pass_by(hours=25)
    for name, arrange in cases.items():
        arrange()
        put_reminder(site)
        assert mails_about(site, REMINDER) == [], name
        site.change(Signature, state=SignatureState.PENDING)
        site.change(Outgoing, state="sent")
        site.change(Campaign, state=campaign.state, closed_at=None)
    put_reminder(site)
    assert mails_about(site, REMINDER) == ["queued"]


@only_sqlite
def test_reminders_keep_to_three_mails_a_day_and_come_later(site: Site, clock: Clock) -> None:
    """Who signs four campaigns in a day gets no fourth mail that day; a day later she is asked after all."""
    slugs = [ITALY, "india-water", "kenya-petition"]
    for slug in slugs:
        site.sign(slug, email=ANN)
    site.ten_minutes_later()
    clock.pass_by(minutes=1)
    with site.app.app_context():
        norway = db.session.scalars(sa.select(Campaign).where(Campaign.slug == "norway-won")).one()
        norway.state, norway.closed_at, norway.closes_on = CampaignState.OPEN, None, None
        db.session.commit()
    site.sign("norway-won", email=ANN)
    assert len(site.confirmations()) == 3
    site.drain()
    clock.pass_by(hours=24)
    site.drain()
    assert reminders_sent(site) == 3, "three of the four"
    assert len(site.stored(MailAllowance)) == 1
    clock.pass_by(hours=24, minutes=5)
    site.drain()
    assert reminders_sent(site) == 4
    assert len(site.sent_to(ANN)) == 7
    assert [s.reminders for s in site.stored(Signature)] == [1, 1, 1, 1]


@only_sqlite
def test_the_reminder_is_of_the_words_that_were_mailed(site: Site, clock: Clock) -> None:
    """A form sent within ten minutes of another has no mail of its own."""
    mailed, silent = site.signed(email=ANN, name="First"), site.signed(email=ANN, name="Second")
    site.drain()
    clock.pass_by(hours=25)
    site.drain()
    (mail,) = site.stored(Outgoing, Outgoing.kind == REMINDER)
    assert mail.subject_id == mailed.id != silent.id
    site.client.post(site.links()[-1])
    assert site.one(Signature).submission_id == mailed.id


def test_jobs_at_once_remind_and_expire_once(site: Site, clock: Clock) -> None:
    for number in range(12):
        site.sign(email=f"p{number}@example.org")
    site.drain()
    old = db.now() - dt.timedelta(days=8)
    expiring = [signature.id for signature in site.stored(Signature)][::3]
    clock.pass_by(hours=25)
    gone = Signature.id.in_(expiring)
    site.change(Signature, gone, mailed_at=old, signed_at=old)
    ids = [s.id for s in site.stored(Submission) if s.signature_id in expiring]
    site.change(Outgoing, Outgoing.subject_id.in_(ids), first_tried_at=old)
    start = threading.Barrier(4)
    done: list[dict[str, int]] = []

    def run() -> None:
        with site.app.app_context():
            start.wait()
            done.append(jobs.expire_and_remind(site.app.extensions["delivery_worker"]))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 4, "a job ended with an exception"
    assert sum(each["expired"] for each in done) == 4
    assert sum(each["reminded"] for each in done) == 8
    assert sorted(states(site)) == ["expired"] * 4 + ["pending"] * 8
    assert mails_about(site, REMINDER) == ["queued"] * 8


@only_sqlite
def test_a_crowd_is_reminded_page_by_page(site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever signs now must not wait behind thousands of reminders."""
    for number in range(5):
        site.sign(email=f"p{number}@example.org")
    site.drain()
    clock.pass_by(hours=25)
    monkeypatch.setattr(lifecycle, "PAGE_OF_REMINDERS", 2)
    monkeypatch.setattr(lifecycle, "MOST_REMINDERS", 4)
    site.drain()
    waits = [mail.not_before for mail in site.stored(Outgoing, Outgoing.kind == REMINDER)]
    assert [round((wait - waits[0]).total_seconds()) for wait in waits] == [0, 0, 20, 20]
    clock.pass_by(minutes=10)
    site.drain()
    assert reminders_sent(site) == 5


# ---------------------------------------------------------------- deletion


def remembered(site: Site) -> list[str]:
    return [signature.canonical_email.split("@")[0] for signature in site.stored(Signature)]


def test_what_nobody_confirmed_is_deleted_after_thirty_days(site: Site, clock: Clock) -> None:
    for name in ("pending", "expired", "held", "invalidated", "withdrawn", "confirmed", "held-again"):
        site.sign(email=f"{name}@example.org", comment=name)
    site.drain()
    for name in ("withdrawn", "confirmed", "held-again"):
        (submission,) = site.stored(Submission, Submission.comment == name)
        assert site.client.post(site.confirm_path(submission)).status_code == 200
    for name in ("expired", "held", "invalidated", "withdrawn", "held-again"):
        state = "held" if name == "held-again" else name
        site.change(Signature, Signature.canonical_email == f"{name}@example.org", state=state)
    site.drain()
    clock.pass_by(days=29, hours=23)
    site.change(Signature, reminders=2, mailed_at=db.now() - dt.timedelta(days=29, hours=23))
    site.drain()
    assert len(site.stored(Submission)) == 7
    clock.pass_by(hours=2)
    assert site.drain()["deleted"] == 3
    assert remembered(site) == ["invalidated", "withdrawn", "confirmed", "held-again"]
    assert [s.comment for s in site.stored(Submission)] == ["withdrawn", "confirmed", "held-again"]
    kept = [mail.subject_id for mail in site.confirmations()]
    assert kept == [s.id for s in site.stored(Submission)]
    assert {a.outgoing_id for a in site.stored(OutgoingAttempt)} == {mail.id for mail in site.stored(Outgoing)}
    assert len(site.letters()) == 9, "what was written to officials stays on record"


@only_sqlite
def test_a_recent_mail_keeps_it(site: Site, clock: Clock) -> None:
    submission = site.signed(email=ANN)
    site.drain()
    clock.pass_by(days=20)
    site.drain()
    site.client.post(f"{site.confirm_path(submission, db.now() - dt.timedelta(days=20))}/new-link")
    site.drain()
    clock.pass_by(days=28)
    site.drain()
    assert states(site) == ["expired"]
    clock.pass_by(days=7)
    site.drain()
    assert (states(site), site.stored(Submission), site.confirmations()) == ([], [], [])
    erased = site.client.get(site.confirm_path(submission))
    assert erased.status_code == 410
    assert site.sign(email=ANN).status_code == 303
    assert states(site) == ["pending"], "she may sign as if she never had"


def test_the_owners_no_holds_for_good_without_her_data(site: Site, clock: Clock) -> None:
    path = site.confirm_path(site.signed(email=ANN))
    site.client.post(path, data={"decision": "refuse"})
    with site.app.app_context():
        signature = db.session.scalars(sa.select(Signature)).one()
        assert not taking_out.put_back_one(signature), "staff cannot put it back"
    site.confirmed()
    site.drain()
    clock.pass_by(days=31)
    site.drain()
    signature = site.stored(Signature)[0]
    assert (signature.state, signature.state_reason) == ("invalidated", "refused by the owner of the address")
    assert site.stored(Submission, Submission.signature_id == signature.id) == []
    assert site.sign(email=ANN).status_code == 303
    assert states(site) == ["invalidated", "confirmed"]
    assert mails_about(site, CONFIRMATION) == ["sent"], "the mail to her is forgotten, and no other leaves"
    assert site.client.get(path).status_code == 410
    with site.app.app_context():
        assert counting.recount() == []
        db.reading()
        found = search.signatures(signature.campaign_id, search.Wanted(), number=1)
        assert [row.state for row in found.rows] == ["confirmed"]
        with db.snapshot() as snapshot:
            file = b"".join(signatures_csv.stream(snapshot, signature.campaign_id, "all")).decode()
    assert len(file.splitlines()) == 2


def test_submissions_beside_the_one_that_counts_are_dropped(site: Site, clock: Clock) -> None:
    """What a stranger typed with her address is not kept because she confirmed her own."""
    own = site.signed(email=ANN, name="Ann")
    strangers = site.signed(email=ANN, name="Mallory")
    site.client.post(site.confirm_path(own))
    site.drain()
    clock.pass_by(days=29)
    site.drain()
    assert len(site.stored(Submission)) == 2
    clock.pass_by(days=2)
    site.ten_minutes_later()
    site.drain()
    assert [s.name for s in site.stored(Submission)] == ["Ann"]
    assert site.client.get(site.confirm_path(strangers)).status_code == 410
    assert "already confirmed" in site.client.get(site.confirm_path(own)).text
    site.client.post(site.withdraw_path(site.one(Signature)))
    clock.pass_by(minutes=11)
    again = site.signed(email=ANN, name="Ann again")
    clock.pass_by(days=25)
    site.client.post(f"{site.confirm_path(again, db.now() - dt.timedelta(days=25))}/new-link")
    clock.pass_by(days=6)
    site.drain()
    assert site.client.post(site.confirm_path(again, db.now() - dt.timedelta(days=6))).status_code == 200
    clock.pass_by(days=40)
    site.drain()
    assert [s.name for s in site.stored(Submission)] == ["Ann again"], "only what counts now is kept"


@only_sqlite
def test_the_jobs_run_by_themselves(make_app: MakeApp) -> None:
    names = {entry["task"] for entry in make_app().extensions["celery"].conf.beat_schedule.values()}
    assert {"actionkit.expire_and_remind", "actionkit.delete_unconfirmed"} <= names
    assert (jobs.RHYTHM["expire_and_remind"], jobs.RHYTHM["delete_unconfirmed"]) == (600, 3600)


def test_who_signs_while_her_old_signature_is_deleted_has_a_new_one(site: Site) -> None:
    old = db.now() - lifecycle.KEEP_UNCONFIRMED - dt.timedelta(days=1)
    site.sign(email=ANN, name="Before")
    site.change(Signature, signed_at=old, mailed_at=old)
    site.change(Submission, created_at=old)
    (gone,) = site.stored(Signature)
    statuses: list[int] = []
    signer = threading.Thread(
        target=lambda: statuses.append(site.sign(email=ANN, name="Again", client=site.app.test_client()).status_code)
    )
    with site.app.app_context():
        assert lifecycle.delete([gone.id]) == 1
        signer.start()
        signer.join(0.5)
        assert signer.is_alive(), "she waits for the deletion to end"
        db.session.commit()
    signer.join()
    assert statuses == [303]
    assert [submission.name for submission in site.stored(Submission)] == ["Again"]
