"""A clock that leaps, and a campaign that ends on the day when clocks are changed."""

from __future__ import annotations

import datetime as dt
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.rig import Round, Scale
from tests.faults.site import INSIDE, SLUG, Site, hidden_fields
from tests.journeys.product import wait_until
from tests.sink import Session

HOUR = dt.timedelta(hours=1)
NO_OFFSET = dt.timedelta()
BETWEEN_MAILS = dt.timedelta(minutes=10)
"""Between two mails about one signature."""

ENDS = (
    # (time zone, its last whole day, the moment after that day)
    ("Europe/Rome", "2027-10-31", "2027-10-31T23:00:00+00:00"),  # a day of 25 hours
    ("Europe/Rome", "2027-03-28", "2027-03-28T22:00:00+00:00"),  # a day of 23 hours
    ("Africa/Cairo", "2027-04-29", "2027-04-29T22:00:00+00:00"),  # the next day has no midnight
)


@dataclass
class Clock:
    """The time of day in all processes of a site; see `inside/sitecustomize.py`."""

    file: Path

    def leap(self, offset: dt.timedelta) -> None:
        """From now on the time of day is this far from the true one."""
        draft = self.file.with_suffix(".new")
        draft.write_text(str(offset.total_seconds()))
        draft.rename(self.file)

    def leap_to(self, moment: dt.datetime) -> None:
        """Leap to a moment; the clock goes on from there."""
        self.leap(moment - dt.datetime.now(dt.UTC))


@dataclass
class Gate:
    """A script for the mail server: mails to `address` stop at a step until they are let through."""

    address: str = ""
    step: str = "dot"
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def __call__(self, step: str, session: Session) -> None:
        if step == self.step and session.rcpt == self.address:
            self.reached.set()
            self.opened.wait(60)


def leaps(round_: Round) -> None:
    """F22. The clock leaps +2 h, -2 h and +400 d, and a campaign ends on a day when clocks change.

    After a step back nothing waits longer than one lease more: leases, sessions, limits. No letter
    is sent twice. A campaign closes at its own local time, once.
    """
    lease = round_.scale.pick(2, 20)
    with round_.site(LEASE_SECONDS=str(lease)) as site:
        walk = _Walk(round_, site, Clock(site.folder / "clock"), lease)
        site.start_web(round_.scale.pick(1, 2))
        walk.is_in_force()
        short = (walk.stepping_back, walk.dead_lease, walk.limits)
        for part in round_.scale.pick(short, (*short, walk.in_flight, walk.far_ahead, walk.sessions)):
            part()
            if round_.broken and round_.scale is Scale.SHORT:
                return  # each further part would wait in vain as well
            walk.rest()
        for zone, day, end in ENDS[: round_.scale.pick(1, len(ENDS))]:
            walk.closes_once(zone, day, dt.datetime.fromisoformat(end))
        walk.clock.leap(NO_OFFSET)
        round_.count_mails(site)
        round_.green_again(site)


