"""How the web application is served: `gunicorn --config python:actionkit.gunicorn_settings wsgi:app`.

One place for `make run`, the service files, the benchmarks and the tests; the command line may
override each of them. Why gunicorn: docs/decisions/0004-wsgi-server.md.
"""

import gc
import resource
import sys

bind = "127.0.0.1:8000"
workers = 2
"""Processes; one for each processor core."""
threads = 8
worker_class = "actionkit.patient_worker.PatientWorker"
graceful_timeout = 20
"""Seconds that requests in flight have to finish after SIGTERM."""
loglevel = "error"
"""gunicorn's warnings quote addresses and paths, which no log of ours may hold."""
control_socket_disable = True
forwarder_headers = ""
"""None: a client must not say under which path we are."""
worker_connections = 800
MOST_FILES = 65_536


def when_ready(_server: object) -> None:
    """Leave what was loaded out of every later search for garbage, and its memory shared."""
    gc.collect()
    gc.freeze()


def post_fork(_server: object, _worker: object) -> None:
    """Let a thread that comes back from the database wait half a millisecond for its turn, not five.

    It may hold SQLite's only writer's place meanwhile. And let it have a file for each connection:
    who waits costs one, and the usual limit of 1,024 is soon reached.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    sys.setswitchinterval(0.000_5)
