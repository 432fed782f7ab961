"""Importing signatures: a file is kept, checked, stored a batch at a time, and taken back as exactly as it came.

The job walks through the file. Each batch is one short transaction that first moves the import's
position from where it was found: a batch that was cancelled, or done by another worker meanwhile,
changes nothing, and a job that dies goes on where it was. Who has signed already is decided by the
unique key of (address, campaign), so nobody is there twice, whatever runs beside it.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlalchemy as sa
from flask_babel import gettext
from sqlalchemy.orm import aliased

from actionkit import db, tables
from actionkit.campaigns.models import Campaign
from actionkit.delivery import outbox
from actionkit.errors import ActionError
from actionkit.imports import rows
from actionkit.imports.choices import Basis, Choices, guess
from actionkit.imports.models import ImportedSignature, ImportFault, ImportFile, ImportState, SignatureImport
from actionkit.imports.rows import Faulty, Person
from actionkit.languages import gettext_noop
from actionkit.letters.operations import LETTER, current_version, queue_letters
from actionkit.paging import Page, page_of
from actionkit.signing import consent, counting
from actionkit.signing.counting import Trace
from actionkit.signing.models import Purpose, Signature, SignatureState, Source, Submission
from actionkit.signing.operations import NOT_COUNTED
from actionkit.staff import audit
from actionkit.staff.models import StaffMember
from actionkit.tables import NoTable, Row, Table

LARGEST_FILE = 20_000_000
"""Bytes: more than a hundred thousand signatures with a comment each."""
MOST_ROWS = 200_000
BATCH = 500
"""Few, so that on SQLite nobody who signs waits for it."""
UNDO_BATCH = 500
MOST_FAULTS = 5_000
"""Faults that are kept of one file, to be looked at."""
KEPT_FOR = dt.timedelta(days=1)
SAMPLE = 5

IN_WORK = (ImportState.CHECKING, ImportState.RUNNING, ImportState.UNDOING)
OPEN = (ImportState.UPLOADED, ImportState.CHECKING, ImportState.CHECKED)
CAN_BE_UNDONE = (ImportState.DONE, ImportState.STOPPED)

WHY_NO_TABLE = {
    "empty": gettext_noop("The file is empty."),
    "no-text": gettext_noop("This is no text but a spreadsheet or something else. Please save it as CSV."),
    "encoding": gettext_noop("The letters of this file cannot be read. Please save it as CSV in UTF-8."),
    "row": gettext_noop("This is no table: a quotation mark is opened in it and never closed."),
    "columns": gettext_noop("The first row must name the columns."),
}


class FileRefused(ActionError):
    """The file cannot be read as signatures, and why."""


# ---------------------------------------------------------------- a file comes in


def upload(campaign: Campaign, name: str, raw: bytes, staff_id: int | None) -> SignatureImport:
    """Keep a file, with a guess what its columns are. Raises `FileRefused`."""
    table = _table(raw)
    total = sum(1 for _row in islice(_rows(table), MOST_ROWS + 1))
    if not total:
        raise FileRefused(gettext("The file names columns and has no row below them."))
    if total > MOST_ROWS:
        raise FileRefused(gettext("The file has more than %(n)s rows. Please split it.", n=f"{MOST_ROWS:,}"))
    first = [cells for _number, cells in islice(_rows(table), 50)]
    found = SignatureImport(
        public_id=db.new_public_id(),
        campaign_id=campaign.id,
        staff_id=staff_id,
        file_name=name[-100:],
        state=ImportState.UPLOADED,
        header=list(table.header),
        choices=Choices(
            fields=guess(table.header, first), country=campaign.country, language=campaign.language
        ).stored(),
        total=total,
    )
    db.session.add(found)
    db.session.flush()
    db.session.add(ImportFile(import_id=found.id, raw=raw))
    return found


def _table(raw: bytes) -> Table:
    try:
        return tables.read(raw)
    except NoTable as fault:
        raise FileRefused(gettext(WHY_NO_TABLE[str(fault)])) from None


def _rows(table: Table) -> Iterator[Row]:
    try:
        yield from table.rows()
    except NoTable as fault:
        raise FileRefused(gettext(WHY_NO_TABLE[str(fault)])) from None


def sample(found: SignatureImport) -> list[list[str]]:
    """The first rows of its file; none where it is gone."""
    raw = _raw(found.id)
    return [cells for _number, cells in islice(_table(raw).rows(), SAMPLE)] if raw else []


def _raw(import_id: int) -> bytes | None:
    return db.session.scalar(sa.select(ImportFile.raw).where(ImportFile.import_id == import_id))


# ---------------------------------------------------------------- find


def find(campaign_id: int, public_id: str) -> SignatureImport | None:
    return db.session.scalar(
        sa.select(SignatureImport).where(
            SignatureImport.public_id == public_id, SignatureImport.campaign_id == campaign_id
        )
    )


def of_campaign(campaign_id: int, number: int) -> Page[sa.Row[*tuple[Any, ...]]]:
    """A page of the campaign's imports, each with the address of who began it, the latest first."""
    query = (
        sa.select(SignatureImport, StaffMember.email.label("who"))
        .outerjoin(StaffMember, StaffMember.id == SignatureImport.staff_id)
        .where(SignatureImport.campaign_id == campaign_id)
        .order_by(SignatureImport.id.desc())
    )
    return page_of(query, number)


