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

from actionkit import celery_app
from actionkit.celery_app import GRACE_SECONDS
from actionkit.delivery.worker import Worker

log = logging.getLogger(__name__)

HARD_SECONDS = 29.0
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
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
    )
    beat: Any = EmbeddedService(celery, thread=True, scheduler_cls=celery.conf.beat_scheduler)
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
    celery_app.look_where_we_are(app, worker)
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


def _quiet() -> None:
    """Celery's own notes are about tasks, and ours carry nothing."""
    for name in ("celery", "kombu", "amqp"):
        logging.getLogger(name).setLevel(logging.WARNING)
