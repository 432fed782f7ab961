"""Reports to officials: which are due, what they count, and who may be named in them.

A report of a day tells what was confirmed before eight in the morning of that day, by the
official's clock. Its window follows from the day and from the report before, so two workers make
the same one, and the unique key lets one of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign, CampaignState, LetterMode, Official
from actionkit.delivery.renderers import Attachment, CannotBeSent, Item, Mail, NotToBeSent
from actionkit.letters.digest import Supporter, compose
from actionkit.letters.models import Report
from actionkit.letters.out_of_use import OUT_OF_USE
from actionkit.signing.counting import hour_of
from actionkit.signing.models import ConsentWording, CountBucket, Signature, SignatureState, Submission

MORNING = dt.time(8)
IN_FLIGHT = dt.timedelta(minutes=2)
"""A confirmation has its time before it is committed: so long after the window's end, none is missed."""


def due() -> Iterator[dict[str, Any]]:
    """The reports to be made now, as columns of `Report`. Reads only; none where nobody has signed since the last."""
    campaigns = db.session.scalars(
        sa.select(Campaign).where(Campaign.letters != LetterMode.NONE, Campaign.state != CampaignState.DRAFT)
    ).all()
    found = []
    for campaign in campaigns:
        last = _last_ends(campaign.id)
        counted: dict[tuple[dt.datetime | None, dt.datetime], list[list[Any]]] = {}
        for official in campaign.digest_officials:
            day, until = _window_end(ZoneInfo(official.timezone or campaign.timezone))
            since = last.get(official.id)
            if since is not None and since >= until:
                continue
            if (since, until) not in counted:
                counted[since, until] = _count(campaign.id, since, until) if _is_any(campaign.id, since) else []
            rows = counted[since, until]
            if new := sum(row[2] for row in rows):
                found.append(
                    {
                        "campaign_id": campaign.id,
                        "official_id": official.id,
                        "day": day,
                        "since": since,
                        "until": until,
                        "total": sum(row[1] for row in rows),
                        "new": new,
                        "countries": rows,
                    }
                )
    return iter(found)


def _window_end(zone: ZoneInfo) -> tuple[dt.date, dt.datetime]:
    """The day of the latest report that may be made now, and the moment it reaches to."""
    day = (db.now() - IN_FLIGHT).astimezone(zone)
    date = day.date() if day.time() >= MORNING else day.date() - dt.timedelta(days=1)
    return date, dt.datetime.combine(date, MORNING, zone).astimezone(dt.UTC)


def _last_ends(campaign_id: int) -> dict[int, dt.datetime]:
    rows = db.session.execute(
        sa.select(Report.official_id, sa.func.max(Report.until).label("until"))
        .where(Report.campaign_id == campaign_id)
        .group_by(Report.official_id)
    )
    return {row.official_id: row.until for row in rows}


def _is_any(campaign_id: int, since: dt.datetime | None) -> bool:
    """Whether anybody has signed at all since that hour, as the counts say: no signature is read for it."""
    which = [CountBucket.campaign_id == campaign_id, CountBucket.signatures > 0]
    if since is not None:
        which.append(CountBucket.hour >= hour_of(since))
    return bool(db.session.scalar(sa.select(sa.exists().where(*which))))


def _count(campaign_id: int, since: dt.datetime | None, until: dt.datetime) -> list[list[Any]]:
    """[country, total, new], the most first."""
    is_new = sa.true() if since is None else Signature.confirmed_at >= since
    total, new = sa.func.count(), sa.func.sum(sa.case((is_new, 1), else_=0))
    rows = db.session.execute(
        sa.select(Submission.country, total.label("total"), new.label("new"))
        .select_from(Signature)
        .join(Submission, Submission.id == Signature.submission_id)
        .where(Signature.campaign_id == campaign_id, Signature.state == SignatureState.CONFIRMED)
        .where(Signature.confirmed_at < until)
        .group_by(Submission.country)
        .order_by(total.desc(), Submission.country)
    )
    return [[row.country, row.total, int(row.new)] for row in rows]


def _supporters(report: Report) -> Iterator[Supporter]:
    """Those of its window who may be named now, in the order in which they confirmed."""
    window = [Signature.confirmed_at < report.until]
    if report.since is not None:
        window.append(Signature.confirmed_at >= report.since)
    rows = db.session.execute(
        sa.select(Submission.name, Submission.country, Submission.comment)
        .select_from(Signature)
        .join(Submission, Submission.id == Signature.submission_id)
        .join(ConsentWording, ConsentWording.id == Submission.consent_wording_id)
        .where(Signature.campaign_id == report.campaign_id, Signature.is_name_public, *window)
        .where(Signature.state == SignatureState.CONFIRMED, Submission.show_name)
        .where(ConsentWording.names_to_officials)
        .order_by(Signature.confirmed_at, Signature.id)
        .execution_options(yield_per=1_000)
    )
    return (Supporter(row.name, row.country, row.comment) for row in rows)


def digest(item: Item) -> Mail:
    """One report. At each try the same numbers; of the names, those whose owners still allow it."""
    report = db.session.get(Report, item.subject_id)
    official = db.session.get(Official, report.official_id) if report else None
    campaign = db.session.get(Campaign, report.campaign_id) if report else None
    if report is None or official is None or campaign is None or campaign.letters == LetterMode.NONE:
        raise NotToBeSent("the campaign sends no reports")
    if not official.email:
        raise CannotBeSent("the official has no address")
    if official.retired_at:
        raise NotToBeSent(OUT_OF_USE)
    written = compose(campaign, official, report, _supporters(report))
    name = f"{campaign.slug}-{report.day.isoformat()}.csv"
    return Mail(
        to=(official.name, official.email),
        subject=written.subject,
        text=written.text,
        language=written.language,
        attachments=(Attachment(name, "text/csv", written.names),) if written.names else (),
    )
