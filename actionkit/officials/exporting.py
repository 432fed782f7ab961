"""Officials leaving as files: a table in the format that is read again, and Popolo JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from flask import Response
from sqlalchemy.orm import selectinload

from actionkit import db
from actionkit.campaigns.models import LetterMode, Official
from actionkit.content.officials import COLUMNS, MORE_COLUMNS
from actionkit.text import guarded

ALL_COLUMNS = (*COLUMNS, *MORE_COLUMNS, "state")
"""Those of `officials.csv`, and at their end what came later. `state` is read by nobody."""


def all_of(which: Sequence[sa.ColumnElement[bool]] = ()) -> list[Official]:
    """Officials with their addresses, by id."""
    query = sa.select(Official).where(*which).options(selectinload(Official.addresses)).order_by(Official.slug)
    return list(db.session.scalars(query))


def _row(official: Official) -> dict[str, str]:
    others = [each.email for each in official.addresses if each.email.lower() != official.email.lower()]
    return {
        "id": official.slug,
        "name": official.name,
        "salutation": official.salutation,
        "office": official.office,
        "organisation": official.organisation,
        "country": official.country,
        "language": official.language,
        "email": official.email,
        "address": official.postal_address,
        "timezone": official.timezone,
        "mode": str(LetterMode.DIGEST) if official.wants_digest else "",
        "other_emails": "; ".join(others),
        "state": "out of use" if official.retired_at else "in use",
    }


def as_csv(officials: Iterable[Official]) -> bytes:
    """UTF-8 without a mark, RFC 4180, a header row, cells guarded against formulas."""
    return table(map(_row, officials), ALL_COLUMNS)


def table(rows: Iterable[Mapping[str, str]], header: Sequence[str] = (*COLUMNS, *MORE_COLUMNS)) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([guarded(row.get(name, "")) for name in header])
    return buffer.getvalue().encode("utf-8", "replace")


def as_popolo(officials: Iterable[Official]) -> bytes:
    """Popolo JSON: persons, organizations and memberships. What it has no word for is left out."""
    persons: list[dict[str, Any]] = []
    organisations: dict[str, str] = {}
    memberships: list[dict[str, Any]] = []
    for official in officials:
        row = _row(official)
        emails = [row["email"], *filter(None, row["other_emails"].split("; "))]
        details = [{"type": "email", "value": each} for each in emails]
        if row["address"]:
            details.append({"type": "address", "value": row["address"]})
        persons.append({"id": row["id"], "name": row["name"], "email": row["email"], "contact_details": details})
        membership: dict[str, Any] = {"person_id": row["id"], "role": row["office"]}
        if row["organisation"]:
            id_ = organisations.setdefault(row["organisation"], f"organization-{len(organisations) + 1}")
            membership["organization_id"] = id_
        if row["country"]:
            membership["area_id"] = f"ocd-division/country:{row['country'].lower()}"
        memberships.append(membership)
    areas = sorted({each["area_id"] for each in memberships if "area_id" in each})
    document = {
        "persons": persons,
        "organizations": [{"id": id_, "name": name} for name, id_ in organisations.items()],
        "memberships": memberships,
        "areas": [{"id": each, "identifier": each} for each in areas],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def as_download(content: bytes, mimetype: str, name: str) -> Response:
    """A file under a name of ours."""
    response = Response(content, content_type=f"{mimetype}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
