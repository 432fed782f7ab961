"""Reports that a mail was not delivered: too early, twice, forged, unknown, and not to be read."""

from __future__ import annotations

import secrets
import signal
from pathlib import Path

from actionkit import create_app, db
from actionkit.delivery import return_path
from config import Config
from tests.faults.rig import Round
from tests.faults.sending import SENDERS
from tests.faults.site import Site
from tests.journeys.product import wait_until
from tests.replies.samples import out_of_office, report, unreadable
from tests.sink import Session

MAILBOX = "bounces@sender.example"
ADDRESSES = {"MAIL_DEFAULT_SENDER": "us@sender.example", "MAIL_BOUNCE_ADDRESS": MAILBOX}


def bounces(round_: Round) -> None:
    """F35. A report arrives before our commit, twice, for an unknown id, forged, not to be read; an out of office.

    State moves once; unknown and forged ones are ignored with a line in the log; what cannot be read
    waits for staff; an out of office never marks failure. While the worker is killed and started anew.
    """
    mails = round_.scale.pick(1, 40)
    maildir = round_.folder / "Maildir"
    for name in ("tmp", "new", "cur"):
        (maildir / name).mkdir(parents=True)
    settings = {**ADDRESSES, "INCOMING_MAILDIR": str(maildir)}
    with round_.site(WORKER_SENDERS=str(SENDERS), LEASE_SECONDS="3", **settings) as site:
        early: list[str] = []

        def bounce_at_once(step: str, session: Session) -> None:
            """The next mail server reports before the relay has given us its 250."""
            if step == "dot" and session.rcpt.startswith("gone-"):
                _pipe(site, report(session.mail_from))
                early.append(session.mail_from)

        site.sink.script = bounce_at_once
        worker = site.start_worker()
        site.start_web(round_.scale.pick(1, 2))
        people = [f"{kind}-{n}@example.org" for kind in ("gone", "here") for n in range(mails)]
        for email in people:
            round_.expect(site.sign(email) == 303, "signing was refused")
        wait_until(lambda: len(site.sink.received) >= len(people), 120, "every mail to leave")
        round_.injected(len(early), "reports before our commit")
        for address in early:
            _deliver(maildir, report(address), report(address).replace(b"I'm sorry", b"Once more: sorry"))
        site.kill(worker)
        here = [mail.mail_from for mail in list(site.sink.received) if mail.rcpt.startswith("here-")]
        _strangers(round_, site, maildir, here)
        worker = site.start_worker()
        wait_until(lambda: not any((maildir / "new").iterdir()), 60, "the maildir to be emptied")
        unread = "SELECT count(*) AS n FROM incoming_mails WHERE state = 'new'"
        wait_until(lambda: site.query(unread)[0].n == 0, 120, "every mail that came in to be handled")

        rows = site.query("SELECT state, bounces, count(*) AS n FROM outgoing GROUP BY state, bounces")
        moved = {(row.state, row.bounces): row.n for row in rows}
        round_.measured |= {"moved": moved, "handled": _by_state(site)}
        round_.expect(moved == {("failed", 1): mails, ("sent", 0): mails}, f"mails are {moved}")
        round_.expect(_by_state(site).get("waiting") == 1, "what cannot be read does not wait for staff")
        round_.expect(_by_state(site).get("ignored") == 2, "unknown and forged ones are not ignored")
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)
        log = (site.folder / "actionkit.log").read_text()
        round_.expect("about a mail that is no more" in log, "no line says that one was unknown")
        round_.expect("an address with a forged tag" in log, "no line says that one was forged")
        site.start_worker()
        round_.green_again(site)


def _strangers(round_: Round, site: Site, maildir: Path, here: list[str]) -> None:
    """Forged, unknown, unreadable and automatic mails about those that arrived."""
    address = here[0]
    tag = address.partition(".")[2].partition("@")[0]
    _deliver(maildir, report(address.replace(tag, "a" * 16)), unreadable(address))
    _deliver(maildir, *(out_of_office(each, Auto_Submitted="auto-replied") for each in here))
    # One that was in the ledger, and is no more.
    round_.expect(site.sign("gone-from-the-ledger@example.org") == 303, "signing was refused")
    row = site.query("SELECT id, public_id FROM outgoing ORDER BY id DESC LIMIT 1")[0]
    _deliver(maildir, report(_address_of(site, row.public_id)))
    site.query("DELETE FROM outgoing WHERE id = :id", id=row.id)


def _address_of(site: Site, public_id: str) -> str:
    """The address for reports on a mail, as the installation makes it."""
    app = create_app(Config.from_env(site.environ))
    with app.app_context():
        address = return_path.of(public_id)
    db.close(app)
    return address


def _deliver(maildir: Path, *raws: bytes) -> None:
    """As a mail server does it that knows maildirs: whole in `tmp`, then in `new`."""
    for raw in raws:
        name = f"{secrets.token_hex(8)}.host"
        (maildir / "tmp" / name).write_bytes(raw)
        (maildir / "tmp" / name).rename(maildir / "new" / name)


def _pipe(site: Site, raw: bytes) -> None:
    """As a mail server does it that pipes."""
    site.command("mail", "receive", stdin=raw.decode())


def _by_state(site: Site) -> dict[str, int]:
    return {row.state: row.n for row in site.query("SELECT state, count(*) AS n FROM incoming_mails GROUP BY state")}
