"""Sending what is due: the one loop between the ledger and the relay.

    one transaction:  record how the last try ended · claim · open the next attempt
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy.exc
from flask import Flask, current_app

from actionkit import db, logs
from actionkit.delivery import claims
from actionkit.delivery.claims import Outcome
from actionkit.delivery.folder import MailFolder
from actionkit.delivery.messages import OutgoingMessage, sender_domain
from actionkit.delivery.models import State
from actionkit.delivery.relay import Relay
from actionkit.delivery.renderers import CannotBeSent, Item, NotToBeSent, Renderer
from actionkit.delivery.smtp import Connection, NotSupported, SendError, Step

log = logging.getLogger(__name__)

BATCH = 8
"""Rows leased at a time. Few, so that the workers share what is due and a dead one holds little."""

OURS = frozenset({Step.CONNECT, Step.GREETING, Step.TLS, Step.LOGIN, Step.MAIL})
"""Steps whose errors are about us or the relay, not about the message at hand."""


@dataclass
class Worker:
    """What the senders of one process share.

    `stopping` ends each sender after the letter in its hands; `cut` ends that too.
    """

    renderers: Mapping[str, Renderer]
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    stopping: threading.Event = field(default_factory=threading.Event)
    relay: Relay = field(default_factory=Relay)
    held: set[int] = field(default_factory=set)
    """Rows in the hands of this process's senders."""
    _idle: list[Connection | MailFolder] = field(default_factory=list)
    _busy: set[Connection | MailFolder] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

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
        for connection in idle:
            connection.close()

    # ------------------------------------------------------------ leases

    @contextmanager
    def heartbeat(self, app: Flask) -> Iterator[None]:
        """Renew this worker's leases while the block runs; silence after a final dot may last minutes."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(app.config["ACTIONKIT"].lease_seconds / 4):
                with app.app_context():
                    try:
                        claims.renew(self.owner, set(self.held))
                        db.session.commit()
                    except Exception as error:  # a database away is no reason to stop renewing
                        log.warning("leases not renewed", extra={"cause": type(error).__name__})

        thread = threading.Thread(target=beat, name="leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(timeout=5)

    # ------------------------------------------------------------ sending

    def deliver_due(self, seconds: float = math.inf) -> Counter[str]:
        """Send what is due until nothing is, the time is over, or told to stop.

        Returns how many ended in which state.
        """
        deadline = time.monotonic() + seconds
        if not self.relay.may_try():
            return Counter()
        totals: Counter[str] = Counter()
        waiting: deque[Item] = deque()
        item: Item | None = None
        outcome: Outcome | None = None
        with self.connection() as connection:
            try:
                while True:
                    item = self._turn(outcome, waiting, is_over=time.monotonic() > deadline)
                    if item is None:
                        break
                    outcome = self._try(item, connection)
                    totals[outcome.state] += 1
            finally:
                self.held.difference_update(i.id for i in (*waiting, *([item] if item else [])))
                self.relay.tried()
        return totals

    def _turn(self, outcome: Outcome | None, waiting: deque[Item], *, is_over: bool) -> Item | None:
        """One transaction: the last outcome, and the next item with its attempt opened.

        What happened to a letter is known here and nowhere else, so a database that is away is
        waited for; only after a minute is the row left to its lease, which will call it uncertain.
        """
        for pause in (0.5, 1, 2, 4, 8, 15, 30):
            try:
                return self._turn_once(outcome, waiting, is_over)
            except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError) as error:
                db.session.rollback()
                log.warning("database away", extra={"cause": type(error).__name__})
                waiting.clear()  # leased rows come back by themselves; a new claim is safer than an old one
                self.stopping.wait(pause)
        return self._turn_once(outcome, waiting, is_over)

    def _turn_once(self, outcome: Outcome | None, waiting: deque[Item], is_over: bool) -> Item | None:
        db.writing()
        if outcome is not None:
            claims.record(self.owner, outcome)
        item = None
        if is_over or self.stopping.is_set() or self.relay.is_paused:
            claims.give_back(self.owner, list(waiting))
            waiting.clear()
        else:
            if not waiting:
                waiting.extend(claims.claim(self.owner, BATCH))
                self.held.update(candidate.id for candidate in waiting)
            while waiting and item is None:
                candidate = waiting.popleft()
                if claims.open_attempt(self.owner, candidate):
                    item = candidate
                else:
                    self.held.discard(candidate.id)
        db.session.commit()
        if outcome is not None and outcome.item != item:
            self.held.discard(outcome.item.id)
        return item

    def _try(self, item: Item, connection: Connection | MailFolder) -> Outcome:
        """Render and send one item. No transaction is open while SMTP talks."""
        db.reading()
        try:
            mail = self.renderers[item.kind](item)
            message = OutgoingMessage(
                mail,
                message_id=f"<{item.public_id}@{sender_domain()}>",
                date=item.first_tried_at.timestamp(),
            )
        except NotToBeSent as reason:
            return Outcome(item, State.CANCELLED, "render", str(reason), is_charged=False)
        except CannotBeSent as reason:
            return Outcome(item, State.FROZEN, "render", str(reason), is_charged=False)
        except Exception as error:
            return self._surprised(item, error)
        finally:
            db.session.rollback()
        try:
            answer = connection.deliver(message)
        except SendError as error:
            return self._judged(item, error)
        except Exception as error:
            connection.close()
            return self._surprised(item, error)
        self.relay.answered()
        return Outcome(item, State.SENT, Step.FINAL_DOT, answer)

    def _judged(self, item: Item, error: SendError) -> Outcome:
        outcome = judge(item, error)
        if outcome.is_charged:
            self.relay.answered()
        else:
            self.relay.failed()
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


def _new_connection() -> Connection | MailFolder:
    folder = current_app.config["ACTIONKIT"].mail_folder
    return MailFolder(folder) if folder else Connection(current_app.extensions["mail"])


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
        return Outcome(item, State.QUEUED, error.step, answer, is_charged=False)
    if error.step is Step.FINAL_DOT and error.code == 0:
        return Outcome(item, State.UNCERTAIN, error.step, answer)
    if 500 <= error.code < 600:
        return Outcome(item, State.FAILED, error.step, answer)
    return Outcome(item, State.QUEUED, error.step, answer)
