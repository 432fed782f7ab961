"""Every job and its rhythm, named once; `celery_app` runs them."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import sqlalchemy.exc
from flask import current_app

from actionkit import db, logs
from actionkit.delivery import claims, groups, pace, sending_pause, set_back
from actionkit.delivery.renderers import Renderer
from actionkit.delivery.worker import Worker
from actionkit.editing import drafts
from actionkit.exports import made_files
from actionkit.imports import importing
from actionkit.letters import history, out_of_use, rehearsal
from actionkit.letters.operations import DIGEST, LETTER, queue_report
from actionkit.officials import staging
from actionkit.replies import answers, handling, imap, intake, maildir
from actionkit.replies import mails as reply_mails
from actionkit.replies.models import IncomingSource, IncomingState
from actionkit.review import mails as review_mails
from actionkit.review import removals, trends, watch
from actionkit.review.alerts import STAFF_ALERT
from actionkit.screening import limits, proof
from actionkit.signing import allowance, counting, lifecycle, mails, reports
from actionkit.signing.operations import CONFIRMATION
from actionkit.staff import invitations, second_factor, signed_in
from actionkit.staff import mails as staff_mails
from actionkit.upkeep import erasure, replay
from config import Config

log = logging.getLogger(__name__)

T = TypeVar("T")

RENDERERS: dict[str, Renderer] = {
    CONFIRMATION: mails.confirmation,
    lifecycle.REMINDER: mails.reminder,
    LETTER: mails.letter,
    DIGEST: reports.digest,
    rehearsal.REHEARSAL: rehearsal.mail,
    answers.ANSWER: reply_mails.answer,
    STAFF_ALERT: review_mails.staff_alert,
    invitations.INVITATION: staff_mails.invitation,
    invitations.RESET: staff_mails.reset,
    second_factor.FACTOR_RESET: staff_mails.factor_reset,
}
"""Which feature writes which mail: here, where all features are known."""

DELIVER_SECONDS = 15.0
PAGES_SECONDS = 30.0
WATCH_SECONDS = 15.0
REMOVE_SECONDS = 1.0
TRUSTED_AFTER_SECONDS = 3600.0
TELL_SECONDS = 1.0
"""Between two words about how far a file is."""
BETWEEN_IMPORTS = 0.005
BETWEEN_BATCHES = 0.05
"""Seconds in which others get at the database, while a job has very much to read."""

# job → seconds between two runs
RHYTHM: dict[str, float] = {
    "keep_erased": 60,
    "deliver": 1,
    "count": 1,
    "end_dead_leases": 5,
    "stop_letters": 1,
    "close_campaigns": 30,
    "rest": 60,
    "fetch_mail": 10,
    "handle_mail": 2,
    "watch": 30,
    "remove": 1,
    "make_files": 2,
    "import_signatures": 1,
    "expire_and_remind": 600,
    "report": 300,
    "delete_unconfirmed": 3600,
    "forget": 3600,
}


# ---------------------------------------------------------------- jobs


def deliver(worker: Worker) -> Counter[str]:
    """Send what is due, for some seconds: then the next tick goes on. Once for each sender.

    The bound is for Celery's own worker processes, which wait for running tasks after SIGTERM.
    """
    return worker.deliver_due(DELIVER_SECONDS)


def count(_worker: Worker) -> int:
    """Add up what was confirmed since the last count."""
    total = 0
    while added := _in_one_transaction(counting.add_up):
        total += added
    return total


def end_dead_leases(worker: Worker) -> int:
    """Find mails whose worker died; how many may have left.

    First of all when a worker starts, and whenever the clock was set: put right what it had written.
    When it was set forward, all leases of other workers look as if they had ended, until these have
    renewed them: so for the length of a lease none is called dead.
    """
    if worker.clock.was_set():
        _put_right_what_is_ahead(worker)
        worker.clock.heeded()
    if not worker.clock.is_settled(claims.lease().total_seconds()):
        return 0
    return _in_one_transaction(lambda: claims.end_dead_leases(dict(worker.held)))


def _put_right_what_is_ahead(worker: Worker) -> None:
    """The ledger after the clock was set back, a page in each transaction."""
    db.reading()
    ahead = set_back.by_how_much()
    _in_one_transaction(set_back.shorten_leases)
    if not ahead:
        return
    log.warning("the clock was set back", extra={"seconds": round(ahead.total_seconds())})
    while not worker.stopping.is_set() and _in_one_transaction(partial(set_back.bring_mails_forward, ahead)):
        pass
    _in_one_transaction(partial(set_back.bring_turns_forward, ahead))
    while not worker.stopping.is_set() and _in_one_transaction(set_back.date_now):
        pass


def stop_letters(worker: Worker) -> int:
    """Cancel, or queue again, letters that staff stop together: a campaign's, or an official's; how many."""
    moved = 0
    for work_off in (groups.work_off, out_of_use.work_off):
        while not worker.stopping.is_set() and (changed := _in_one_transaction(work_off)):
            moved += changed
            worker.stopping.wait(BETWEEN_BATCHES)
    return moved


def rest(_worker: Worker) -> int:
    """Look for letters to officials who have had none for long, and no more at those who have none."""
    return _in_one_transaction(pace.rest)


def close_campaigns(_worker: Worker) -> int:
    """Close what has ended by its own clock."""
    slugs = _in_one_transaction(history.close_ended)
    for slug in slugs:
        log.info("campaign closed", extra={"campaign": slug})
    return len(slugs)


def fetch_mail(worker: Worker) -> int:
    """Store what has come into the maildir and the mailbox; each is marked there when it is stored; how many."""
    config: Config = current_app.config["ACTIONKIT"]
    stored = 0
    if _is_restored_copy():
        return stored
    if config.incoming_maildir is not None:
        try:
            for file, raw in maildir.new_files(config.incoming_maildir):
                stored += _in_one_transaction(partial(intake.store, raw, IncomingSource.MAILDIR))
                maildir.mark_taken(file)
        except OSError as error:
            log.warning("maildir away", extra={"cause": type(error).__name__})
    if config.incoming_imap_server:
        try:
            with imap.opened(config) as mailbox:
                for uid, raw in mailbox.new_mails():
                    stored += _in_one_transaction(partial(intake.store, raw, IncomingSource.IMAP))
                    mailbox.mark_taken(uid)
                    if worker.stopping.is_set():
                        break
        except imap.MailboxAway as error:
            log.warning("mailbox away", extra={"cause": str(error)})
    return stored


def _is_restored_copy() -> bool:
    """Whether this may be a copy beside the installation whose mailbox it is: then it must not empty it."""
    pause = sending_pause.current()
    return pause is not None and pause.is_after_restore


def handle_mail(worker: Worker) -> Counter[str]:
    """Find out what each mail means that came in, and do it, one in each transaction; how many ended in which state."""
    done: Counter[str] = Counter()
    last = 0
    while not worker.stopping.is_set():
        db.reading()
        if not (ids := handling.due(last)):
            break
        for mail_id in ids:
            if state := _handle_one(mail_id):
                done[state] += 1
        last = ids[-1]
    return done


def _handle_one(mail_id: int) -> IncomingState | None:
    """An error that nobody thought of stops this one mail, which a person then looks at, and no other."""
    try:
        return _in_one_transaction(partial(handling.handle, mail_id))
    except sqlalchemy.exc.DBAPIError:
        raise  # the database is away: the mail waits
    except Exception as error:
        db.session.rollback()
        log.error(
            "mail that came in not understood",
            extra={"cause": type(error).__name__, "places": logs.places(error)},
        )
        _in_one_transaction(partial(handling.give_to_a_person, mail_id))
        return IncomingState.WAITING


def _delete_old_mail() -> None:
    """Delete what came in long ago, where it came in too."""
    config: Config = current_app.config["ACTIONKIT"]
    _in_one_transaction(answers.forget_texts_passed_on)
    _in_one_transaction(intake.forget_old)
    if _is_restored_copy():
        return
    if config.incoming_maildir is not None:
        try:
            maildir.delete_old(config.incoming_maildir, intake.keep_for().total_seconds())
        except OSError as error:
            log.warning("maildir away", extra={"cause": type(error).__name__})
    if config.incoming_imap_server:
        try:
            with imap.opened(config) as mailbox:
                mailbox.delete_old(intake.keep_for(), db.now().date())
        except imap.MailboxAway as error:
            log.warning("mailbox away", extra={"cause": str(error)})


def watch_signing(worker: Worker, seconds: float = WATCH_SECONDS) -> None:
    """Find likely twins, what comes in heaps, and what owners of addresses refuse; tell staff."""
    deadline = time.monotonic() + seconds
    db.reading()  # counting them takes its time, and must hold up nobody
    if news := watch.new_refusals():
        _in_one_transaction(partial(watch.look_at_refusals, news))
    if any(pause.because for pause in groups.paused().values()):
        _in_one_transaction(watch.look_at_pauses)
    for step in (watch.look_at_signatures, watch.look_at_twins):
        while _in_one_transaction(step) and time.monotonic() < deadline:
            if worker.stopping.wait(BETWEEN_BATCHES):
                return


def remove(worker: Worker, seconds: float = REMOVE_SECONDS) -> int:
    """Take out, or put back, what staff's rules say, a batch in each transaction; how many signatures."""
    if not _removing.acquire(blocking=False):
        return 0  # another thread is at it
    try:
        deadline, moved = time.monotonic() + seconds, 0
        while not worker.stopping.is_set() and time.monotonic() < deadline:
            db.reading()
            if (batch := removals.next_batch()) is None:
                break
            moved += _in_one_transaction(partial(removals.work_off, batch))
            worker.stopping.wait(BETWEEN_BATCHES)
        return moved
    finally:
        _removing.release()


