"""Noticing that the database is a restored copy: older than what has left, perhaps.

Two marks tell. The *place*: the row of `Sending` says where the database stood, as a copy cannot
say it (the birth of SQLite's file; PostgreSQL's system, database and table). The *generation*: it
rises with every claim, and a file in the instance folder keeps the highest that this machine has
seen; a database that was put back into its old place knows less than the file.

Which copies are seen by which mark, and which by none: docs/backup.md.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
from pathlib import Path

import sqlalchemy as sa
from flask import current_app

from actionkit import db
from actionkit.delivery.file_birth import birth_of
from actionkit.delivery.models import Outgoing, PauseReason, Sending
from config import Config

log = logging.getLogger(__name__)

ONLY = 1
"""The id of the one row."""
LEAP = 1_000_000_000
"""Generations that a noticed copy leaps ahead: no machine's file knows more, also one that was off meanwhile."""

Place = dict[str, str]


def look() -> Sending:
    """The row as it is now, made at the first look. A copy that is noticed is paused, in the transaction at hand.

    Several workers may look at once: the one whose update wins has noticed.
    """
    here = _place()
    row = read()
    if row is None:
        made = db.insert(Sending).values(
            id=ONLY, ledger_id=db.new_public_id(), place=here, generation=0, raised_at=db.now(), paused_because=""
        )
        db.session.execute(made.on_conflict_do_nothing())
        row = read()
        assert row is not None
    seen = _Seen(row.ledger_id)
    if _is_copy(row, here, seen.generation):
        _notice(row, here, seen.generation)
        row = read()
        assert row is not None
    elif row.generation > seen.generation:
        seen.keep(row.generation)
    return row


def read() -> Sending | None:
    """The row as the database has it; None before any worker has looked. Changes nothing."""
    return db.session.scalar(sa.select(Sending).where(Sending.id == ONLY).execution_options(populate_existing=True))


def is_copy() -> bool:
    """Whether the next worker will notice that this is a copy. Changes nothing."""
    row = read()
    return row is not None and _is_copy(row, _place(), _Seen(row.ledger_id).generation)


def claimed() -> None:
    """Mails have been claimed, in the transaction at hand: what is older than this is older than what leaves."""
    db.rows_changed(
        sa.update(Sending).where(Sending.id == ONLY).values(generation=Sending.generation + 1, raised_at=db.now())
    )


def _is_copy(row: Sending, here: Place, seen: int) -> bool:
    # By what both know: a right to look at PostgreSQL's system may have been given or taken meanwhile.
    known = row.place.keys() & here.keys()
    return not known or any(row.place[key] != here[key] for key in known) or row.generation < seen


def _notice(row: Sending, here: Place, seen: int) -> None:
    """Take the copy's new place as its own, and pause; a copy that brought no mail along has nothing to lose."""
    values: dict[str, object] = {"place": here, "generation": max(row.generation, seen) + LEAP}
    has_mails = db.session.scalar(_brought_along(row.place, here).limit(1)) is not None
    if has_mails:
        values |= {"paused_at": db.now(), "paused_because": PauseReason.RESTORED}
    won = db.rows_changed(
        sa.update(Sending).where(Sending.id == ONLY, Sending.generation == row.generation).values(values)
    )
    if won and has_mails:
        log.error("this database is a restored copy", extra={"last_sent_at": row.raised_at.isoformat()})


def _brought_along(before: Place, here: Place) -> sa.Select[int]:
    """Mails of the original: all there are, but those that are younger than the copy where its birth is known."""
    mails = sa.select(Outgoing.id)
    if "birth" not in here or before.get("birth") == here["birth"]:
        return mails
    return mails.where(Outgoing.created_at <= dt.datetime.fromtimestamp(float(here["birth"]), dt.UTC))


# ---------------------------------------------------------------- place


def _place() -> Place:
    config: Config = current_app.config["ACTIONKIT"]
    return _place_of_file(config.database_file) if config.is_sqlite else _place_in_postgresql()


def _place_of_file(file: Path) -> Place:
    birth = birth_of(file)
    return {"birth": birth} if birth else {"inode": str(file.stat().st_ino), "path": str(file)}


def _place_in_postgresql() -> Place:
    """A dump that is restored makes new tables, in whichever database; a server that is made anew, a new system."""
    row = db.session.execute(
        sa.text(
            "SELECT d.oid AS database, CAST('delivery_sending' AS regclass)::oid AS table,"
            " has_function_privilege('pg_control_system()', 'execute') AS may_look"
            " FROM pg_database d WHERE d.datname = current_database()"
        )
    ).one()
    place = {"database": str(row.database), "table": str(row.table)}
    if row.may_look:
        system = db.session.execute(sa.text("SELECT system_identifier FROM pg_control_system()")).scalar_one()
        place["system"] = str(system)
    return place


# ---------------------------------------------------------------- generation


class _Seen:
    """The highest generation of a ledger that this machine has seen committed, in its instance folder.

    Not waited for on the disk: a power cut that loses it loses a mark, and no mail.
    """

    def __init__(self, ledger_id: str) -> None:
        config: Config = current_app.config["ACTIONKIT"]
        self._file = config.instance / "generations" / ledger_id
        try:
            self.generation = int(self._file.read_text() or 0)
        except (OSError, ValueError):  # none yet, or a folder that does not outlive its container
            self.generation = 0

    def keep(self, generation: int) -> None:
        draft = self._file.with_name(f".{self._file.name}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(f"{generation}\n")
            draft.replace(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            log.warning("the ledger's generation is not kept", extra={"cause": type(error).__name__})
