"""`actionkit worker --drain`: every job once, in the order in which one makes work for the next."""

from __future__ import annotations

import math
import threading
from collections import Counter

import sqlalchemy as sa
from flask import Flask, current_app

from actionkit import db, jobs
from actionkit.delivery.models import Outgoing, State
from actionkit.delivery.worker import Worker


def do_what_is_due(app: Flask) -> Counter[str]:
    """Do everything that is due now, once, and return the totals by outcome.

    Keeps the pace and every waiting time: what is not due stays. Ends when nothing is due, or
    when the relay is in trouble.
    """
    worker: Worker = app.extensions["delivery_worker"]
    totals: Counter[str] = Counter()
    lock = threading.Lock()
    faults: list[BaseException] = []

    def send() -> None:
        try:
            with app.app_context():
                ended = worker.deliver_due()
            with lock:
                totals.update(ended)
        except BaseException as fault:
            faults.append(fault)

    jobs.look_where_we_are(worker)
    jobs.end_dead_leases(worker)
    jobs.stop_letters(worker)
    jobs.report(worker)
    jobs.rest(worker)
    jobs.close_campaigns(worker)
    jobs.fetch_mail(worker)
    totals.update({f"incoming {state}": n for state, n in jobs.handle_mail(worker).items()})
    jobs.watch_signing(worker, math.inf)
    jobs.remove(worker, math.inf)
    jobs.import_signatures(worker)
    jobs.make_files(worker)
    totals.update(jobs.expire_and_remind(worker, math.inf))
    worker.keep_leases(app)
    threads = [
        threading.Thread(target=send, name=f"sender-{n}") for n in range(current_app.config["ACTIONKIT"].worker_senders)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    worker.close()
    if faults:
        raise faults[0]
    totals["counted"] = jobs.count(worker)
    totals["deleted"] = jobs.delete_unconfirmed(worker, math.inf)
    jobs.forget(worker)
    totals["still queued"] = db.session.execute(
        sa.select(sa.func.count()).where(Outgoing.state == State.QUEUED)
    ).scalar_one()
    for rare in ("deleted", "expired", "reminded"):
        if not totals[rare]:
            del totals[rare]
    return totals
