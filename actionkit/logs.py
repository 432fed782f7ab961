"""Log lines: one JSON object per event on standard error, without personal data.

A request is logged by its rule (`/confirm/<token>`), never by its path, query, body or
client address.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
import time

from flask import Flask, Response, g, request

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One line of JSON per record: time, level, logger, event, and whatever `extra` named."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update((k, v) for k, v in vars(record).items() if k not in _STANDARD)
        if record.exc_info and record.exc_info[0]:
            line["cause"] = record.exc_info[0].__name__  # never its text: it may quote a person
        return json.dumps(line, ensure_ascii=True, default=str)


def places(error: BaseException) -> list[str]:
    """Where in the code an error came from, innermost last; never what it says or holds."""
    found, step = [], error.__traceback__
    while step:
        found.append(f"{step.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{step.tb_lineno}")
        step = step.tb_next
    return found[-12:]


def to_stderr(level: int = logging.INFO) -> None:
    """Send every logger's records to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # What no line of ours shows, and each would pay for (Python's logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


_requests = logging.getLogger("actionkit.requests")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


def write_request(method: str, rule: str | None, status: int, began: float) -> None:
    """One line for a request that began at `began` (of `time.perf_counter`)."""
    _requests.info(
        "request",
        extra={
            "method": method if method in _METHODS else "other",
            "rule": rule,
            "status": status,
            "ms": round((time.perf_counter() - began) * 1000, 1),
        },
    )


def init_app(app: Flask) -> None:
    @app.before_request
    def start_clock() -> None:
        g.request_began = time.perf_counter()

    @app.after_request
    def write_line(response: Response) -> Response:
        if request.endpoint not in ("static", "health.healthz"):
            rule = request.url_rule.rule if request.url_rule else None
            write_request(request.method, rule, response.status_code, g.get("request_began") or time.perf_counter())
        return response