def faults(found: SignatureImport, most: int = MOST_FAULTS) -> Sequence[ImportFault]:
    of_import = sa.select(ImportFault).where(ImportFault.import_id == found.id)
    return db.session.scalars(of_import.order_by(ImportFault.row).limit(most)).all()


# ---------------------------------------------------------------- what staff decide


def check(found: SignatureImport, choices: Choices) -> bool:
    """Let the job look at every row, as these choices read it; False if it is too late for that."""
    db.session.execute(sa.delete(ImportFault).where(ImportFault.import_id == found.id))
    return _move(
        found,
        OPEN,
        ImportState.CHECKING,
        choices=choices.stored(),
        position=0,
        good=0,
        already=0,
        faulty=0,
    )


def start(found: SignatureImport) -> bool:
    """Let the job store what was checked; False if it was not checked, or is under way.

    The words that people agreed to go into the ledger of consents, with where and when they agreed.
    """
    if found.state != ImportState.CHECKED:
        return False
    choices = Choices.of(found.choices)
    where = {
        Basis.PAPER: gettext("Signed on paper on %(day)s, or on the day that stands beside the signature."),
        Basis.TOOL: gettext("Signed with another tool on %(day)s, or on the day that stands beside the signature."),
    }[Basis(choices.basis)] % {"day": choices.signed_on}
    words = consent.wording_id(Purpose.SIGN, f"{where}\n\n{choices.wording}")
    updates = (
        consent.wording_id(Purpose.UPDATES, f"{where}\n\n{choices.updates_wording}")
        if choices.updates_wording
        else None
    )
    return _move(
        found,
        [ImportState.CHECKED],
        ImportState.RUNNING,
        position=0,
        consent_wording_id=words,
        updates_wording_id=updates,
    )


def stop(found: SignatureImport) -> bool:
    """Store no more. What is stored stays; False if nothing is being stored."""
    is_stopped = _move(found, [ImportState.RUNNING], ImportState.STOPPED, ended_at=db.now())
    if is_stopped:
        _drop_file(found.id)
    return is_stopped


def discard(found: SignatureImport) -> bool:
    """Let go of a file of which nothing was stored; False if something was."""
    is_gone = _move(found, OPEN, ImportState.DISCARDED, ended_at=db.now())
    if is_gone:
        _drop_file(found.id)
    return is_gone


def undo(found: SignatureImport) -> bool:
    """Let the job take out what this import made; False if that cannot be, or is done."""
    return _move(found, CAN_BE_UNDONE, ImportState.UNDOING, position=0, ended_at=None)


def forget() -> None:
    """Somebody is erased, who may stand in any file that waits or is half stored: none of them goes on."""
    for state, end in ((OPEN, ImportState.DISCARDED), ((ImportState.RUNNING,), ImportState.STOPPED)):
        over = sa.update(SignatureImport).where(SignatureImport.state.in_(state))
        db.rows_changed(over.values(state=end, ended_at=db.now()))
    db.rows_changed(sa.delete(ImportFile))