_removing = threading.Lock()


def make_files(worker: Worker) -> int:
    """Make the files that staff asked for, one after the other, and delete those that have had their day; how many."""
    made = 0
    if not _making.acquire(blocking=False):
        return made  # another thread is at it
    try:
        while not worker.stopping.is_set():
            db.reading()
            if not made_files.has_work() or (claimed := _in_one_transaction(made_files.claim)) is None:
                break
            made += _make(claimed, worker)
        db.reading()
        made_files.tidy()
        return made
    finally:
        _making.release()


_making = threading.Lock()


def _make(claimed: made_files.Claimed, worker: Worker) -> bool:
    """Write one file; False where it was cancelled, this worker ends, or the disk is full."""
    db.session.rollback()
    progress, told_at = made_files.Progress(), 0.0
    try:
        with contextlib.closing(made_files.write(claimed)) as steps:
            for progress in steps:
                if worker.stopping.is_set():
                    _in_one_transaction(partial(made_files.give_back, claimed))
                    return False
                if time.monotonic() - told_at > TELL_SECONDS:
                    if not _in_one_transaction(partial(made_files.went_on, claimed, progress)):
                        return False
                    told_at = time.monotonic()
    except OSError as error:
        log.error("a file of staff's was not written", extra={"cause": type(error).__name__})
        _in_one_transaction(partial(made_files.failed, claimed))
        return False
    return _in_one_transaction(partial(made_files.done, claimed, progress))


