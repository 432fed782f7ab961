"""Sending what is due: the one loop between the ledger and the relay.

    one transaction:  record how the last try ended · claim · open the next attempt (see `clerk.py`)
    no transaction:   render (reading) · talk SMTP
    again

Each commit says what is known: a row with an open attempt may have left, one without has not.
"""

from __future__ import annotations

import logging
import math
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import Flask, current_app

from actionkit import db, logs
from actionkit.clock import SetClock
from actionkit.delivery import claims, policy, return_path
from actionkit.delivery.claims import Outcome
from actionkit.delivery.clerk import Clerk
from actionkit.delivery.folder import MailFolder
from actionkit.delivery.messages import OutgoingMessage, sender_domain
from actionkit.delivery.models import State
from actionkit.delivery.relay import Permit, Relay
from actionkit.delivery.renderers import CannotBeSent, Item, NotToBeSent, Renderer
from actionkit.delivery.smtp import Connection, NotSupported, SendError, Step

log = logging.getLogger(__name__)

BATCH = 8
"""Rows leased at a time. Few, so that the workers share what is due and a dead one holds little."""
LARGEST_BATCH, BATCH_SECONDS = 64, 0.25
"""More where the relay is quick: as many as leave in so many seconds, so that nobody waits long behind them."""

WITHOUT_MAIL = frozenset({Step.SIGN, Step.CONNECT, Step.GREETING, Step.TLS, Step.LOGIN})
"""Steps at which no mail is spoken of yet."""
OURS = WITHOUT_MAIL | {Step.MAIL}
"""Steps whose errors are about us or the relay, not about the message at hand."""
PATIENCE_SECONDS = 2.0
"""How long a try may take before the sender's further rows go back to the others."""


@dataclass
class Worker:
    """What the senders of one process share.

    `stopping` ends each sender after the letter in its hands; `cut` ends that too.
    """

    renderers: Mapping[str, Renderer]
    stopping: threading.Event = field(default_factory=threading.Event)
    relay: Relay = field(default_factory=Relay)
    clock: SetClock = field(default_factory=SetClock)
    held: dict[int, str] = field(default_factory=dict)
    """Rows in the hands of this process's senders, with the name under which each was leased."""
    senders: set[_Sender] = field(default_factory=set)
    _ended: threading.Event | None = None
    """Ends the renewing of leases; None while there is none."""
    _idle: list[Connection | MailFolder] = field(default_factory=list)
    _busy: set[Connection | MailFolder] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    streak: policy.Streak = field(default_factory=policy.Streak)
    clerk: Clerk[_Sender] = field(init=False)

    def __post_init__(self) -> None:
        self.clerk = Clerk(_write, self.stopping)

    # ------------------------------------------------------------ connections

    @contextmanager
    def connection(self) -> Iterator[Connection | MailFolder]:
        """A kept connection, or a new one that opens when it is first used."""
        with self._lock:
            connection = self._idle.pop() if self._idle else _new_connection()
            self._busy.add(connection)
        try:
            yield connection
        finally:
            with self._lock:
                self._busy.discard(connection)
                self._idle.append(connection)

    def cut(self) -> None:
        """End what the senders wait for; their rows become `uncertain` or are queued again."""
        with self._lock:
            busy = list(self._busy)
        for connection in busy:
            connection.cut()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
            ended, self._ended = self._ended, None
        if ended is not None:
            ended.set()
        for connection in idle:
            connection.close()

    # ------------------------------------------------------------ leases

    def keep_leases(self, app: Flask) -> None:
        """Renew this process's leases from now on, until `close`; silence after a dot may last minutes."""
        with self._lock:
            if self._ended is not None:
                return
            self._ended = threading.Event()
        threading.Thread(target=self._beat, args=(app, self._ended), name="leases", daemon=True).start()

    def _beat(self, app: Flask, ended: threading.Event) -> None:
        while not ended.wait(app.config["ACTIONKIT"].lease_seconds / 4):
            if not self.held:
                continue
            with app.app_context():
                try:
                    claims.renew(dict(self.held))
                    db.session.commit()
                except Exception as error:  # a database away is no reason to stop renewing
                    log.warning("leases not renewed", extra={"cause": type(error).__name__})

    # ------------------------------------------------------------ sending

    def deliver_due(self, seconds: float = math.inf) -> Counter[str]:
        """Send what is due until nothing is, the time is over, or told to stop.

        Returns how many ended in which state.
        """
        permit = self.relay.may_try()
        db.session.commit()
        if permit is None:
            return Counter()
        with self.connection() as connection:
            sender = _Sender(self, connection, permit, time.monotonic() + seconds)
            self.senders.add(sender)
            try:
                return sender.run()
            finally:
                self.senders.discard(sender)
                sender.let_go()


