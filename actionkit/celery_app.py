"""The jobs as Celery tasks, in both sizes of installation.

Inside `actionkit worker` over an in-process broker, or on many machines over RabbitMQ or Redis. A
message carries nothing but "there may be work", so a broker that is killed and emptied loses
nothing: the next tick asks the ledger again.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from celery import Celery, Task, signals
from celery.schedules import schedule
from flask import Flask

from actionkit import clock, db, jobs, logs, one_beat
from actionkit.delivery.worker import Worker
from config import Config

log = logging.getLogger(__name__)

SHORTEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 2, 60
"""A tick that no thread took within half of its job's rhythm, but at least and at most so long, is dropped."""
GRACE_SECONDS = 25.0
"""How long a letter in flight may take after SIGTERM; then its connection is cut."""
SPARE_THREADS = 7
"""For all other jobs: those that take their time must not keep the count waiting."""
RARE_SECONDS = 2
"""A job with a longer rhythm also runs when a worker starts: one that is restarted often must not miss it."""


def make_celery(app: Flask) -> Celery:
    """The Celery application with one task per job.

    A tick that waited too long is dropped, by Celery when it is received and by `_Job` when a
    thread takes it: another one has come meanwhile.
    """
    config: Config = app.config["ACTIONKIT"]
    worker = Worker(jobs.RENDERERS)
    app.extensions["delivery_worker"] = worker
    senders = threading.BoundedSemaphore(config.worker_senders)

    class _Job(Task):  # type: ignore[type-arg]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            expires: Any = self.request.expires
            if worker.stopping.is_set() or (expires and _is_past(expires)):
                return None
            with app.app_context():
                return super().__call__(*args, **kwargs)

    os.environ.pop("CELERY_BROKER_URL", None)  # it would silently win over our own setting
    celery: Any = Celery("actionkit", fixups=[], task_cls=_Job, set_as_current=False)
    celery.conf.update(
        broker_url=config.broker_url if config.broker_url != "memory://" else "memory://localhost/",
        broker_transport_options=_transport_options(config.broker_url),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a broker may be away for as long as it likes
        task_ignore_result=True,
        task_default_delivery_mode="transient",  # a tick is not worth a broker's disk
        task_default_queue="actionkit",
        worker_pool="threads",
        worker_concurrency=config.worker_senders + SPARE_THREADS,
        worker_prefetch_multiplier=1,  # what a thread does not take at once is for another machine
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        timezone="UTC",
    )
    celery.conf.beat_schedule = _schedule(celery, config.worker_senders)
    celery.conf.beat_scheduler = one_beat.scheduler(app) if has_broker(config) else "celery.beat:Scheduler"
    if has_broker(config):
        _heed_celerys_command(app, worker)

    def task(name: str, job: Callable[[Worker], Any]) -> None:
        def run() -> None:
            """A job that fails is logged without what it held, and runs again at its next tick."""
            try:
                if name != "deliver":
                    job(worker)
                elif senders.acquire(blocking=False):
                    try:
                        worker.keep_leases(app)
                        job(worker)
                    finally:
                        senders.release()
            except Exception as error:
                db.session.rollback()
                log.error(
                    "job failed", extra={"job": name, "cause": type(error).__name__, "places": logs.places(error)}
                )

        celery.task(run, name=f"actionkit.{name}")

    for name, job in jobs.JOBS.items():
        task(name, job)
    return celery


def has_broker(config: Config) -> bool:
    """Whether ticks go to workers in other processes; without, each worker asks itself for all jobs."""
    return not config.broker_url.startswith("memory://")


def _heed_celerys_command(app: Flask, worker: Worker) -> None:
    """`celery worker` begins and ends as `actionkit worker` does: with a look where we are, with the letter in hand."""

    def begin(**_said: Any) -> None:
        look_where_we_are(app, worker)

    def end(**_said: Any) -> None:
        worker.stopping.set()
        cut = threading.Timer(GRACE_SECONDS, worker.cut)
        cut.daemon = True
        cut.start()

    signals.worker_init.connect(begin, weak=False)
    signals.worker_shutting_down.connect(end, weak=False)


def look_where_we_are(app: Flask, worker: Worker) -> None:
    """Before the first mail: notice a restored database, and erase again whom it brought back."""
    with app.app_context():
        try:
            jobs.look_where_we_are(worker)
        except Exception as error:  # a database away is no reason to give up: both are done again before long
            log.error("not looked whether the database is a copy", extra={"cause": type(error).__name__})


def _schedule(celery: Any, senders: int) -> dict[str, dict[str, Any]]:
    """Each job at its rhythm; `deliver` once for each sender: those that find nothing to do end at once.

    Rhythms are counted on the clock that only runs: with Celery's own, all jobs would rest for as
    long as somebody has set the time of day back.
    """
    names = [name for name in jobs.RHYTHM if name != "deliver"] + ["deliver"] * senders
    return {
        f"{name}-{n}": {
            "task": f"actionkit.{name}",
            "schedule": schedule(jobs.RHYTHM[name], nowfun=clock.steady_now, app=celery),
            "options": {"expires": _patience(name)},
        }
        for n, name in enumerate(names)
    }


def _patience(name: str) -> float:
    return min(max(jobs.RHYTHM[name] / 2, SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)


def run_rare_ones(celery: Celery) -> None:
    """Ask for one run of each job that beat would first run after a while."""
    for name, seconds in jobs.RHYTHM.items():
        if seconds > RARE_SECONDS:
            celery.send_task(f"actionkit.{name}", expires=_patience(name))


def _transport_options(broker_url: str) -> dict[str, Any]:
    if broker_url.startswith("redis"):
        # By default Celery gives back what a dead worker had fetched after an hour, and scans rarely.
        return {
            "visibility_timeout": 60,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "unacked_mutex_expire": 10,
        }
    return {"polling_interval": 0.2} if broker_url.startswith("memory") else {}


def _is_past(moment: str | dt.datetime) -> bool:
    parsed = moment if isinstance(moment, dt.datetime) else dt.datetime.fromisoformat(moment)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=dt.UTC)
    return parsed < db.now()
