"""Files that a job makes: asked for on a page, written with progress, kept for a day, deleted.

A file is written under the name of the one who makes it (`ID.LEASE.part`) and takes its own name when
it is whole and on the disk. Every step is a conditional update of its row in `exports`: whoever was
cancelled, or given up for dead, finds that the row is no longer his, and throws away what he wrote.
Files hold supporters' data: readable by their owner alone, in a folder of their own, and gone at the
erasure of anyone whose signature may be in them. See docs/export.md.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import zlib
from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import current_app

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.exports import letters_csv, signatures_csv
from actionkit.exports.csv_parts import Part
from actionkit.exports.models import Contents, Export, ExportState
from actionkit.exports.wanted import Wanted
from actionkit.staff import audit

KEPT_FOR = dt.timedelta(days=1)
LISTED_FOR = dt.timedelta(days=30)
LEASE = dt.timedelta(seconds=60)
MOST_TRIES = 3
MOST_AT_ONCE = 5
"""Files that one member may have waiting or being made."""
PACKING = 4
"""zlib's level: half the time of the usual 6, for a file a twentieth larger."""

IN_WORK = (ExportState.WAITING, ExportState.MAKING)


# ---------------------------------------------------------------- asked for


def add(campaign_id: int, contents: Contents, wanted: Wanted, staff_id: int | None) -> Export | None:
    """Ask for a file; None where this member waits for enough of them."""
    mine = sa.select(sa.func.count()).where(Export.staff_id == staff_id, Export.state.in_(IN_WORK))
    if db.session.execute(mine).scalar_one() >= MOST_AT_ONCE:
        return None
    export = Export(
        public_id=db.new_public_id(),
        campaign_id=campaign_id,
        contents=contents.value,
        wanted=wanted.stored(),
        staff_id=staff_id,
        state=ExportState.WAITING.value,
    )
    db.session.add(export)
    return export


def find(campaign_id: int, public_id: str, staff_id: int | None) -> Export | None:
    """One of this member's own."""
    return db.session.scalar(
        sa.select(Export).where(
            Export.public_id == public_id, Export.campaign_id == campaign_id, Export.staff_id == staff_id
        )
    )


def of_member(campaign_id: int, staff_id: int | None) -> list[Export]:
    """Her files of this campaign of the last days, the latest first."""
    mine = (Export.campaign_id == campaign_id, Export.staff_id == staff_id, Export.created_at > db.now() - LISTED_FOR)
    return list(db.session.scalars(sa.select(Export).where(*mine).order_by(Export.id.desc()).limit(20)))


def cancel(export: Export) -> bool:
    """Make no more of it; False if it has ended."""
    return _move(export.id, Export.state.in_(IN_WORK), state=ExportState.CANCELLED, ended_at=db.now())


def delete(export: Export) -> bool:
    """Let go of a file that is done; False if there is none."""
    is_gone = _move(export.id, Export.state == ExportState.DONE, state=ExportState.GONE)
    if is_gone:
        _unlink(file_of(export))
    return is_gone


def forget(campaign_ids: Collection[int]) -> None:
    """Somebody who signed these campaigns is erased: no file that may hold her can be had from now on.

    Those that are being made are made anew. Files on other machines are deleted by their own worker.
    """
    of_these = Export.campaign_id.in_(campaign_ids)
    for export in db.session.scalars(sa.select(Export).where(of_these, Export.state == ExportState.DONE)):
        _unlink(file_of(export))
    db.rows_changed(sa.update(Export).where(of_these, Export.state == ExportState.DONE).values(state=ExportState.GONE))
    again = {"state": ExportState.WAITING, "lease": "", "lease_until": None}
    db.rows_changed(sa.update(Export).where(of_these, Export.state == ExportState.MAKING).values(again))


def _move(export_id: int, *still: sa.ColumnElement[bool], **values: Any) -> bool:
    return bool(db.rows_changed(sa.update(Export).where(Export.id == export_id, *still).values(values)))


# ---------------------------------------------------------------- the files


def folder() -> Path:
    instance: Path = current_app.config["ACTIONKIT"].instance
    return instance / "exports"


def file_of(export: Export) -> Path:
    return folder() / f"{export.public_id}{Wanted.of(export.wanted).ending}"


def is_there(export: Export) -> bool:
    """Whether its file can be had on this machine now."""
    is_young = export.expires_at is not None and export.expires_at > db.now()
    return export.state == ExportState.DONE and is_young and file_of(export).exists()


