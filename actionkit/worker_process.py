"""`actionkit worker`: all jobs in one process, until SIGTERM.

Celery's worker, its thread pool and its beat run over an in-process broker: 40 MB, no file, no
child process, so that a kill leaves nothing behind. More threads than senders, so that counting
is never starved by mail servers that take their time.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
from typing import Any

from celery import Celery
from celery.app import trace
from celery.beat import EmbeddedService
from celery.worker import WorkController, state
from flask import Flask

from actionkit import celery_app, jobs
from actionkit.delivery.worker import Worker

log = logging.getLogger(__name__)

GRACE_SECONDS = 25.0
"""How long a letter in flight may take after SIGTERM; then its connection is cut."""
HARD_SECONDS = 29.0
SPARE_THREADS = 5
"""For all other jobs: those that take their time must not keep the count waiting."""
NAME = "actionkit@localhost"


class Signals:
    """SIGTERM and SIGINT, remembered from the first moment, however many come."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[int] = queue.SimpleQueue()  # its put() is safe in a handler
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _frame: self._asked.put(received))

    def wait(self) -> None:
        self._asked.get()

    @staticmethod
    def ignore_more() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)


def run(app: Flask, signals: Signals) -> int:
    """Run all jobs until a signal comes; the exit status (0 after a signal)."""
    celery: Celery = app.extensions["celery"]
    worker: Worker = app.extensions["delivery_worker"]
    _quiet()
    trace.setup_worker_optimizations(celery, NAME)
    stoppable: Any = state
    stoppable.should_stop = None
    controller = WorkController(
        app=celery,
        hostname=NAME,
        loglevel=logging.WARNING,
        pool="threads",
        concurrency=app.config["ACTIONKIT"].worker_senders + SPARE_THREADS,
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
    )
    beat: Any = EmbeddedService(celery, thread=True, scheduler_cls="celery.beat:Scheduler")
    finished = threading.Event()

    def stop_when_asked() -> None:
        signals.wait()
        log.info("worker stopping")
        worker.stopping.set()
        stoppable.should_stop = 0
        beat.service.stop(wait=False)
        if not finished.wait(GRACE_SECONDS):
            worker.cut()
            if not finished.wait(HARD_SECONDS - GRACE_SECONDS):
                os._exit(0)  # every outcome that is known is stored; the rest is left to its lease

    threading.Thread(target=stop_when_asked, name="stopper", daemon=True).start()
    _before_the_first_mail(app, worker)
    log.info("worker started", extra={"senders": app.config["ACTIONKIT"].worker_senders})
    beat.start()
    celery_app.run_rare_ones(celery)
    controller.start()
    finished.set()
    died = not worker.stopping.is_set()
    beat.service.stop(wait=False)
    beat.join(3)
    worker.close()
    Signals.ignore_more()
    log.info("worker stopped")
    return 1 if died else 0


def _before_the_first_mail(app: Flask, worker: Worker) -> None:
    """Notice a restored database, and erase again whom it brought back."""
    with app.app_context():
        try:
            jobs.look_where_we_are(worker)
        except Exception as error:  # a database away is no reason to give up: both are done again before long
            log.error("not looked whether the database is a copy", extra={"cause": type(error).__name__})


def _quiet() -> None:
    """Celery's own notes are about tasks, and ours carry nothing."""
    for name in ("celery", "kombu", "amqp"):
        logging.getLogger(name).setLevel(logging.WARNING)
