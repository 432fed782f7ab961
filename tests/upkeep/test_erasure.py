"""Whoever is erased is nowhere any more: not in a table, behind no link, in no mail, and not back after a restore."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from actionkit import db, jobs
from actionkit.delivery.models import BEGUN, Outgoing, State
from actionkit.review.models import Removal, RemovalState
from actionkit.schema import TABLES
from actionkit.screening import operations as screening
from actionkit.screening.models import RuleAction, RuleKind, ScreeningRule
from actionkit.signing import counting, unsubscribe
from actionkit.signing.models import MailAllowance, MailStop, Signature, Submission
from actionkit.staff.models import AuditEntry, StaffRole
from actionkit.upkeep import erasure, journal, replay
from tests.conftest import MakeApp
from tests.signing.site import ITALY, Site
from tests.sink import Sink
from tests.structure.conftest import SignIn, csrf_token

INDIA, KENYA = "india-water", "kenya-petition"
NAME, EMAIL, POSTCODE = "Canarina Fringuello", "Canarina@fringuello.example", "CNR 4711"
COMMENT, LETTER = "Comment of the canary", "Letter of the canary"
ADDRESS = "canarina@fringuello.example"
TEXTS = (NAME, EMAIL, ADDRESS, POSTCODE, COMMENT, LETTER)
SHE = {"name": NAME, "email": EMAIL, "postcode": POSTCODE, "comment": COMMENT}

only_sqlite = pytest.mark.one_database


def signed_everywhere(site: Site) -> dict[str, str]:
    """One signature confirmed, one withdrawn, one pending with a second submission; paths of her links."""
    confirmed = site.confirmed(ITALY, **SHE, letter=LETTER, show_name="yes", updates="yes")
    site.change(Signature, mailed_at=None)
    gone = site.confirmed(INDIA, **SHE)
    (signature,) = site.stored(Signature, Signature.id == gone.signature_id)
    site.client.post(site.withdraw_path(signature))
    pending = site.signed(KENYA, **SHE)
    site.ten_minutes_later()
    site.signed(KENYA, **SHE)
    (counted,) = site.stored(Signature, Signature.id == confirmed.signature_id)
    with site.app.app_context():
        unsubscribe.stop(ADDRESS)
        screening.add_rule(RuleKind.ADDRESS, ADDRESS, RuleAction.HOLD, f"is {NAME}")
        screening.add_rule(RuleKind.DOMAIN, "elsewhere.example", RuleAction.HOLD, f"not for {EMAIL}")
        for state in (RemovalState.COUNTED, RemovalState.DONE):
            rule = {"name": NAME.upper(), "found": {"by_state": {}, "letters": 0, "sample": []}}
            removal = Removal(campaign_id=counted.campaign_id, rule=rule, reason=f"{NAME} again", state=state)
            db.session.add(removal)
        db.session.commit()
    return {
        "confirm": site.confirm_path(confirmed),
        "pending": site.confirm_path(pending),
        "withdraw": site.withdraw_path(counted),
        "unsubscribe": f"/unsubscribe/{site.token(unsubscribe.TO_UNSUBSCRIBE, confirmed.public_id)}",
    }


def erase(site: Site, *words: str, stdin: str = f"{EMAIL}\n") -> str:
    result = site.app.test_cli_runner().invoke(args=["erase", "-", *words], input=stdin)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def found_in_tables(site: Site) -> list[str]:
    """Tables and columns that hold anything of hers, whatever their type."""
    found = []
    with site.app.app_context():
        db.reading()
        for name, table in TABLES.items():
            for row in db.session.execute(sa.select(table)).mappings():
                for column, value in row.items():
                    text = value.decode(errors="replace") if isinstance(value, bytes) else repr(value)
                    found += [f"{name}.{column}" for each in TEXTS if each.casefold() in text.casefold()]
    return found


def others_of(site: Site) -> list[tuple[object, ...]]:
    with site.app.app_context():
        db.reading()
        query = sa.select(Submission.__table__).where(Submission.email != "").order_by(Submission.id)
        return [tuple(row) for row in db.session.execute(query)]


# ---------------------------------------------------------------- in the database


def test_nothing_of_her_remains_and_all_else_does(site: Site) -> None:
    other = site.confirmed(ITALY, comment="mine stays")
    before = others_of(site)
    signed_everywhere(site)
    hers = sa.and_(Outgoing.kind == "letter", Outgoing.subject_id != other.signature_id)
    site.change(Outgoing, hers, last_answer=f"250 ok {EMAIL}")
    assert found_in_tables(site), "the search finds nothing, so it proves nothing"
    counted = "there are 3 signatures in 3 campaigns, 3 letters and 3 mails not sent yet, 2 entries of lists\n"
    assert erase(site, "--dry-run") == counted
    assert found_in_tables(site)
    assert erase(site) == counted.replace("there are", "erased:")
    assert found_in_tables(site) == []
    assert others_of(site) == before
    assert {letter.state for letter in site.letters() if letter.subject_id != other.signature_id} == {"cancelled"}
    assert {letter.state for letter in site.letters() if letter.subject_id == other.signature_id} == {"queued"}
    assert not site.stored(MailStop)
    assert ADDRESS not in {row.canonical_email for row in site.stored(MailAllowance)}
    assert [rule.note for rule in site.stored(ScreeningRule)] == [""]
    assert [(removal.state, removal.reason) for removal in site.stored(Removal)] == [("done", "")]


@only_sqlite
def test_the_trail_knows_that_and_not_who(site: Site) -> None:
    signed_everywhere(site)
    erase(site)
    entry = site.stored(AuditEntry)[-1]
    assert (entry.action, entry.subject) == ("erase-person", "erase")
    assert entry.detail == {"signatures": 3, "counted": 1, "uncounted": False}
    (line,) = (site.app.config["ACTIONKIT"].instance / "erased" / "journal").read_text().split("\n")[1:-1]
    assert not [text for text in TEXTS if text.casefold() in line.casefold()]


def test_a_signature_that_counts_goes_on_counting_and_is_nobodys(site: Site) -> None:
    signed_everywhere(site)
    site.drain()
    (before,) = site.stored(Signature, Signature.state == "confirmed")
    erase(site)
    assert site.total() == 1
    with site.app.app_context():
        assert counting.recount() == []
    confirmed, withdrawn = site.stored(Signature)
    assert (confirmed.state, withdrawn.state) == ("confirmed", "withdrawn")
    assert confirmed.public_id != before.public_id, "files that were exported before must not say whose it was"
    assert confirmed.confirmed_at is not None
    assert confirmed.confirmed_at == before.confirmed_at.replace(minute=0, second=0, microsecond=0)
    assert {s.country for s in site.stored(Submission)} == {"IT"}
    rows = site.app.test_cli_runner().invoke(args=["export", "signatures", ITALY]).stdout.splitlines()
    assert rows[1].startswith(f"{confirmed.public_id},,,IT,,,false,false,confirmed,")


@only_sqlite
def test_who_takes_her_signature_back_too_is_not_counted(site: Site) -> None:
    signed_everywhere(site)
    erase(site, "--uncount")
    site.drain()
    assert site.total() == 0
    with site.app.app_context():
        assert counting.recount() == []
    assert found_in_tables(site) == []


@pytest.mark.one_database
def test_links_of_the_erased_are_over(site: Site) -> None:
    links = signed_everywhere(site)
    erase(site)
    for name, path in links.items():
        for answer in (site.client.get(path), site.client.post(path)):
            assert answer.status_code == 410, name
            assert "What this link belonged to has been erased." in answer.text
    assert site.client.post(f"{links['confirm']}/new-link").status_code == 410


def test_she_may_come_back_as_somebody_new(site: Site) -> None:
    signed_everywhere(site)
    erase(site)
    site.drain()
    site.confirmed(ITALY, **SHE)
    site.drain()
    assert site.total() == 2
    with site.app.app_context():
        assert jobs.keep_erased(site.app.extensions["delivery_worker"]) == 0
    assert found_in_tables(site), "the journal speaks of what she signed before, not of this"
    assert len(site.sent_to(EMAIL)) == 1


# ---------------------------------------------------------------- while something happens


@pytest.mark.parametrize("step", ["", BEGUN])
def test_a_letter_that_a_worker_has_is_not_written(site: Site, step: str) -> None:
    """Claimed and no try begun: it stops. In the middle of one: it is not written a second time."""
    site.confirmed(ITALY, **SHE)
    had = {"state": State.SENDING, "last_step": step, "lease_owner": "w", "lease_until": db.now()}
    site.change(Outgoing, Outgoing.kind == "letter", **had)
    erase(site)
    site.drain()
    assert {letter.state for letter in site.letters()} == {"cancelled"}
    assert site.mails() == []


def test_of_mails_being_sent_at_most_the_one_in_flight_arrives(make_app: MakeApp) -> None:
    """F38: erased while the relay takes the first of her mails; the others, claimed with it, never leave."""
    sites: list[Site] = []

    def erase_at_the_dot(step: str, _session: object) -> None:
        if step == "dot" and sites:
            erase(sites.pop())

    with Sink(script=erase_at_the_dot).running() as sink:
        relay = {"mail_server": "127.0.0.1", "mail_port": str(sink.port), "mail_default_sender": "us@a.example"}
        site = Site(make_app(**relay, worker_senders="1"))
        site.confirmed(ITALY, **SHE)
        sites.append(site)
        site.drain()
        assert not sites, "nothing was in flight"
        site.drain()
    assert len(sink.received) == 1
    assert found_in_tables(site) == []


def test_signing_and_erasing_at_one_moment_leaves_no_rest(site: Site) -> None:
    """Whoever comes second finds what the first has left: an erased signature gets no new submission."""
    for round_ in range(5):
        site.signed(ITALY, **SHE)
        start = threading.Barrier(5)

        def sign(start: threading.Barrier = start) -> None:
            client = site.app.test_client()
            start.wait()
            assert site.sign(ITALY, client=client, **SHE).status_code == 303

        def wipe(start: threading.Barrier = start) -> None:
            with site.app.app_context():
                start.wait()
                erasure.erase(ADDRESS)
                db.session.commit()

        threads = [threading.Thread(target=each) for each in (sign, sign, sign, wipe, wipe)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if round_ % 2:
            site.change(Signature, confirmed_at=db.now(), state="confirmed")
    erase(site)
    assert found_in_tables(site) == []


@only_sqlite
def test_a_journal_that_cannot_be_written_erases_nobody(site: Site) -> None:
    signed_everywhere(site)
    folder = site.app.config["ACTIONKIT"].instance / "erased"
    folder.write_text("in the way")
    result = site.app.test_cli_runner().invoke(args=["erase", EMAIL])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing was erased" in result.stderr
    assert found_in_tables(site)


# ---------------------------------------------------------------- at the desk


@only_sqlite
def test_staff_count_first_and_then_erase(site: Site, sign_in: SignIn) -> None:
    signed_everywhere(site)
    admin = sign_in(StaffRole.ADMIN)
    token = csrf_token(admin)
    page = admin.post("/staff/erase", data={"csrf_token": token, "email": EMAIL})
    assert page.status_code == 200
    assert "3 signatures on 3 campaigns" in page.text
    assert "3 letters that have not left" in page.text
    assert found_in_tables(site)
    assert admin.post("/staff/erase", data={"csrf_token": token, "email": "no address"}).status_code == 422
    done = admin.post("/staff/erase", data={"csrf_token": token, "email": EMAIL, "confirmed": "yes"})
    assert (done.status_code, done.headers["Location"]) == (303, "/staff/erase")
    assert found_in_tables(site) == []
    assert site.stored(AuditEntry)[-1].staff_member_id is not None


# ---------------------------------------------------------------- after a restore


@pytest.fixture
def restored(site: Site) -> Site:
    """The site with its rows from before she was erased, and the journal as it is."""
    signed_everywhere(site)
    # The audit trail goes on: the database would refuse to empty it.
    tables = [table for table in TABLES.values() if not table.name.startswith("audit_")]
    with site.app.app_context():
        rows = {t.name: [dict(r) for r in db.session.execute(sa.select(t)).mappings()] for t in tables}
        db.session.rollback()
    erase(site)
    engine = site.app.extensions["database"]["writing"]
    with engine.begin() as connection:
        for table in reversed(sa.schema.sort_tables(tables)):
            connection.execute(table.delete())
        for table in sa.schema.sort_tables(tables):
            if rows[table.name]:
                connection.execute(table.insert(), rows[table.name])
    assert found_in_tables(site)
    return site


def keep_erased(site: Site) -> int:
    with site.app.app_context():
        return jobs.keep_erased(site.app.extensions["delivery_worker"])


def test_a_restored_database_does_not_bring_her_back(restored: Site) -> None:
    assert keep_erased(restored) == 1
    assert found_in_tables(restored) == []
    assert (keep_erased(restored), restored.stored(AuditEntry)[-1].action) == (0, "erase-person-again")


@only_sqlite
def test_drain_erases_before_it_sends(restored: Site) -> None:
    restored.drain()
    assert restored.sent_to(EMAIL) == []
    assert found_in_tables(restored) == []


def test_what_she_signs_after_the_restore_is_hers(restored: Site) -> None:
    assert keep_erased(restored) == 1
    restored.confirmed(ITALY, **SHE)
    with restored.app.app_context():
        db.session.execute(sa.text("DELETE FROM erasures"))  # as if it were restored once more
        db.session.commit()
    assert keep_erased(restored) == 0
    assert len([s for s in restored.stored(Submission) if s.email == EMAIL]) == 1


@only_sqlite
def test_the_journal_outlives_a_new_key_as_long_as_the_old_one_is_kept(restored: Site, make_app: MakeApp) -> None:
    old = restored.app.config["SECRET_KEY"]
    new = "another secret for tests that is long enough"
    without = make_app(secret_key=new)
    with without.app_context():
        db.reading()
        assert (len(replay.missing().readable), len(replay.missing().unreadable)) == (0, 1)
    doctor = without.test_cli_runner().invoke(args=["doctor"])
    assert "1 erasures were written under a key" in doctor.stdout
    assert keep_erased(Site(make_app(secret_key=new, secret_key_fallbacks=old))) == 1
    assert found_in_tables(restored) == []


@only_sqlite
def test_every_machine_comes_to_hold_the_journal(site: Site, tmp_path: Path, make_app: MakeApp) -> None:
    """Erased on one machine; another one that runs a worker copies the line, and a third imports it."""
    signed_everywhere(site)
    erase(site)
    other = Site(make_app(instance=str(tmp_path / "other")))
    assert keep_erased(other) == 0
    with other.app.app_context():
        lines = journal.read()
    with site.app.app_context():
        assert lines == journal.read() != set()
    exported = other.app.test_cli_runner().invoke(args=["erase-journal", "export"]).stdout
    third = make_app(instance=str(tmp_path / "third")).test_cli_runner()
    assert third.invoke(args=["erase-journal", "import", "-"], input=exported).stdout.startswith("1 lines are new; 0")
    assert third.invoke(args=["erase-journal", "import", "-"], input=exported).stdout.startswith("0 lines are new; 0")
    assert third.invoke(args=["erase-journal", "import", "-"], input="x\n").exit_code == 1
    file = tmp_path / "third" / "erased" / "journal"
    assert file.stat().st_mode & 0o777 == 0o600


@only_sqlite
def test_a_line_that_broke_off_is_none_and_spoils_no_other(app: Flask) -> None:
    with app.app_context():
        first = journal.line_for("a@example.org", db.now())
        journal.append([first])
        with journal.file().open("a") as out:
            out.write("2026-01-01T00:00:00.000000+00:00 0123")
        second = journal.line_for("b@example.org", db.now() + dt.timedelta(seconds=1))
        journal.append([second])
        assert journal.read() == {first, second}


# ---------------------------------------------------------------- in the file itself


@only_sqlite
def test_sqlite_s_file_holds_nothing_of_her_either(site: Site) -> None:
    """Deleted content is overwritten (PRAGMA secure_delete), among rows of others and in overflow pages too."""
    for n in range(60):
        site.signed(ITALY, email=f"p{n}@example.org", comment="x" * (n * 20))
        if n % 20 == 0:
            site.signed(ITALY if n else INDIA, **{**SHE, "comment": COMMENT * 90})
    erase(site)
    file = site.app.config["ACTIONKIT"].database_file
    db.close(site.app)
    with sqlite3.connect(file) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    raw.close()
    content = file.read_bytes().lower()
    with site.app.app_context():
        assert db.session.execute(sa.text("PRAGMA secure_delete")).scalar_one() == 1, "whatever SQLite was built with"
    assert b"p59@example.org" in content
    assert [text for text in TEXTS if text.lower().encode() in content] == []
