"""The CSV: what is stored is what a reader gets, and no cell is a formula."""

from __future__ import annotations

import csv
import io
import threading

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.exports.signatures_csv import COLUMNS, STATES, stream
from actionkit.signing import operations
from actionkit.signing.models import Submission
from actionkit.text import guarded
from tests.conftest import sign_form

CELLS = ["=1+1", "+39 06 1234", "-1", "@SUM(1)", "\tx", "\rx", "＝1", "＋1", "－1", "＠x"]


@pytest.mark.parametrize("cell", CELLS)
def test_a_formula_is_guarded(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"


@given(st.text())
def test_everything_else_is_the_stored_text(cell: str) -> None:
    assert guarded(cell).removeprefix("'") == cell.removeprefix("'")
    assert guarded(cell)[:1] not in tuple("=+-@\t\r＝＋－＠")


def _signed(
    client: FlaskClient, app: Flask, slug: str = "italy-water", *, confirmed: bool = True, **form: object
) -> None:
    assert client.post(f"/campaigns/{slug}/sign", data=sign_form(**form)).status_code == 303
    if confirmed:
        with app.app_context():
            latest = db.session.execute(sa.select(sa.func.max(Submission.id))).scalar_one()
            signed = operations.find_submission(Submission.id == latest)
            assert signed is not None
            operations.confirm(signed)
            db.session.commit()


def _export(app: Flask, state: str = "confirmed", slug: str = "italy-water") -> list[dict[str, str]]:
    with app.app_context():
        campaign_id = db.session.execute(sa.select(Campaign.id).where(Campaign.slug == slug)).scalar_one()
        with db.snapshot() as connection:
            raw = b"".join(stream(connection, campaign_id, state))
    text = raw.decode("utf-8")
    assert text.startswith(",".join(COLUMNS) + "\r\n")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_rows_are_what_was_signed(app: Flask, client: FlaskClient) -> None:
    comment = 'She said: "no",\nthen; left.\n01067 1E5 3/4'
    _signed(client, app, name="José, Jr.", email="=1+1@example.org", country="it", postcode="01067", comment=comment)
    _signed(client, app, name="Bob", comment="=HYPERLINK(1)", show_name="yes", updates="yes", confirmed=False)
    (row,) = _export(app)
    assert row["name"] == "José, Jr."
    assert row["email"] == "'=1+1@example.org"
    assert row["comment"] == comment
    assert (row["country"], row["postcode"], row["state"], row["source"]) == ("IT", "01067", "confirmed", "web")
    assert (row["show_name"], row["updates"], row["language"]) == ("false", "false", "en")
    assert len(row["signature_id"]) == 32
    assert row["confirmed_at"].endswith("Z")
    (pending,) = _export(app, "pending")
    assert (pending["name"], pending["comment"], pending["confirmed_at"]) == ("Bob", "'=HYPERLINK(1)", "")
    assert (pending["show_name"], pending["updates"]) == ("true", "true")
    assert len(_export(app, "all")) == 2
    assert [_export(app, state) for state in ("held", "withdrawn", "invalidated")] == [[], [], []]
    assert "all" in STATES


def test_before_confirmation_the_latest_submission_is_shown(app: Flask, client: FlaskClient) -> None:
    _signed(client, app, email="ann@example.org", name="First", confirmed=False)
    _signed(client, app, email="ANN@example.org", name="Second", confirmed=False)
    (row,) = _export(app, "all")
    assert row["name"] == "Second"


def test_a_long_read_does_not_stop_signing(app: Flask, client: FlaskClient) -> None:
    _signed(client, app)
    with app.app_context():
        db.reading()
        campaign_id = db.session.execute(sa.select(Campaign.id).where(Campaign.slug == "italy-water")).scalar_one()
        with db.snapshot() as connection:
            parts = stream(connection, campaign_id)
            connection.execute(sa.text("SELECT count(*) FROM signatures")).scalar_one()
            done = []
            thread = threading.Thread(target=lambda: done.append(_signed(client, app)))
            thread.start()
            thread.join(timeout=3)
            assert done == [None], "signed while the read is open"
            seen = b"".join(parts).count(b"\r\n") - 1
    assert seen == 1, "the read sees the moment it began at"
    assert len(_export(app)) == 2