def _unlink(file: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        file.unlink()


# ---------------------------------------------------------------- the job


@dataclass(frozen=True)
class Claimed:
    """A file that is ours to make, for as long as the lease is renewed."""

    id: int
    public_id: str
    campaign_id: int
    contents: str
    wanted: Wanted
    lease: str

    @property
    def is_ours(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (Export.id == self.id, Export.state == ExportState.MAKING, Export.lease == self.lease)

    @property
    def draft(self) -> Path:
        return folder() / f"{self.public_id}.{self.lease}.part"

    @property
    def file(self) -> Path:
        return folder() / f"{self.public_id}{self.wanted.ending}"


def _is_due(moment: dt.datetime) -> sa.ColumnElement[bool]:
    is_orphan = sa.and_(Export.state == ExportState.MAKING, Export.lease_until < moment)
    return sa.or_(Export.state == ExportState.WAITING, is_orphan)


def _is_over(moment: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(Export.state == ExportState.DONE, Export.expires_at <= moment)


def has_work() -> bool:
    """Whether a file is to be made, or has had its day. Only reads."""
    moment = db.now()
    return bool(db.session.scalar(sa.select(Export.id).where(sa.or_(_is_due(moment), _is_over(moment))).limit(1)))


def claim() -> Claimed | None:
    """Take the next file to make, or one whose maker died; None where there is none. Ends the day of old ones."""
    moment = db.now()
    is_due = _is_due(moment)
    db.rows_changed(sa.update(Export).where(_is_over(moment)).values(state=ExportState.GONE))
    worn_out = sa.update(Export).where(is_due, Export.tries >= MOST_TRIES)
    db.rows_changed(worn_out.values(state=ExportState.FAILED, ended_at=moment))
    export = db.session.scalar(
        sa.select(Export).where(is_due).order_by(Export.id).limit(1).with_for_update(skip_locked=True)
    )
    if export is None:
        return None
    lease = db.new_public_id()
    values = {"state": ExportState.MAKING, "lease": lease, "lease_until": moment + LEASE, "tries": Export.tries + 1}
    if not _move(export.id, is_due, **values, rows=0, position=0):
        return None
    return Claimed(export.id, export.public_id, export.campaign_id, export.contents, Wanted.of(export.wanted), lease)


@dataclass
class Progress:
    """How far a file is."""

    first_id: int = 0
    last_id: int = 0
    position: int = 0
    rows: int = 0
    bytes: int = 0


def write(claimed: Claimed) -> Generator[Progress, None, None]:
    """Write the file, from one snapshot; says how far it is after each part. It is whole when this ends.

    Whoever stops in the middle leaves nothing behind.
    """
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    progress = Progress()
    packer = zlib.compressobj(PACKING, wbits=31) if claimed.wanted.gz else None  # 31: with gzip's header
    try:
        with (
            os.fdopen(os.open(claimed.draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            db.snapshot() as moment,
        ):
            read = letters_csv if claimed.contents == Contents.LETTERS else signatures_csv
            progress.first_id, progress.last_id = read.bounds(moment, claimed.campaign_id)
            for part in _parts(moment, claimed):
                file.write(packer.compress(part.raw) if packer else part.raw)
                progress.rows += part.rows
                progress.position = part.up_to
                yield progress
            if packer:
                file.write(packer.flush())
            file.flush()
            os.fsync(file.fileno())
            progress.bytes = file.tell()
        claimed.draft.rename(claimed.file)
    finally:
        _unlink(claimed.draft)


def _parts(moment: sa.Connection, claimed: Claimed) -> Iterator[Part]:
    if claimed.contents == Contents.LETTERS:
        return letters_csv.parts(moment, claimed.campaign_id)
    return signatures_csv.parts(moment, claimed.campaign_id, claimed.wanted)


def went_on(claimed: Claimed, progress: Progress) -> bool:
    """Tell how far it is, and keep the lease; False if it is no longer ours to make."""
    values = {**vars(progress), "lease_until": db.now() + LEASE}
    return bool(db.rows_changed(sa.update(Export).where(*claimed.is_ours).values(values)))


def done(claimed: Claimed, progress: Progress) -> bool:
    """It is whole: the row count goes into the audit trail; False if it is no longer wanted."""
    moment = db.now()
    ended = {"state": ExportState.DONE, "ended_at": moment, "expires_at": moment + KEPT_FOR, "lease_until": None}
    if not db.rows_changed(sa.update(Export).where(*claimed.is_ours).values({**vars(progress), **ended})):
        _unlink(claimed.file)
        return False
    slug = db.session.execute(sa.select(Campaign.slug).where(Campaign.id == claimed.campaign_id)).scalar_one()
    audit.record("export-made", slug, export=claimed.public_id, contents=claimed.contents, rows=progress.rows)
    return True


def give_back(claimed: Claimed) -> None:
    """Let another make it from its beginning: this worker ends."""
    again = {"state": ExportState.WAITING, "lease": "", "lease_until": None, "tries": Export.tries - 1}
    db.rows_changed(sa.update(Export).where(*claimed.is_ours).values(again))


def failed(claimed: Claimed) -> None:
    """It cannot be made: the disk is full."""
    db.rows_changed(
        sa.update(Export).where(*claimed.is_ours).values(state=ExportState.FAILED, ended_at=db.now(), lease_until=None)
    )


def tidy() -> int:
    """Delete every file on this machine that no row speaks for; how many. Asks the database only if there is one."""
    files = list(folder().iterdir()) if folder().is_dir() else []
    if not files:
        return 0
    kept = set()
    rows = sa.select(Export).where(Export.state.in_([ExportState.DONE, ExportState.MAKING]))
    for export in db.session.scalars(rows):
        name = file_of(export).name
        kept.add(name)  # of one that is being made too: between its last byte and `done` it has its name
        kept.add(f"{export.public_id}.{export.lease}.part")
    strays = [file for file in files if file.name not in kept]
    for file in strays:
        _unlink(file)
    return len(strays)
