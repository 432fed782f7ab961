"""When a file was made: what a copy of it, at whatever place and with whatever dates, cannot share.

The number of an inode cannot serve for that: a file that takes another's place often gets the same.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_HERE = -100
_BIRTH = 0x800
_SIZE = 256
"""AT_FDCWD, STATX_BTIME and the size of `struct statx`: see statx(2), <linux/stat.h>."""


def birth_of(file: Path) -> str | None:
    """Seconds and nanoseconds as text; None where the system or its file system does not know.

    By the path: to open and close a database's file would end SQLite's own locks on it.
    """
    try:
        statx = ctypes.CDLL(None, use_errno=True).statx
    except (AttributeError, OSError):  # no Linux, or a C library that has none
        return None
    found = ctypes.create_string_buffer(_SIZE)
    if statx(_HERE, os.fsencode(file), 0, _BIRTH, found) != 0:
        return None
    if not _number(found.raw[0:4]) & _BIRTH:
        return None
    return f"{_number(found.raw[0x50:0x58])}.{_number(found.raw[0x58:0x5C]):09}"


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, sys.byteorder)
