"""What the rig does inside the product's processes, which import this module when they start.

Two things, each under its environment variable: another time of day, and names that do not resolve.
The time that only runs (`time.monotonic`) stays as it is, as it does on a machine whose clock leaps.
"""

import ctypes
import datetime
import gc
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLOCK = os.environ.get("RIG_CLOCK")
"""A file that says by how many seconds the time of day differs from the true one."""
NO_NAMES = os.environ.get("RIG_NO_NAMES")
"""A file; while it exists no name resolves."""
LOOKUPS = os.environ.get("RIG_LOOKUPS", "")
"""A file to which each look-up that was refused is added, with the process that wanted it."""
READY = "(ready)"
"""What stands there for a process in which the fault is in force."""


# ---------------------------------------------------------------- time of day


def _shift_clock(file: Path) -> None:
    true_time = time.time

    def shown() -> float:
        return true_time() + float(file.read_text())

    def now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
        return cls.fromtimestamp(shown(), tz)

    def utcnow(cls: type[datetime.datetime]) -> datetime.datetime:
        return cls.fromtimestamp(shown(), datetime.UTC).replace(tzinfo=None)

    time.time = shown
    time.time_ns = lambda: int(shown() * 1_000_000_000)
    _replace_time_of("gmtime")
    _replace_time_of("localtime")
    # The class itself must stay, since everything asks for instances of it; so its methods are replaced,
    # in the dictionary that a class written in C shows to nobody else. `today` asks `time.time` by itself.
    (methods,) = gc.get_referents(datetime.datetime.__dict__)
    methods |= {"now": classmethod(now), "utcnow": classmethod(utcnow)}
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))


def _replace_time_of(name: str) -> None:
    true: Callable[[float], time.struct_time] = getattr(time, name)
    setattr(time, name, lambda seconds=None: true(time.time() if seconds is None else seconds))


# ---------------------------------------------------------------- names


def _refuse_names(gone: Path, log: Path) -> None:
    _note(log, READY)
    for function in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
        setattr(socket, function, _refusing(getattr(socket, function), gone, log))


def _refusing(look_up: Callable[..., Any], gone: Path, log: Path) -> Callable[..., Any]:
    def refuse_or_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_number(host) or not gone.exists():
            return look_up(host, *args, **kwargs)
        _note(log, str(host))
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    return refuse_or_look_up


def _note(log: Path, what: str) -> None:
    with log.open("a") as out:
        out.write(f"{' '.join(sys.orig_argv)}: {what}\n")


def _is_number(host: object) -> bool:
    """Whether an address needs no look-up."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, str(host or "127.0.0.1"))
            return True
        except OSError:
            continue
    return False


if CLOCK:
    _shift_clock(Path(CLOCK))
if NO_NAMES:
    _refuse_names(Path(NO_NAMES), Path(LOOKUPS))
