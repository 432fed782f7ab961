"""Officials come in by a file: seen before anything is stored, stored once, and put back."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from actionkit import db
from actionkit.campaigns.models import CampaignOfficial, Official, OfficialAddress
from actionkit.delivery.models import Recipient, State
from actionkit.letters.operations import recipient_key
from actionkit.officials import staging
from actionkit.officials.files import LARGEST_FILE
from actionkit.officials.models import OfficialImport
from actionkit.staff.models import AuditEntry, StaffRole
from tests.officials.conftest import Post, only_sqlite, poster
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn

SAMPLES = Path(__file__).parent / "samples"
IMPORT = "/staff/officials/import"
HEADER = "Nome;Email;Lingua;Paese;Fuso orario\r\n"
GOOD = (
    HEADER
    + "Ministro del Mare;mare@example.org;it;Italia;Europe/Rome\r\nMinistra dei Monti;monti@example.org;it;IT;\r\n"
)


def send(post: Post, content: str | bytes, name: str = "list.csv", **fields: str) -> TestResponse:
    raw = content.encode("cp1252") if isinstance(content, str) else content
    return post(IMPORT, file=(io.BytesIO(raw), name), **{"campaign": "", **fields})


def sent(post: Post, content: str | bytes, **fields: str) -> str:
    """Send a file in; the path of its preview."""
    answer = send(post, content, **fields)
    assert answer.status_code == 303, re.findall(r'field-error"[^>]*>([^<]*)', answer.text)
    return str(answer.location)


def numbers(client: FlaskClient, path: str) -> dict[str, int]:
    """What the preview, or the report, says of how many."""
    found = re.findall(r"<li[^>]*><strong>([\d,]+)</strong> ([^<]+)</li>", client.get(path).text)
    return {what.split()[0]: int(n.replace(",", "")) for n, what in found}


def content(site: Site) -> list[str]:
    with site.app.app_context():
        db.reading()
        tables = (Official.__table__, OfficialAddress.__table__, CampaignOfficial.__table__, Recipient.__table__)
        return sorted(repr(tuple(row)) for table in tables for row in db.session.execute(table.select()))


def test_nothing_is_stored_before_it_was_seen_and_once_after_that(site: Site, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.CAMPAIGNER, ITALY)
    post, before = poster(client), content(site)
    path = sent(post, GOOD, campaign=ITALY)
    page = client.get(path).text
    assert "Windows-1252" not in page, "plain letters are UTF-8 too"
    assert "semicolons" in page
    assert "Ministra dei Monti" in page
    assert numbers(client, path) == {"new": 2, "changed": 0, "as": 0, "with": 0}
    assert content(site) == before
    for _twice in range(2):
        assert post(f"{path}/store").status_code in (303, 409)
    assert numbers(client, path) == {"new": 2, "changed": 0, "as": 0, "added": 2}
    sea = site.one(Official, Official.slug == "ministro-del-mare")
    assert (sea.email, sea.language, sea.country, sea.timezone) == ("mare@example.org", "it", "IT", "Europe/Rome")
    assert site.one(Recipient, Recipient.recipient_key == recipient_key(sea.id)).zone == "Europe/Rome"
    assert "Ministro del Mare" in site.client.get(f"/campaigns/{ITALY}").text
    entry = site.one(AuditEntry, AuditEntry.action == "import-officials")
    assert (entry.subject, entry.detail["created"], entry.detail["seated"]) == (ITALY, 2, 2)
    assert "@" not in str(entry.detail)
    after = content(site)
    again = sent(post, GOOD.replace("Ministro del", "MINISTRO del"), campaign=ITALY)
    assert numbers(client, again)["changed"] == 1, "the same office, in another spelling of its name"
    path = sent(post, GOOD, campaign=ITALY)
    assert numbers(client, path) == {"new": 0, "changed": 0, "as": 2, "with": 0}
    post(f"{path}/store")
    assert content(site) == after
    assert site.one(OfficialImport, OfficialImport.public_id == path.rpartition("/")[2]).raw is None


@only_sqlite
def test_faults_are_shown_by_row_and_keep_all_of_it_out(site: Site, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.ADMIN)
    post, before = poster(client), content(site)
    bad = "No Address;nobody;it;IT;\r\n<script>;x@example.org;it;IT;\r\nNowhere;y@example.org;it;Atlantis;\r\n"
    path = sent(post, GOOD + bad)
    page = client.get(path)
    assert numbers(client, path) == {"new": 2, "changed": 0, "as": 0, "with": 3}
    assert [row in page.text for row in ("Row 4", "Row 5", "Row 6", "Row 3<")] == [True, True, True, False]
    assert "<script>;" not in page.text
    refused = post(f"{path}/store")
    assert (refused.status_code, "Nothing was stored" in refused.text) == (422, True)
    assert content(site) == before
    assert post(f"{path}/store", **{"only-good": "yes"}).status_code == 303
    assert numbers(client, path) == {"new": 2, "changed": 0, "as": 0, "added": 0, "left": 3}
    assert len(site.stored(Official, Official.email.endswith("@example.org"))) == 2


@only_sqlite
def test_columns_are_read_as_staff_say(site: Site, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.ADMIN)
    post = poster(client)
    path = sent(post, "Wer;Wohin;Tel\r\nDas Amt;amt@example.org;1\r\n")
    assert "column name is missing" in client.get(path).text
    assert post(f"{path}/store").status_code == 422
    chosen = {"column-0": "name", "column-1": "email", "column-2": "email", "language": "de", "country": "CH"}
    assert post(f"{path}/choices", **chosen, campaign="").status_code == 303
    assert numbers(client, path)["new"] == 1
    post(f"{path}/choices", **chosen | {"language": "klingon"}, campaign="")
    assert numbers(client, path)["new"] == 1, "what is on no list changes nothing"
    post(f"{path}/store")
    stored = site.one(Official, Official.slug == "das-amt")
    assert (stored.email, stored.language, stored.country) == ("amt@example.org", "de", "CH")


@only_sqlite
def test_a_known_official_keeps_what_the_file_does_not_say(site: Site, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.ADMIN)
    post = poster(client)
    text = "id,name,language,email,other_emails\nit-water,Il Ministro,it,new@example.org,more@example.org\n"
    path = sent(post, text)
    page = client.get(path).text
    assert "The Minister of Water</bdi> → <strong><bdi>Il Ministro" in page
    assert "acqua@governo.example</bdi> → <strong><bdi>new@example.org" in page
    post(f"{path}/store")
    stored = site.one(Official, Official.slug == "it-water")
    assert (stored.name, stored.salutation, stored.country) == ("Il Ministro", "Signor Ministro", "IT")
    assert stored.email == "new@example.org"
    known = [each.email for each in site.stored(OfficialAddress, OfficialAddress.official_id == stored.id)]
    assert sorted(known) == ["acqua@governo.example", "more@example.org", "new@example.org"]
    entry = site.one(AuditEntry, AuditEntry.action == "import-officials")
    assert entry.detail["addresses"] == [{"official": "it-water", "old": "governo.example", "new": "example.org"}]
    twin = sent(post, "name,language,email\nSomebody Else,it,new@example.org\n")
    assert "give the id it-water" in client.get(twin).text, "not a second official at the same address by mistake"


def test_an_import_is_taken_back_while_nothing_has_left(site: Site, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.ADMIN)
    post, before = poster(client), content(site)
    changed = (
        "it-water;Il Ministro;new@example.org;it\r\nit-health;The Minister of Health;salute@governo.example;it\r\n"
    )
    path = sent(post, "id;name;email;language\r\n" + changed + "sea;The Sea;sea@example.org;it\r\n", campaign=ITALY)
    post(f"{path}/store")
    post("/staff/officials/it-water/edit", **_as_form(site, "it-water"), office="Changed since")
    post(f"{path}/undo")
    assert "taken back" in client.get(path).text
    site.change(Official, Official.slug == "it-water", office="Minister of Water")
    assert content(site) == before
    undone = site.one(AuditEntry, AuditEntry.action == "undo-import-officials").detail
    assert (undone["deleted"], undone["retired"], undone["restored"]) == (1, 0, 1)
    post(f"{path}/undo")
    assert content(site) == before, "once"


def _as_form(site: Site, slug: str) -> dict[str, Any]:
    official = site.one(Official, Official.slug == slug)
    names = ("name", "salutation", "organisation", "country", "language", "timezone", "postal_address")
    return {name: getattr(official, name) for name in names}


@only_sqlite
def test_where_letters_wait_the_new_ones_go_out_of_use_and_where_some_left_they_stay(
    site: Site, sign_in: SignIn
) -> None:
    client = sign_in(StaffRole.ADMIN)
    post = poster(client)
    first, second = (
        sent(post, f"id,name,email,language\n{id_},A {id_},{id_}@example.org,it\n", campaign=ITALY)
        for id_ in ("sea", "lake")
    )
    post(f"{first}/store")
    site.confirmed()
    post(f"{first}/undo")
    assert site.one(Official, Official.slug == "sea").retired_at, "a letter points to it"
    site.drain()
    assert site.sent_to("sea@example.org") == []
    post(f"{second}/store")
    site.confirmed()
    site.drain()
    assert len(site.sent_to("lake@example.org")) == 1
    assert "no longer be taken back" in client.get(second).text
    post(f"{second}/undo")
    assert site.one(Official, Official.slug == "lake").retired_at is None
    assert {row.state for row in site.letters()} == {State.SENT, State.CANCELLED}


@only_sqlite
def test_a_file_is_its_owners_alone_and_has_an_end(site: Site, sign_in: SignIn) -> None:
    owner, other = sign_in(StaffRole.CAMPAIGNER, ITALY), sign_in(StaffRole.ADMIN)
    path = sent(poster(owner), "id,name,email,language\nin-water,Mine now,x@example.org,en\n")
    assert "campaigns that are not yours" in owner.get(path).text
    assert "Mine now" not in other.get(IMPORT).text
    for action in ("", "/to-fill.csv"):
        assert other.get(path + action).status_code == 404
    for action in ("/store", "/choices", "/undo", "/discard"):
        assert poster(other)(path + action, **{"only-good": "yes"}).status_code == 404
    assert poster(owner)(f"{path}/store", **{"only-good": "yes"}).status_code == 303
    assert site.one(Official, Official.slug == "in-water").name == "The Secretary for Water"
    foreign = sent(poster(owner), GOOD)
    assert poster(owner)(f"{foreign}/choices", language="", country="", campaign="india-water").status_code == 303
    assert site.stored(OfficialImport)[-1].choices["campaign"] == "", "only campaigns of her own"
    site.change(OfficialImport, OfficialImport.id > 0, created_at=db.now() - staging.DECIDE_WITHIN)
    assert owner.get(foreign).status_code == 404
    with site.app.app_context():
        assert staging.forget_old() == 1
        db.session.commit()
    assert owner.get(path).status_code == 200, "the report stays for a while"


@only_sqlite
def test_no_file_is_too_odd_to_be_refused_in_words(site: Site, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.ADMIN)
    post = poster(client)
    for raw, words in ((b"", "choose a file"), (b" ", "empty"), (b"PK\x03\x04x", "save it as CSV")):
        answer = send(post, raw, name="../../C:\\x.xlsx" if raw else "")
        assert (answer.status_code, words in answer.text) == (422, True), words
    assert send(post, b"x" * (LARGEST_FILE + 60_000)).status_code == 413
    path = sent(post, GOOD, name="../../a<b>\x1b[31m.csv")
    page = client.get(path).text
    assert re.findall(r'file-name"[^>]*>([^<]*)<', page) == ["a&lt;b&gt; [31m.csv"]
    assert client.get(IMPORT).status_code == 200
    assert post(f"{path}/discard").status_code == 303
    assert client.get(path).status_code == 404


@only_sqlite
def test_popolo_and_legislators_and_back_again(site: Site, sign_in: SignIn) -> None:
    """What the desk exports is what it reads: CSV, Popolo, and the table that was to be filled in."""
    client = sign_in(StaffRole.ADMIN)
    post = poster(client)
    path = sent(post, (SAMPLES / "popolo.json").read_bytes())
    post(f"{path}/choices", language="it", country="", campaign="", **{f"column-{n}": f for n, f in enumerate(POPOLO)})
    assert numbers(client, path) == {"new": 2, "changed": 0, "as": 0, "with": 2, "without": 1}
    post(f"{path}/store", **{"only-good": "yes"})
    assert site.one(Official, Official.slug == "5a7b-01").office == "Senator"

    path = sent(post, (SAMPLES / "legislators.yaml").read_bytes())
    table = client.get(f"{path}/to-fill.csv").data.decode()
    assert table.splitlines()[1].startswith("us-x000001,Jane Q. Sample,Dear Senator Sample,Senator for NO,")
    filled = table.replace(",US,en,,", ",US,en,jane@example.org,", 1).replace(",US,en,,", ",US,en,john@example.org,")
    path = sent(post, filled)
    assert numbers(client, path) == {"new": 2, "changed": 0, "as": 0, "with": 0}
    post(f"{path}/store")

    poster(client)("/staff/officials/it-water/addresses", email="second@example.org")
    site.change(Official, Official.slug == "it-health", wants_digest=True, timezone="Europe/Rome")
    before = content(site)
    exported = post("/staff/officials/export", format="csv")
    assert exported.headers["Content-Disposition"] == 'attachment; filename="officials.csv"'
    assert b"second@example.org,in use" in exported.data
    path = sent(post, exported.data)
    everyone = len(site.stored(Official))
    assert numbers(client, path) == {"new": 0, "changed": 0, "as": everyone, "with": 0}
    post(f"{path}/store")
    assert content(site) == before
    popolo = json.loads(post("/staff/officials/export", format="popolo", country="US").data)
    assert [person["email"] for person in popolo["persons"]] == ["jane@example.org", "john@example.org"]
    exports = site.stored(AuditEntry, AuditEntry.action == "export-officials")
    assert [entry.detail["officials"] for entry in exports] == [everyone, 2]
    path = sent(post, json.dumps(popolo).encode())
    post(f"{path}/choices", language="en", country="", campaign="", **{f"column-{n}": f for n, f in enumerate(POPOLO)})
    assert numbers(client, path)["new"] == 0


POPOLO = ("id", "name", "salutation", "office", "organisation", "country", "email", "address", "other_emails")


@only_sqlite
def test_thousands_by_the_command_are_all_or_nothing(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F31 in its short form: ended before the commit, then run again, and once more."""
    file = tmp_path / "many.csv"
    rows = [f"o-{n},Official {n},IT,it,o{n}@example.org" for n in range(2_000)]
    file.write_text("id,name,country,language,email\n" + "\n".join(rows) + "\n")
    command = ["officials", "import", str(file), "--campaign", "kenya-petition"]
    before = content(site)
    with monkeypatch.context() as killed:
        killed.setattr(db.session, "commit", lambda: sys.exit(137))
        assert site.app.test_cli_runner().invoke(args=command).exit_code == 137
    assert content(site) == before
    for _twice in range(2):
        result = site.app.test_cli_runner().invoke(args=command)
        assert result.stdout == "2000 officials imported into kenya-petition\n", result.output
    assert len(site.stored(Official)) == 2_005
    seats = site.stored(CampaignOfficial, CampaignOfficial.campaign_id == site.campaign("kenya-petition").id)
    assert [seat.position for seat in seats] == list(range(1, 2_001)), "in the order of the file"