def forget_old() -> None:
    """Files that nobody decided about within a day."""
    old = (SignatureImport.created_at < db.now() - KEPT_FOR, SignatureImport.state.in_(OPEN))
    ids = list(db.session.scalars(sa.select(SignatureImport.id).where(*old)))
    for import_id in ids:
        _drop_file(import_id)
    gone = sa.update(SignatureImport).where(SignatureImport.id.in_(ids), SignatureImport.state.in_(OPEN))
    db.rows_changed(gone.values(state=ImportState.DISCARDED, ended_at=db.now()))


def _drop_file(import_id: int) -> None:
    db.rows_changed(sa.delete(ImportFile).where(ImportFile.import_id == import_id))


def _move(found: SignatureImport, states: Sequence[ImportState], to: ImportState, **values: Any) -> bool:
    still = (SignatureImport.id == found.id, SignatureImport.state.in_(states))
    return bool(db.rows_changed(sa.update(SignatureImport).where(*still).values(state=to, **values)))


# ---------------------------------------------------------------- the job


@dataclass(frozen=True)
class Batch:
    """The next rows of a file, looked at; or, when undoing, the next signatures. Nothing is stored yet."""

    import_id: int
    state: str
    position: int
    up_to: int
    is_last: bool
    people: Sequence[Person] = ()
    faults: Sequence[dict[str, Any]] = ()
    signature_ids: Sequence[int] = ()