@dataclass
class _Walk:
    """The parts of the fault, one after another on one site."""

    round: Round
    site: Site
    clock: Clock
    lease: int
    worker: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.clock.leap(NO_OFFSET)
        self.site.variables = {"PYTHONPATH": str(INSIDE), "RIG_CLOCK": str(self.clock.file)}

    def is_in_force(self) -> None:
        """The product's processes really have the clock that is shown to them."""
        self.clock.leap(dt.timedelta(days=2))
        shown = self.site.get("/campaigns/norway-won/count.json")[2]
        self.clock.leap(NO_OFFSET)
        day = (dt.datetime.now(dt.UTC) + dt.timedelta(days=2)).date()
        self.round.injected(int(f'"as_of":"{day}' in shown), "clock in force")

    def rest(self) -> None:
        """Begin the next part with a new worker, so that what one part broke is not told of the others."""
        if self.round.scale is Scale.WHOLE:
            self.end_worker()

    def end_worker(self, *, in_a_try: bool = False) -> None:
        """Kill it; not before it has stored how its mails ended, unless it is to die in the middle of a try."""
        if self.worker is not None:
            if not in_a_try:
                sending = "SELECT count(*) AS n FROM outgoing WHERE state = 'sending'"
                wait_until(lambda: self.site.query(sending)[0].n == 0, 60, "the worker to have stored its outcomes")
            self.site.kill(self.worker)
            self.worker = None

    def has_worker(self) -> None:
        if self.worker is None:
            self.worker = self.site.start_worker()

    # ------------------------------------------------------------ mail

    def in_flight(self) -> None:
        """+2 h while a mail waits for the relay's last answer: it stays with the worker that has it."""
        gate = self._sign_and_stop("in-flight@example.org", "dot")
        self.clock.leap(2 * HOUR)
        time.sleep(1.5 * self.lease + 1)
        gate.opened.set()
        self._expect_mail("in-flight@example.org", "+2 h: the mail in flight did not arrive")
        self._sign_and_expect("forward@example.org", "+2 h: the worker sends nothing")

    def stepping_back(self) -> None:
        """-2 h under a worker that lives: it goes on."""
        self.has_worker()
        self.clock.leap(2 * HOUR)
        self._sign_and_expect("before-step@example.org", "+2 h: the worker sends nothing")
        self.clock.leap(NO_OFFSET)
        self._sign_and_expect("after-step@example.org", "-2 h: the worker sends nothing")

    def dead_lease(self) -> None:
        """A worker dies at +2 h with a mail in hand, the clock steps back: mail in hand and mail queued both leave."""
        self.clock.leap(2 * HOUR)
        gate = self._sign_and_stop("dead@example.org", "rcpt")
        self.end_worker(in_a_try=True)
        gate.opened.set()
        self.site.sign("queued@example.org")
        self.clock.leap(NO_OFFSET)
        self.has_worker()
        self._expect_mail("dead@example.org", "-2 h: the lease of a dead worker does not end")
        self._expect_mail("queued@example.org", "-2 h: a queued mail does not leave")

    def limits(self) -> None:
        """Who was mailed at +2 h may be mailed again ten minutes later, whatever the clock says."""
        self.clock.leap(2 * HOUR)
        self.has_worker()
        self._sign_and_expect("limit@example.org", "+2 h: the worker sends nothing")
        self.end_worker()
        self.clock.leap(BETWEEN_MAILS + dt.timedelta(minutes=1))
        self.has_worker()
        self.site.sign("limit@example.org")
        self._expect_mail("limit@example.org", "-2 h: a repeat is not mailed after ten minutes", mails=2)

    def far_ahead(self) -> None:
        """+400 d: no mail leaves again, and new ones leave."""
        self.clock.leap(dt.timedelta(days=400))
        self.has_worker()
        self._sign_and_expect("far-ahead@example.org", "+400 d: the worker sends nothing")
        self.end_worker()

    def _sign_and_stop(self, email: str, step: str) -> Gate:
        """Sign, and hold the mail up at a step of its conversation."""
        gate = self.site.sink.script = Gate(email, step)
        self.has_worker()
        self.site.sign(email)
        assert gate.reached.wait(60), f"the mail to {email} was never tried"
        return gate

    def _sign_and_expect(self, email: str, otherwise: str) -> None:
        status = self.site.sign(email)
        self.round.expect(status == 303, f"signing was answered with {status}")
        self._expect_mail(email, otherwise)

    def _expect_mail(self, email: str, otherwise: str, *, mails: int = 1) -> None:
        # Its own lease, one more, the rhythm of looking for ended leases, and what a busy machine needs:
        # much, beside other tests, and nothing to what the fault would make it wait.
        seconds = 2 * self.lease + self.round.scale.pick(40, 10)
        try:
            wait_until(lambda: len(self.site.sink.to(email)) >= mails, seconds)
        except AssertionError:
            self.round.broken.append(f"{otherwise} (waited {seconds} s)")

    # ------------------------------------------------------------ staff

    def sessions(self) -> None:
        """Staff who got a link before the step back can sign in after it, and so can all others."""
        self.clock.leap(2 * HOUR)
        self.round.expect(_signs_in(self._link()), "+2 h: staff cannot sign in")
        early = self._link()
        self.clock.leap(NO_OFFSET)
        self.round.expect(_signs_in(early), "-2 h: a link from before the step does not sign in")
        self.round.expect(_signs_in(self._link()), "-2 h: staff cannot sign in")

    def _link(self) -> str:
        return self.site.command("staff", "add", "clock@example.org", "--role", "admin").strip()

    # ------------------------------------------------------------ closing

    def closes_once(self, zone: str, day: str, end: dt.datetime) -> None:
        """Open a minute before the end of its last day, closed after it, and not opened by a step back."""
        name, site = f"{zone}, {day}", self.site
        site.query(
            "UPDATE campaigns SET state = 'open', outcome = NULL, closed_at = NULL, closes_on = :day, timezone = :zone"
            " WHERE slug = :slug",
            day=day,
            zone=zone,
            slug=SLUG,
        )
        time.sleep(2.1)  # a process remembers a campaign for two seconds
        self.clock.leap_to(end - dt.timedelta(seconds=60))
        self.round.expect(site.sign(f"before-{day}@example.org") == 303, f"{name}: closed before its end")
        self.clock.leap_to(end + dt.timedelta(seconds=1))
        self.round.expect(site.sign(f"after-{day}@example.org") == 410, f"{name}: open after its end")
        site.command("worker", "--drain")
        closed = self._closed_at()
        self.round.expect(str(end.replace(tzinfo=None)) in closed, f"{name}: closed at {closed}")
        self.clock.leap_to(end - HOUR)
        site.command("worker", "--drain")
        self.round.expect(site.sign(f"again-{day}@example.org") == 410, f"{name}: a step back opens it again")
        self.clock.leap_to(end + 2 * HOUR)
        site.command("worker", "--drain")
        self.round.expect(self._closed_at() == closed, f"{name}: closed a second time")

    def _closed_at(self) -> str:
        (row,) = self.site.query("SELECT closed_at FROM campaigns WHERE slug = :slug", slug=SLUG)
        return str(row.closed_at)


def _signs_in(link: str) -> bool:
    """Press the button of a one-time link, and whether the desk opens."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(link, timeout=30) as page:
        fields = hidden_fields(page.read().decode())
    browser.open(link, urllib.parse.urlencode(fields).encode(), timeout=30).close()
    with browser.open(urllib.parse.urljoin(link, "/staff/"), timeout=30) as desk:
        return str(desk.url).endswith("/staff/") and b"/staff/sign-out" in desk.read()
