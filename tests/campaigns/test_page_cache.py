"""Pages that a process keeps: the same for everyone, and nobody can put another's page in their place."""

from __future__ import annotations

import gzip
import time

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from actionkit import db
from actionkit.campaigns.models import Campaign, CampaignState
from tests.conftest import MakeApp

pytestmark = pytest.mark.one_database

ITALY = "/campaigns/italy-water"


@pytest.fixture
def keeping(make_app: MakeApp) -> FlaskClient:
    return make_app(page_cache_seconds="60").test_client()


def _kept(client: FlaskClient) -> int:
    return len(client.application.extensions["pages"].kept)


def test_a_kept_page_is_the_rendered_one_plain_compressed_and_as_head(keeping: FlaskClient) -> None:
    first = keeping.get(ITALY)
    again = keeping.get(ITALY)
    packed = keeping.get(ITALY, headers={"Accept-Encoding": "gzip"})
    assert again.data == first.data == gzip.decompress(packed.data)
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert keeping.head(ITALY).data == b""
    assert keeping.get(ITALY, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert _kept(keeping) == 1


def test_each_language_is_kept_apart_and_junk_is_not_kept(keeping: FlaskClient) -> None:
    english, italian = keeping.get(ITALY), keeping.get(f"{ITALY}?lang=it")
    assert b'lang="it"' in italian.data[:200]
    for junk in ("xx", "it-IT-x-y", "%00"[1:], "i" * 300):
        assert keeping.get(f"{ITALY}?lang={junk}").data == english.data
    assert keeping.get(f"{ITALY}?utm_source=mail").data == english.data
    assert _kept(keeping) == 2


@pytest.mark.parametrize(
    "wanted", ["program=clean-water", "country=NO", "year=2021", "outcome=won", "program=" + "x" * 300]
)
def test_a_filtered_archive_is_never_kept(keeping: FlaskClient, wanted: str) -> None:
    whole = keeping.get("/archive").data
    keeping.get(f"/archive?{wanted}")
    assert keeping.get("/archive").data == whole
    assert _kept(keeping) == 1


@pytest.mark.parametrize(("length", "status"), [("300", 400), ("20", 422)])
def test_a_body_cut_off_on_its_way_is_not_read(client: FlaskClient, length: str, status: int) -> None:
    answer = client.post(
        f"{ITALY}/sign",
        data=b"name=Ann&email=ann@e",
        content_type="application/x-www-form-urlencoded",
        headers={"Content-Length": length},
        environ_overrides={"CONTENT_LENGTH": length, "wsgi.input_terminated": True},
    )
    assert answer.status_code == status


def test_a_page_that_was_taken_away_does_not_come_back(keeping: FlaskClient) -> None:
    shelf = keeping.application.extensions["pages"]
    assert keeping.get(ITALY).status_code == 200
    with keeping.application.app_context():
        db.writing()
        db.session.execute(sa.update(Campaign).values(state=CampaignState.DRAFT))
        db.session.commit()
    shelf.kept[ITALY, ""].fresh_until = 0
    assert keeping.get(ITALY).status_code == 404
    assert _kept(keeping) == 0


def test_an_old_page_stands_in_while_we_are_unwell_but_no_old_number(
    keeping: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, number = keeping.get(ITALY), keeping.get(f"{ITALY}/count.json")
    assert (page.status_code, number.status_code) == (200, 200)
    for kept in keeping.application.extensions["pages"].kept.values():
        kept.fresh_until = time.monotonic() - 1
    monkeypatch.setattr(db, "detached", _away)
    assert keeping.get(ITALY).data == page.data
    assert keeping.get(f"{ITALY}/count.json").status_code == 503


def _away(*_args: object) -> None:
    raise db.DatabaseUnavailable


def test_a_page_under_another_path_is_not_kept_for_everyone(keeping: FlaskClient) -> None:
    keeping.get(ITALY, environ_overrides={"SCRIPT_NAME": "/evil"})
    assert _kept(keeping) == 0