@dataclass(eq=False)
class _Sender:
    """One thread's walk through the ledger. Leases are under a name of its own, `owner`."""

    worker: Worker
    connection: Connection | MailFolder
    permit: Permit
    deadline: float
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    waiting: deque[Item] = field(default_factory=deque)
    """Leased, and no try begun."""
    item: Item | None = None
    trying_since: float | None = None
    """When the try at hand began, on the monotonic clock."""
    is_freed: bool = False
    """The rows in `waiting` are others' meanwhile."""
    outcome: Outcome | None = None
    """How the last try ended, until it is stored."""
    is_over: bool = False
    domain: str = ""
    """Where the last mail went: of its recipient's address, no more than this is kept."""
    seconds_a_mail: float = BATCH_SECONDS
    """The mean of the last ones."""

    def run(self) -> Counter[str]:
        totals: Counter[str] = Counter()
        outcome: Outcome | None = None
        while (item := self._turn(outcome)) is not None:
            self.trying_since = time.monotonic()
            outcome = self._try(item)
            self.seconds_a_mail += (time.monotonic() - self.trying_since - self.seconds_a_mail) / BATCH
            self.trying_since, self.is_freed = None, False
            totals[outcome.state] += 1
        return totals

    def let_go(self) -> None:
        """Leave the rows in hand to their leases, if an error ended the walk."""
        self._forget([*self.waiting, *([self.item] if self.item else [])])

    def _forget(self, items: Iterable[Item]) -> None:
        """These rows are no longer in our hands; they may be in those of another sender."""
        for item in items:
            if self.worker.held.get(item.id) == self.owner:
                del self.worker.held[item.id]

    @property
    def is_stuck(self) -> bool:
        """Whether the relay takes so long over one mail that the others should not wait for it."""
        since = self.trying_since
        return since is not None and time.monotonic() - since > PATIENCE_SECONDS

    def _turn(self, outcome: Outcome | None) -> Item | None:
        """Store the last outcome, and get the next item with its attempt opened."""
        self.outcome = outcome
        self.worker.clerk.store(self)
        if outcome is not None:
            self._forget([outcome.item])
        if self.is_over:
            self.let_go()
            self.waiting.clear()
        self.item = self.waiting.popleft() if self.waiting else None
        return self.item

    def settle(self) -> None:
        """In the clerk's transaction: record how the last try ended."""
        relay, outcome = self.worker.relay, self.outcome
        if outcome is not None:
            claims.record(self.owner, outcome)
            if outcome.is_refusal:
                self._drop(claims.hold_suspended(list(self.waiting)))
            if outcome.is_ours:
                relay.failed(self.permit, outcome.step, outcome.answer, is_final=outcome.is_final)
            elif ours := self._refusals_of_us(outcome):
                claims.take_back(ours, policy.OURS)
                relay.failed(self.permit, outcome.step, outcome.answer, is_final=True)
            elif outcome.is_charged and outcome.state is not State.UNCERTAIN:
                relay.answered()
                self.permit = Permit()
        # Who met trouble of the relay ends here: the next tick asks whether it is to be tried again.
        self.is_over = (
            time.monotonic() > self.deadline
            or self.worker.stopping.is_set()
            or relay.is_shut
            or (outcome is not None and outcome.is_ours)
        )

    def _refusals_of_us(self, outcome: Outcome) -> list[int]:
        """The mails that failed for what turns out to be about us: see `policy.py`."""
        if outcome.policy:
            return self.worker.streak.refusal(outcome.item.id, self.domain, outcome.policy)
        if outcome.state is State.SENT:
            self.worker.streak.end()
        return []

    def take(self) -> None:
        """In the clerk's transaction: open the attempt with the next row; lease more where none is in hand."""
        if self.is_over:
            claims.give_back(self.owner, list(self.waiting))
        elif not self.waiting:
            self._free_those_of_the_stuck()
            # What is leased stays in hand if this is not stored: `open_attempt` finds out whether it still is ours.
            self.waiting.extend(claims.claim(self.owner, self._batch))
            self.worker.held.update((item.id, self.owner) for item in self.waiting)
        while not self.is_over and self.waiting and not claims.open_attempt(self.owner, self.waiting[0]):
            passed_over = self.waiting.popleft()
            claims.give_back(self.owner, [passed_over])
            self._forget([passed_over])
        if self.outcome is None and not self.waiting:
            self.worker.relay.found_nothing(self.permit)

    @property
    def _batch(self) -> int:
        """How many rows to lease: as many as go out in a moment."""
        return max(BATCH, min(LARGEST_BATCH, int(BATCH_SECONDS / max(self.seconds_a_mail, 0.000_1))))

    def _drop(self, ids: list[int]) -> None:
        """These rows are no longer ours to send."""
        self._forget([item for item in self.waiting if item.id in ids])
        self.waiting = deque(item for item in self.waiting if item.id not in ids)

    def _free_those_of_the_stuck(self) -> None:
        """Queue again what another sender has leased and cannot get at, since the relay is slow with its mail.

        It needs no word with that sender: when it comes back, its rows are not its own any more.
        """
        for other in list(self.worker.senders):
            if other.is_stuck and not other.is_freed:
                items = list(other.waiting)
                claims.give_back(other.owner, items)
                other._forget(items)
                other.is_freed = True

    def _try(self, item: Item) -> Outcome:
        """Render and send one item. No transaction is open while SMTP talks."""
        db.reading()
        try:
            mail = self.worker.renderers[item.kind](item)
            message = OutgoingMessage(
                mail,
                message_id=f"<{item.public_id}@{sender_domain()}>",
                date=item.first_tried_at.timestamp(),
                return_path=return_path.of(item.public_id),
            )
        except NotToBeSent as reason:
            return Outcome(item, State.CANCELLED, "render", str(reason), is_charged=False)
        except CannotBeSent as reason:
            return Outcome(item, State.FROZEN, "render", str(reason), is_charged=False)
        except Exception as error:
            return self._surprised(item, error)
        finally:
            db.session.rollback()
        self.domain = message.recipient.rpartition("@")[2]
        try:
            answer = self.connection.deliver(message)
        except SendError as error:
            return self._judged(item, error)
        except Exception as error:
            self.connection.close()
            return self._surprised(item, error)
        return Outcome(item, State.SENT, Step.FINAL_DOT, answer)

    def _judged(self, item: Item, error: SendError) -> Outcome:
        outcome = judge(item, error)
        if outcome.is_ours:
            log.warning("relay in trouble", extra={"step": error.step, "code": error.code})
        log.info(
            "not sent",
            extra={"mail": item.public_id, "step": error.step, "code": error.code, "state": outcome.state},
        )
        return outcome

    def _surprised(self, item: Item, error: Exception) -> Outcome:
        """Whatever nobody thought of stops this one mail, with its reason, and no other."""
        log.error(
            "mail frozen",
            extra={"mail": item.public_id, "cause": type(error).__name__, "places": logs.places(error)},
        )
        return Outcome(item, State.FROZEN, "render", f"unexpected: {type(error).__name__}", is_charged=False)