def import_signatures(worker: Worker) -> int:
    """Check, store, or take back what staff's files of signatures hold, a batch in each transaction; how many."""
    done = 0
    if not _importing.acquire(blocking=False):
        return done  # another thread is at it
    try:
        is_last = False
        while not is_last and not worker.stopping.is_set():
            is_last = True
            db.reading()
            for batch in importing.batches():
                db.session.rollback()
                if not _in_one_transaction(partial(importing.work_off, batch)):
                    break
                db.reading()
                done, is_last = done + 1, False
                if worker.stopping.wait(BETWEEN_IMPORTS):
                    break
        return done
    finally:
        _importing.release()


_importing = threading.Lock()


def expire_and_remind(worker: Worker, seconds: float = PAGES_SECONDS) -> Counter[str]:
    """End what can no longer be confirmed, and remind of what still can; how many of each.

    Both walk the same rows, so they take one thread, one after the other; what the seconds do not
    suffice for is done in the next run.
    """
    walk = _Walk(worker, seconds)
    campaigns = lifecycle.campaigns()
    done: Counter[str] = Counter()
    for each in campaigns:
        done["expired"] += walk(partial(lifecycle.due_to_expire, each), partial(lifecycle.expire, each))
    db.reading()
    if sending_pause.current():  # reminders would be put on top of those that wait, and may have left before
        return done
    reminders = lifecycle.Reminders()
    for each in campaigns:
        done["reminded"] += walk(partial(reminders.due, each), reminders.put)
    return done


