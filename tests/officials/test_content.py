"""Officials from a content directory, beside what staff set at the desk."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import sqlalchemy as sa
from flask import Flask

from actionkit import db
from actionkit.campaigns.models import Official, OfficialAddress
from actionkit.content.load import load
from actionkit.letters import addresses
from actionkit.letters.operations import set_zones
from tests.conftest import CONTENT
from tests.officials.conftest import only_sqlite
from tests.signing.site import Site


def loaded(app: Flask, folder: Path) -> str:
    """Load, and a hash over what is then stored of officials."""
    with app.app_context():
        load(folder)
        db.session.commit()
        db.reading()
        tables = (Official.__table__, OfficialAddress.__table__)
        rows = [repr(tuple(row)) for table in tables for row in db.session.execute(sa.select(table).order_by("id"))]
    return hashlib.sha256("".join(rows).encode()).hexdigest()


@only_sqlite
def test_a_reload_keeps_what_staff_set_at_the_desk(app: Flask, site: Site, tmp_path: Path) -> None:
    """Its columns say less than is known: other addresses, the time zone, reports, out of use."""
    folder = Path(shutil.copytree(CONTENT, tmp_path / "given"))
    with app.app_context():
        official = db.session.scalars(sa.select(Official).where(Official.slug == "it-water")).one()
        addresses.use(official, "new@example.org")
        official.timezone, official.wants_digest, official.retired_at = "Europe/Rome", True, db.now()
        set_zones([official])
        db.session.commit()
    assert loaded(app, folder) == loaded(app, folder)
    assert site.one(Official, Official.slug == "it-water").email == "new@example.org", "the one left is not back"
    file = folder / "officials.csv"
    file.write_text(file.read_text().replace("acqua@governo.example", "third@example.org"))
    loaded(app, folder)
    official = site.one(Official, Official.slug == "it-water")
    assert (official.email, official.timezone, official.wants_digest) == ("third@example.org", "Europe/Rome", True)
    assert official.retired_at
    kept = site.stored(OfficialAddress, OfficialAddress.official_id == official.id)
    assert {each.email for each in kept} == {"acqua@governo.example", "new@example.org", "third@example.org"}
