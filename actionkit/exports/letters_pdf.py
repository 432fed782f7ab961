"""Letters leaving on paper: those of confirmed signatures to one official, a volume at a time.

A volume is the next `VOLUME` confirmed signatures after one, in the order in which people signed.
Nothing is stored: a volume is made anew each time, of what is confirmed at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from flask_babel import gettext

from actionkit import db
from actionkit.campaigns.models import Campaign, Official
from actionkit.errors import ActionError
from actionkit.letters.compose import NoLetter
from actionkit.letters.models import LetterVersion
from actionkit.letters.printing import Sheet
from actionkit.signing.campaign_page import letter_version
from actionkit.signing.models import Signature, SignatureState, Submission
from actionkit.signing.sheets import sheet

VOLUME = 250
"""Letters in one file: see the measurements in docs/decisions/0018-print.md."""
VOLUMES_LISTED = 40


class NothingToPrint(ActionError):
    """There is no confirmed signature, or no letter of the campaign that this official could read."""

    code = 409


@dataclass(frozen=True)
class Volume:
    """`after` is the id of the signature before its first; `first` and `last` count letters from 1."""

    after: int
    first: int
    last: int


@dataclass(frozen=True)
class Volumes:
    listed: list[Volume]
    next: Volume | None
    """The first that is not listed."""


def volumes(campaign_id: int, after: int = 0, first: int = 1) -> Volumes:
    """Some volumes from there on, found along the index of confirmed signatures."""
    found: list[Volume] = []
    while len(found) <= VOLUMES_LISTED and (ids := db.session.scalars(_ids(campaign_id, after)).all()):
        found.append(Volume(after, first, first + len(ids) - 1))
        after, first = ids[-1], first + len(ids)
    return Volumes(found[:VOLUMES_LISTED], found[VOLUMES_LISTED] if len(found) > VOLUMES_LISTED else None)


def _ids(campaign_id: int, after: int) -> sa.Select[int]:
    return (
        sa.select(Signature.id)
        .where(Signature.campaign_id == campaign_id, Signature.state == SignatureState.CONFIRMED, Signature.id > after)
        .order_by(Signature.id)
        .limit(VOLUME)
    )


def sheets(campaign: Campaign, official: Official, after: int) -> list[Sheet]:
    """The letters of a volume. Raises `NothingToPrint`."""
    return _sheets(campaign, official, Signature.id.in_(_ids(campaign.id, after)))


def one_sheet(campaign: Campaign, official: Official, signature_id: int) -> Sheet:
    """The letter of one signature, if it is confirmed. Raises `NothingToPrint`."""
    return _sheets(campaign, official, Signature.id == signature_id)[0]


def _sheets(campaign: Campaign, official: Official, which: sa.ColumnElement[bool]) -> list[Sheet]:
    rows = db.session.execute(
        sa.select(Signature, Submission)
        .join(Submission, Submission.id == Signature.submission_id)
        .where(which, Signature.campaign_id == campaign.id, Signature.state == SignatureState.CONFIRMED)
        .order_by(Signature.id)
    ).all()
    versions: dict[int | None, LetterVersion | None] = {}
    written = []
    for signature, submission in rows:
        seen = submission.letter_version_id
        if seen not in versions:
            versions[seen] = letter_version(campaign, seen)
        if (version := versions[seen]) is not None:
            try:
                written.append(sheet(campaign, version, official, signature, submission))
            except NoLetter:
                break
    if not written:
        raise NothingToPrint(
            gettext(
                "There is no letter to print: only letters of confirmed signatures are, in a language of the campaign."
            )
        )
    return written