def delete_when_sure(worker: Worker) -> int:
    """`delete_unconfirmed`, where the clock was left alone for an hour: one that leaps a year ahead deletes nothing."""
    return delete_unconfirmed(worker) if worker.clock.is_trusted(TRUSTED_AFTER_SECONDS) else 0


def delete_unconfirmed(worker: Worker, seconds: float = PAGES_SECONDS) -> int:
    """Delete, after thirty days, what people sent and nobody confirmed; how many signatures."""
    walk = _Walk(worker, seconds)
    deleted = 0
    for each in lifecycle.campaigns():
        for state in lifecycle.UNCONFIRMED:
            deleted += walk(partial(lifecycle.due_to_be_deleted, each, state), lifecycle.delete)
        walk(partial(lifecycle.due_to_be_emptied, each), lifecycle.empty)
    walk(lifecycle.due_to_be_dropped, lifecycle.drop)
    return deleted


def report(worker: Worker) -> int:
    """Queue the day's reports to officials who get them; how many. None while sending is paused."""
    count(worker)  # which campaigns have something new is seen in the counts
    db.reading()
    if sending_pause.current():
        return 0
    made = 0
    for due in reports.due():
        made += _in_one_transaction(partial(queue_report, **due))
        if worker.stopping.is_set():
            break
    return made


class _Walk:
    """Page by page: find the next ids while holding up nobody, then act on them in a transaction of their own."""

    def __init__(self, worker: Worker, seconds: float) -> None:
        self._stopping = worker.stopping
        self._deadline = time.monotonic() + seconds

    def __call__(self, find: Callable[[int], list[int]], act: Callable[[list[int]], int]) -> int:
        last = done = 0
        while not self._stopping.is_set() and time.monotonic() < self._deadline:
            db.reading()
            if not (ids := find(last)):
                break
            done += _in_one_transaction(partial(act, ids))
            last = ids[-1]
        return done


def look_where_we_are(worker: Worker) -> None:
    """When a worker starts: pause all sending if the database is a restored copy, and erase again whom it brought back.

    What is signed after this is known to be new.
    """
    _in_one_transaction(sending_pause.may_leave)
    keep_erased(worker)


def keep_erased(_worker: Worker) -> int:
    """Erase again whoever a restored database brought back; how many. Keep the journal on this machine too."""
    db.reading()
    lines = replay.missing().readable
    again = 0
    if lines:
        for address, line in replay.who_is_back(lines):
            again += _in_one_transaction(partial(erasure.erase_again, address, line))
        _in_one_transaction(partial(erasure.enter, lines))
        if again:
            log.warning("erased again what a restored database brought back", extra={"persons": again})
    db.reading()
    replay.fetch()
    return again


def forget(_worker: Worker) -> None:
    """Destroy what was kept only for limits, and what came in by mail long ago."""
    _in_one_transaction(limits.forget_old)
    _in_one_transaction(proof.forget_expired)
    _in_one_transaction(allowance.forget_old)
    _in_one_transaction(trends.forget_old)
    _in_one_transaction(removals.forget_abandoned)
    _in_one_transaction(importing.forget_old)
    _in_one_transaction(drafts.forget_old)
    _in_one_transaction(staging.forget_old)
    _in_one_transaction(signed_in.forget_old)
    _delete_old_mail()


def _in_one_transaction(work: Callable[[], T]) -> T:
    db.writing()
    result = work()
    db.session.commit()
    return result


JOBS: dict[str, Callable[[Worker], Any]] = {
    "keep_erased": keep_erased,
    "deliver": deliver,
    "count": count,
    "end_dead_leases": end_dead_leases,
    "stop_letters": stop_letters,
    "close_campaigns": close_campaigns,
    "rest": rest,
    "fetch_mail": fetch_mail,
    "handle_mail": handle_mail,
    "watch": watch_signing,
    "remove": remove,
    "make_files": make_files,
    "import_signatures": import_signatures,
    "expire_and_remind": expire_and_remind,
    "report": report,
    "delete_unconfirmed": delete_when_sure,
    "forget": forget,
}
