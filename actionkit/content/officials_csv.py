"""Officials from a CSV file of their own, into a campaign: all rows or none."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import CampaignOfficial, Official, VersionCause
from actionkit.campaigns.operations import find_campaign
from actionkit.content.fields import ContentFault, Fields
from actionkit.content.officials import OfficialRecord, describe, official_of
from actionkit.letters import history
from actionkit.letters.operations import set_zones, stop_where_reported

LARGEST_FILE = 50_000_000


@dataclass
class Report:
    """What a file holds: records, and a line for each faulty row."""

    records: list[OfficialRecord] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    rows: int = 0

    @property
    def faults(self) -> int:
        return len(self.lines)


def read(file: Path) -> Report:
    """Read and check every row; a fault names its row (the header is row 1) and the reason."""
    report = Report()
    if file.stat().st_size > LARGEST_FILE:
        report.lines.append("the file is larger than 50 MB")
        return report
    try:
        text = file.read_bytes().decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        report.lines.append("this is no CSV file in UTF-8")
        return report
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    missing = [column for column in ("id", "name", "language", "email") if column not in header]
    if missing:
        report.lines.append(f"row 1: the column {missing[0]} is missing")
        return report
    seen: dict[str, int] = {}
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        report.rows += 1
        if len(row) != len(header):
            report.lines.append(f"row {number}: has {len(row)} cells instead of {len(header)}")
            continue
        try:
            record = official_of(Fields(file.name, dict(zip(header, row, strict=True)), {}, first_line=number))
        except ContentFault as fault:
            report.lines.append(f"row {number}: {str(fault).split(', ', 2)[2]}")
            continue
        if record.slug in seen:
            report.lines.append(f"row {number}: id: '{record.slug}' stands in row {seen[record.slug]} already")
            continue
        seen[record.slug] = number
        report.records.append(record)
    return report


def store(report: Report, slug: str) -> None:
    """Create or update the officials, and add those that are new to the campaign at its end."""
    campaign = find_campaign(slug)
    history.catch_up(campaign)
    known = {
        official.slug: official
        for official in db.session.scalars(
            sa.select(Official).where(Official.slug.in_([record.slug for record in report.records]))
        )
    }
    seated = {seat.official_id for seat in campaign.seats}
    position = len(campaign.seats)
    stored: list[Official] = []
    for record in report.records:
        official = known.get(record.slug) or Official(slug=record.slug)
        describe(official, record)
        db.session.add(official)
        db.session.flush()
        stored.append(official)
        if official.id not in seated:
            position += 1
            db.session.add(CampaignOfficial(campaign_id=campaign.id, official_id=official.id, position=position))
    db.session.flush()
    db.session.expire(campaign, ["seats"])
    history.record(campaign, VersionCause.LOADED)
    set_zones(stored)
    stop_where_reported()
