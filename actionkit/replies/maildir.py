"""A maildir as a place where mail comes in: from `new` to `cur` only when it is stored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from actionkit.replies.intake import MOST_BYTES

MOST_FILES = 200
"""In one run of the job."""


def new_files(maildir: Path) -> Iterator[tuple[Path, bytes]]:
    """The mails that nobody has taken yet, each with its bytes. Raises `OSError` where there is no maildir."""
    for file in sorted((maildir / "new").iterdir())[:MOST_FILES]:
        try:
            with file.open("rb") as mail:
                yield file, mail.read(MOST_BYTES + 1)
        except FileNotFoundError:
            continue  # another worker was quicker


def mark_taken(file: Path) -> None:
    """Move a stored mail to `cur`, marked as seen, as the format wants."""
    name = file.name.partition(":")[0]
    try:
        file.rename(file.parent.parent / "cur" / f"{name}:2,S")
    except FileNotFoundError:
        return  # another worker was quicker; both stored the same


def delete_old(maildir: Path, seconds: float) -> int:
    """Delete what was taken so long ago; how many files. The maildir is ours alone: see docs/replies.md."""
    deleted = 0
    for file in (maildir / "cur").iterdir():
        if file.stat().st_mtime < time.time() - seconds:
            file.unlink(missing_ok=True)
            deleted += 1
    return deleted
