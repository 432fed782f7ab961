"""What staff see of the audit trail, and take out of it."""

from __future__ import annotations

import ast
import csv
import datetime as dt
import io
import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from actionkit import db
from actionkit.people import words
from actionkit.staff import audit, audit_chain
from actionkit.staff.models import AuditEntry, StaffRole
from tests.signing.conftest import site
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn, sign_in

__all__ = ["sign_in", "site"]

PACKAGE = Path(__file__).parents[2] / "actionkit"
INDIA = "india-water"

pytestmark = pytest.mark.one_database


def record(site: Site, *entries: tuple[str, str, dict[str, object]]) -> None:
    with site.app.app_context():
        for action, subject, detail in entries:
            audit.record(action, subject, **detail)
        db.session.commit()


def test_everyone_sees_what_is_hers_in_words(site: Site, sign_in: SignIn) -> None:
    record(
        site,
        ("release-signature", ITALY, {"signature": "abc"}),
        ("stop-letters", INDIA, {"letters": 12}),
        ("pause-sending", ITALY, {}),  # of all campaigns, whatever its subject is called
        ("do-something-new", ITALY, {}),
    )
    admin, ann = sign_in(StaffRole.ADMIN), sign_in(StaffRole.CAMPAIGNER, ITALY)
    all_of_it, hers = admin.get("/staff/audit").text, ann.get("/staff/audit").text
    assert "released a held signature" in all_of_it
    assert "letters: 12" in all_of_it
    assert "paused all sending" in all_of_it
    assert "the server" in all_of_it
    assert "released a held signature" in hers
    assert "do-something-new" in hers
    assert INDIA not in re.sub(r"<select.*?</select>", "", hers, flags=re.DOTALL)
    assert "paused all sending" not in hers
    assert "signed in" not in hers
    for query in (f"campaign={INDIA}", "action=pause-sending", "action=sign-in"):
        assert "Nothing was done that fits" in ann.get(f"/staff/audit?{query}").text, query
        assert "Nothing was done that fits" not in admin.get(f"/staff/audit?{query}").text, query
    assert "Nothing was done that fits" in admin.get("/staff/audit?until=2020-01-01").text
    assert "Nothing was done that fits" in admin.get("/staff/audit?member=0&action=sign-in").text
    assert admin.get("/staff/audit?since=soon").status_code == 422
    assert admin.get("/staff/audit?since=2026-02-02&until=2026-02-01").status_code == 422


def test_the_file_is_entered_first_and_proves_itself(site: Site, sign_in: SignIn) -> None:
    record(site, ("remove-provider", "=cmd()", {}), ("stop-letters", INDIA, {"letters": 12}))
    admin = sign_in(StaffRole.ADMIN)
    day = dt.datetime.now(dt.UTC).date().isoformat()
    answer = admin.get(f"/staff/audit.csv?since={day}")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["subject"] for row in rows][:2] == ["'=cmd()", INDIA]
    assert rows[-1]["action"] == "export-audit"
    assert rows[-1]["detail"] == f'{{"since":"{day}"}}'
    before = audit_chain.BEGINNING
    for row in rows:
        member = int(row["member_id"]) if row["member_id"] else None
        said = (row["action"], row["subject"].removeprefix("'"), json.loads(row["detail"]))
        before = audit_chain.link(before, dt.datetime.fromisoformat(row["at"]), member, *said)
        assert before == row["hash"]
    ann = sign_in(StaffRole.CAMPAIGNER, ITALY)
    assert len(list(csv.reader(io.StringIO(ann.get("/staff/audit.csv").text)))) == 1
    with site.app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).where(AuditEntry.action == "export-audit")) == 2
    assert admin.get("/staff/audit.csv?since=never").status_code == 400


def recorded_in_the_code() -> set[str]:
    """Every action that the code records, as far as its name stands there."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            is_call = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("audit.record")
            if is_call and isinstance(node.args[0], ast.Constant):  # type: ignore[attr-defined]
                found.add(node.args[0].value)  # type: ignore[attr-defined]
    return found


def test_every_action_of_the_code_has_words() -> None:
    assert len(recorded_in_the_code()) > 30
    assert recorded_in_the_code() - set(words.ACTIONS) == set(), "give it words in people/words.py"
    assert set(words.ACTIONS) >= words.NOT_OF_A_CAMPAIGN
