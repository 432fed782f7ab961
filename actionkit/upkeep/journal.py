"""The erase journal: a file beside the database that says who was erased, without saying who.

A database that is restored from a backup brings back whoever was erased since. So each erasure
leaves a line outside of it: the moment, and an HMAC of the canonical address. Who is found in a
database again is recognised by it; see `replay`.

The HMAC's key is derived from SECRET_KEY, which stands in no file of the instance folder in
production: the journal alone, lost with a backup, does not let anybody try out addresses. A line
names its key, and keys from before (SECRET_KEY_FALLBACKS) are tried too. See
docs/decisions/0014-erasure-and-restore.md.
"""

from __future__ import annotations

import datetime as dt
import hmac
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flask import current_app

from actionkit.upkeep.folders import fsync_folder

_LINE = re.compile(r"(\S+) ([0-9a-f]{8}) ([0-9a-f]{64})")


class NotAJournal(ValueError):
    """A line that no journal of ours holds; the text says which."""


@dataclass(frozen=True, order=True)
class Line:
    """One erasure: whoever has this digest under this key, and was stored before this moment."""

    erased_at: dt.datetime
    key_id: str
    digest: str

    def __str__(self) -> str:
        return f"{self.erased_at.astimezone(dt.UTC).isoformat(timespec='microseconds')} {self.key_id} {self.digest}"


# ---------------------------------------------------------------- keys


@dataclass(frozen=True)
class Key:
    id: str
    secret: bytes

    def digest(self, address: str) -> str:
        """What stands in the journal for a canonical address."""
        return hmac.digest(self.secret, address.encode(), "sha256").hex()


def known_keys() -> list[Key]:
    """The key of today, and those of the fallbacks."""
    secrets = [current_app.config["SECRET_KEY"], *current_app.config["SECRET_KEY_FALLBACKS"]]
    derived = [hmac.digest(secret.encode(), b"actionkit.erase-journal", "sha256") for secret in secrets]
    return [Key(hmac.digest(key, b"id", "sha256").hex()[:8], key) for key in derived]


def line_for(address: str, erased_at: dt.datetime) -> Line:
    key = known_keys()[0]
    return Line(erased_at, key.id, key.digest(address))


# ---------------------------------------------------------------- the file


def file() -> Path:
    folder: Path = current_app.config["ACTIONKIT"].instance
    return folder / "erased" / "journal"


def read() -> set[Line]:
    """Every line there is. One that broke off, when a disk was full, was never answered for and is no line."""
    try:
        text = file().read_text()
    except FileNotFoundError:
        return set()
    return {line for each in text.splitlines() if (line := _parse(each)) is not None}


def parse(text: str) -> set[Line]:
    """The lines of a journal from elsewhere. Raises `NotAJournal` with the number of a line that is none."""
    lines = set()
    for number, each in enumerate(text.splitlines(), 1):
        if not each:
            continue
        if (line := _parse(each)) is None:
            raise NotAJournal(f"line {number} is none of an erase journal")
        lines.add(line)
    return lines


def _parse(text: str) -> Line | None:
    if not (found := _LINE.fullmatch(text)):
        return None
    try:
        at = dt.datetime.fromisoformat(found[1])
    except ValueError:
        return None
    return Line(at.astimezone(dt.UTC), found[2], found[3]) if at.tzinfo else None


def append(lines: Iterable[Line]) -> None:
    """Write lines so that they outlive a power cut, before whoever asked is answered. Raises `OSError`."""
    # Begins with a line break: what was cut off in the middle before must not swallow the first of these.
    text = "".join(f"\n{line}" for line in sorted(lines)) + "\n"
    folder = file().parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    is_new = not file().exists()
    handle = os.open(file(), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        raw = text.encode()
        if os.write(handle, raw) != len(raw):
            raise OSError("the erase journal could not be written whole")
        os.fsync(handle)
    finally:
        os.close(handle)
    if is_new:
        for place in (folder, folder.parent):
            fsync_folder(place)
