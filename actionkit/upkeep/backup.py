"""A copy of the SQLite database while it is in use: one moment of it, and whole or not there."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from actionkit.upkeep.folders import fsync_folder


class Unusable(Exception):
    """The copy cannot be made there, or is not whole; the text says why."""


def copy(database: Path, target: Path) -> int:
    """Copy the database to a file that its owner alone may read; its size in bytes.

    SQLite's own backup in one step: it sees one moment, and nobody waits for it. The file takes its
    name when it is whole and on the disk, and replaces one that has it. Raises `Unusable`.
    """
    if target.resolve() == database.resolve():
        raise Unusable("this is the database itself")
    if not target.parent.is_dir():
        raise Unusable(f"there is no folder {target.parent}")
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        draft.touch(mode=0o600, exist_ok=False)
        _copy_whole(database, draft)
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        size = draft.stat().st_size
        draft.replace(target)
        fsync_folder(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise Unusable(f"{type(error).__name__}: {error}") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return size


def _copy_whole(database: Path, draft: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as source, contextlib.closing(sqlite3.connect(draft)) as made:
        source.backup(made)
        made.execute("PRAGMA journal_mode=DELETE").close()  # one file, with nothing beside it
        if made.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise Unusable("the copy is damaged, and so may be the database (PRAGMA quick_check)")