def _write(senders: Sequence[_Sender]) -> None:
    """What the clerk stores of a turn: how all tries ended first, since that may decide what is taken next."""
    for sender in senders:
        sender.settle()
    for sender in senders:
        sender.take()


def _new_connection() -> Connection | MailFolder:
    folder = current_app.config["ACTIONKIT"].mail_folder
    return MailFolder(folder) if folder else Connection(current_app.extensions["mail"])


def is_refusal(error: SendError) -> bool:
    """Whether nobody is there under the address (RFC 5321 4.2.3), and not a policy against us (RFC 3463 X.7)."""
    return error.step is Step.RCPT and error.code in (550, 551, 553) and not policy.code_of(error.answer)


def judge(item: Item, error: SendError) -> Outcome:
    """What a failed try means, by the step at which it failed (RFC 5321 4.2.1, 4.2.5).

    Up to MAIL FROM, and 421 anywhere, it is our trouble: the row waits, uncharged. At RCPT TO it
    is this recipient's, at DATA this message's: 5xx is final, all else is tried again later.
    No answer after the final dot: the relay may or may not have it, and we say so.
    """
    if isinstance(error, NotSupported):
        return Outcome(item, State.HELD, error.step, error.answer)
    answer = f"{error.code or ''} {error.answer}".strip()
    if error.step in OURS or error.code == 421:
        return Outcome(
            item,
            State.QUEUED,
            error.step,
            answer,
            is_charged=False,
            is_ours=True,
            is_final=500 <= error.code < 600 or error.step is Step.SIGN,
            can_wait=error.step not in WITHOUT_MAIL,
        )
    if error.step is Step.FINAL_DOT and not 400 <= error.code < 600:
        return Outcome(item, State.UNCERTAIN, error.step, answer)
    if 500 <= error.code < 600:
        return Outcome(
            item,
            State.FAILED,
            error.step,
            answer,
            is_refusal=is_refusal(error),
            policy=policy.code_of(error.answer) if error.step is Step.RCPT else "",
            is_rejected=error.step in (Step.DATA, Step.FINAL_DOT),
        )
    return Outcome(item, State.QUEUED, error.step, answer)