def batches() -> Iterator[Batch]:
    """What is to do for one of the imports in work, in its order; none where none is. Only reads.

    One of them by chance, so that one which fails holds up no other.
    """
    found = db.session.scalar(
        sa.select(SignatureImport)
        .where(SignatureImport.state.in_(IN_WORK))
        .order_by(sa.func.random())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    if found is None:
        return
    db.session.expunge(found)
    if found.state == ImportState.UNDOING:
        yield from _to_undo(found)
    elif (raw := _raw(found.id)) is not None:
        yield from _to_read(found, raw)


def _to_read(found: SignatureImport, raw: bytes) -> Iterator[Batch]:
    """The rows from the import's position on. Those before it are read again, to know who is in the file twice."""
    choices, today = Choices.of(found.choices), db.now().date()
    seen: set[str] = set()
    people: list[Person] = []
    faulty: list[dict[str, Any]] = []
    position = number = found.position
    for number, cells in tables.read(raw).rows():
        is_new = number > found.position
        try:
            one = rows.person(choices, cells, today)
            if one.address in seen:
                raise Faulty("email", "already")
            seen.add(one.address)
            if is_new:
                people.append(one)
        except Faulty as fault:
            if is_new:
                faulty.append({"import_id": found.id, "row": number, "field": fault.field, "reason": fault.reason})
        if len(people) + len(faulty) >= BATCH:
            yield Batch(found.id, found.state, position, number, False, tuple(people), tuple(faulty))
            position, people, faulty = number, [], []
    yield Batch(found.id, found.state, position, max(number, position) + 1, True, tuple(people), tuple(faulty))


def _to_undo(found: SignatureImport) -> Iterator[Batch]:
    position, is_last = found.position, False
    while not is_last:
        mine = (ImportedSignature.import_id == found.id, ImportedSignature.signature_id > position)
        by_id = sa.select(ImportedSignature.signature_id).where(*mine).order_by(ImportedSignature.signature_id)
        ids = list(db.session.scalars(by_id.limit(UNDO_BATCH)))
        is_last = len(ids) < UNDO_BATCH
        up_to = ids[-1] if ids else position + 1
        yield Batch(found.id, found.state, position, up_to, is_last, signature_ids=ids)
        position = up_to


def work_off(batch: Batch) -> bool:
    """Do it, in the transaction at hand; False if it was cancelled, or another worker was quicker."""
    mine = (
        SignatureImport.id == batch.import_id,
        SignatureImport.state == batch.state,
        SignatureImport.position == batch.position,
    )
    if not db.rows_changed(sa.update(SignatureImport).where(*mine).values(position=batch.up_to)):
        return False
    query = sa.select(SignatureImport).where(SignatureImport.id == batch.import_id)
    found = db.session.execute(query.execution_options(populate_existing=True)).scalar_one()
    if batch.state == ImportState.CHECKING:
        _check(found, batch)
    elif batch.state == ImportState.RUNNING:
        _store(found, batch.people)
    else:
        _take_back(found, batch.signature_ids)
    if batch.is_last:
        _end(found)
    return True


def _end(found: SignatureImport) -> None:
    slug = db.session.execute(sa.select(Campaign.slug).where(Campaign.id == found.campaign_id)).scalar_one()
    found.state = {
        ImportState.CHECKING: ImportState.CHECKED,
        ImportState.RUNNING: ImportState.DONE,
        ImportState.UNDOING: ImportState.UNDONE,
    }[ImportState(found.state)]
    if found.state == ImportState.CHECKED:
        return
    found.ended_at = db.now()
    if found.state == ImportState.DONE:
        _drop_file(found.id)
    numbers = {name: getattr(found, name) for name in ("total", "imported", "already", "faulty", "undone", "kept")}
    audit.record(f"import-{found.state}", slug, **{"import": found.public_id}, **numbers)


# ---------------------------------------------------------------- check


def _check(found: SignatureImport, batch: Batch) -> None:
    there = set(
        db.session.scalars(
            sa.select(Signature.canonical_email).where(
                Signature.campaign_id == found.campaign_id,
                Signature.canonical_email.in_([one.address for one in batch.people]),
            )
        )
    )
    again = sum(fault["reason"] == "already" for fault in batch.faults)
    found.good += len(batch.people) - len(there)
    found.already += len(there) + again
    kept = list(batch.faults)[: max(MOST_FAULTS - found.faulty, 0)]
    found.faulty += len(batch.faults) - again
    if kept:
        db.session.execute(sa.insert(ImportFault.__table__), kept)  # type: ignore[arg-type]


# ---------------------------------------------------------------- store


def _store(found: SignatureImport, people: Sequence[Person]) -> None:
    """Store who has not signed yet, and count them if that may be."""
    choices = Choices.of(found.choices)
    ids = _insert_signatures(found, choices, people)
    new = [(ids[one.address], one) for one in people if one.address in ids]
    found.imported += len(new)
    if not new:
        return
    version = current_version(found.campaign_id) if choices.letters else None
    _insert_submissions(found, choices, new, version.id if version else None)
    mine = [signature_id for signature_id, _one in new]
    for day, number in sorted(Counter(one.signed_on for _id, one in new).items()):
        counting.leave_signed(found.campaign_id, _moment(day), number)
    latest = sa.select(sa.func.max(Submission.id)).where(Submission.signature_id == Signature.id).scalar_subquery()
    if choices.counts:
        db.rows_changed(sa.update(Signature).where(Signature.id.in_(mine)).values(submission_id=latest))
        at = db.now()
        countries = Counter(one.country for _id, one in new)
        counting.leave_traces(
            [
                Trace(found.campaign_id, at, country, n, language=choices.language, source=Source.IMPORT.value)
                for country, n in sorted(countries.items())
            ]
        )
        db.rows_changed(sa.update(Signature).where(Signature.id.in_(mine)).values(confirmed_at=at))
    db.session.execute(
        sa.insert(ImportedSignature.__table__),  # type: ignore[arg-type]
        [{"import_id": found.id, "signature_id": signature_id} for signature_id in mine],
    )
    if choices.letters and choices.counts:
        campaign = db.session.get_one(Campaign, found.campaign_id)
        for signature_id in mine:
            queue_letters(campaign, signature_id)


def _moment(day: dt.date) -> dt.datetime:
    """Paper knows no hour: noon is the same day nearly everywhere."""
    return dt.datetime.combine(day, dt.time(12), dt.UTC)


def _insert_signatures(found: SignatureImport, choices: Choices, people: Sequence[Person]) -> dict[str, int]:
    """Canonical address → id, of those that this campaign did not have."""
    if not people:
        return {}
    state = SignatureState.CONFIRMED if choices.counts else SignatureState.HELD
    values = [
        {
            "public_id": db.new_public_id(),
            "campaign_id": found.campaign_id,
            "canonical_email": one.address,
            "state": state.value,
            "state_reason": "" if choices.counts else NOT_COUNTED,
            "signed_at": _moment(one.signed_on),
            "reminders": 0,
            "is_name_public": choices.counts and one.show_name,
        }
        # In one order everywhere, so that two imports wait for each other and never in a ring.
        for one in sorted(people, key=lambda one: one.address)
    ]
    table: Any = Signature.__table__
    added = db.insert(table).on_conflict_do_nothing(index_elements=["canonical_email", "campaign_id"])
    rows_back = db.session.connection().execute(added.returning(table.c.canonical_email, table.c.id), values)
    return {address: int(signature_id) for address, signature_id in rows_back}


def _insert_submissions(
    found: SignatureImport, choices: Choices, new: Sequence[tuple[int, Person]], version_id: int | None
) -> None:
    moment = db.now()
    values = [
        {
            "public_id": db.new_public_id(),
            "signature_id": signature_id,
            "created_at": moment,
            "name": one.name,
            "email": one.email,
            "country": one.country,
            "postcode": one.postcode,
            "comment": one.comment,
            "letter": "",
            "show_name": one.show_name,
            "updates": one.updates,
            "language": choices.language,
            "source": Source.IMPORT.value,
            "network": "",
            "letter_version_id": version_id,
            "consent_wording_id": found.consent_wording_id,
            "updates_wording_id": found.updates_wording_id if one.updates else None,
        }
        for signature_id, one in new
    ]
    db.session.connection().execute(sa.insert(Submission.__table__), values)  # type: ignore[arg-type]


# ---------------------------------------------------------------- undo


def _take_back(found: SignatureImport, ids: Sequence[int]) -> None:
    """Delete those that nobody but this import has touched, with their letters that have not left.

    Left as it is: one whose owner signed, or withdrew, or was mailed since; one that staff took out;
    and one of which a letter may have left, since an official has it.
    """
    db.session.execute(
        sa.select(Signature.id).where(Signature.id.in_(ids)).order_by(Signature.id).with_for_update()
    ).all()
    outbox.cancel(LETTER, sa.select(Signature.id).where(Signature.id.in_(ids)))
    left = outbox.left(LETTER, ids)
    sent = aliased(Submission)
    others = sa.select(sent.id).where(sent.signature_id == Signature.id, sent.source != Source.IMPORT)
    is_as_imported = sa.or_(
        Signature.state == SignatureState.CONFIRMED,
        sa.and_(Signature.state == SignatureState.HELD, Signature.state_reason == NOT_COUNTED),
    )
    untouched = db.session.execute(
        sa.select(Signature.id, Signature.signed_at, Signature.confirmed_at, Submission.country, Submission.language)
        .outerjoin(Submission, Submission.id == Signature.submission_id)
        .where(Signature.id.in_(ids), is_as_imported, Signature.mailed_at.is_(None), ~others.exists())
    ).all()
    gone = [row for row in untouched if row.id not in left]
    counted = Counter((row.confirmed_at, row.country, row.language) for row in gone if row.confirmed_at is not None)
    counting.leave_traces(
        [
            Trace(found.campaign_id, at, country, -number, language=language, source=Source.IMPORT.value)
            for (at, country, language), number in sorted(counted.items())
        ]
    )
    for signed_at, number in sorted(Counter(row.signed_at for row in gone).items()):
        counting.leave_signed(found.campaign_id, signed_at, -number)
    gone_ids = [row.id for row in gone]
    outbox.forget([LETTER], sa.select(Signature.id).where(Signature.id.in_(gone_ids)))
    db.rows_changed(sa.delete(Signature).where(Signature.id.in_(gone_ids)))
    stay = [signature_id for signature_id in ids if signature_id not in set(gone_ids)]
    outbox.revive(LETTER, sa.select(Signature.id).where(Signature.id.in_(stay), is_as_imported))
    found.undone += len(gone_ids)
    found.kept += len(stay)
