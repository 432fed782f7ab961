"""Officials at the desk: found, changed, given another address, taken out of use and brought back."""

from __future__ import annotations

import datetime as dt

from actionkit import db
from actionkit.campaigns.models import CampaignOfficial, Official, OfficialAddress
from actionkit.delivery import recipients
from actionkit.delivery.models import Outgoing, State
from actionkit.letters.operations import recipient_key
from actionkit.letters.out_of_use import OUT_OF_USE
from actionkit.replies.models import LetterAnswer
from actionkit.signing.models import Signature
from actionkit.staff.models import AuditEntry, StaffRole
from tests.officials.conftest import only_sqlite, poster
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn
from tests.structure.page import Page

SHOWN = ("Letters and reports", "Answers through us")
WATER, HEALTH = "/staff/officials/it-water", "/staff/officials/it-health"


def details(site: Site, action: str) -> dict[str, object]:
    return site.one(AuditEntry, AuditEntry.action == action).detail


def official(site: Site, slug: str) -> Official:
    return site.one(Official, Official.slug == slug)


@only_sqlite
def test_officials_are_found_by_what_is_known_of_them(site: Site, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.VIEWER, ITALY)
    with site.app.app_context():
        recipients.suspend(recipient_key(official(site, "it-towns").id), "550 no such user")
        db.session.commit()

    def found(query: str) -> list[str]:
        answer = client.get(f"/staff/officials?{query}")
        assert answer.status_code == 200
        return [line for line in ("Water", "Health", "Towns", "Secretary") if f"{line}</bdi>" in answer.text]

    assert found("q=ministero+dell%27") == []
    assert found("q=acqua@") == ["Water"], "by its address"
    assert found("q=%25") == [], "no wildcards"
    assert found("country=it&q=minister") == ["Water", "Health"]
    assert found("state=suspended") == ["Towns"]
    assert found("state=out") == []
    assert found(f"campaign={ITALY}") == ["Water", "Health", "Towns"]
    assert found("campaign=india-water") == [], "a campaign that is not hers tells nothing"
    assert client.get("/staff/officials?page=9999999").status_code == 200
    assert client.get("/staff/officials/unknown").status_code == 404


@only_sqlite
def test_an_official_is_added_by_hand_and_edited(site: Site, sign_in: SignIn) -> None:
    post = poster(sign_in(StaffRole.CAMPAIGNER, ITALY))
    about = {"name": "The Minister of Lakes", "language": "it", "country": "IT", "timezone": "", "salutation": "Sire"}
    answer = post("/staff/officials/new", **about, email="no address")
    assert (answer.status_code, "name@example.org" in answer.text) == (422, True)
    assert post("/staff/officials/new", **about | {"name": "<b>"}, email="a@example.org").status_code == 422
    assert post("/staff/officials/new", **about, email="Lakes@Example.ORG").location.endswith("/the-minister-of-lakes")
    assert post("/staff/officials/new", **about, email="b@example.org").location.endswith("/the-minister-of-lakes-2")
    stored = official(site, "the-minister-of-lakes")
    assert (stored.email, stored.salutation, stored.wants_digest) == ("Lakes@example.org", "Sire", False)
    added = site.stored(AuditEntry, AuditEntry.action == "add-official")
    assert [entry.detail["new"] for entry in added] == ["example.org", "example.org"]
    path = "/staff/officials/the-minister-of-lakes/edit"
    changed = about | {"salutation": "Signor Ministro", "timezone": "Europe/Rome", "wants_digest": "y"}
    assert post(path, **changed).status_code == 303
    stored = official(site, "the-minister-of-lakes")
    assert (stored.salutation, stored.timezone, stored.wants_digest) == ("Signor Ministro", "Europe/Rome", True)
    assert details(site, "edit-official")["fields"] == ["salutation", "timezone", "wants_digest"]
    assert post(path, **changed | {"timezone": "Mars/Base"}).status_code == 422


@only_sqlite
def test_what_belongs_to_anothers_campaign_too_is_not_hers_to_change(site: Site, sign_in: SignIn) -> None:
    with site.app.app_context():
        seat = CampaignOfficial(
            campaign_id=site.campaign("india-water").id, official_id=official(site, "it-water").id, position=9
        )
        db.session.add(seat)
        db.session.commit()
    client = sign_in(StaffRole.CAMPAIGNER, ITALY)
    post, page = poster(client), client.get(WATER)
    assert "1 campaign that is not yours" in page.text
    assert "india-water" not in page.text
    assert "/edit" not in page.text
    for path in ("edit", "addresses", "addresses/use", "retire", "delete"):
        assert post(f"{WATER}/{path}", name="x", email="x@example.org").status_code == 403, path
    assert post("/staff/delivery/officials/it-water", email="x@example.org").status_code == 403
    assert official(site, "it-water").email == "acqua@governo.example"
    assert client.get(f"{HEALTH}/edit").status_code == 200


@only_sqlite
def test_addresses_are_kept_in_order_with_what_is_known_against_them(site: Site, sign_in: SignIn) -> None:
    site.confirmed()
    mine = official(site, "it-water")
    client = sign_in(StaffRole.ADMIN)
    post, key = poster(client), recipient_key(mine.id)
    assert post(f"{WATER}/addresses", email="second@example.org ").status_code == 303
    assert post(f"{WATER}/addresses", email="Second@Example.org").status_code == 422, "it is known"
    assert official(site, "it-water").email == "acqua@governo.example", "kept for later"
    with site.app.app_context():
        recipients.suspend(key, "550 5.1.1 no such user")
        db.session.commit()
    site.drain()
    (letter,) = site.stored(Outgoing, Outgoing.recipient_key == key)
    assert letter.state == State.HELD
    assert post(f"{WATER}/addresses/use", email="nobody@example.org").status_code == 303, "none of its own"
    assert site.one(Outgoing, Outgoing.id == letter.id).state == State.HELD
    assert post(f"{WATER}/addresses/use", email="second@example.org").status_code == 303
    site.drain()
    assert site.one(Outgoing, Outgoing.id == letter.id).state == State.SENT
    assert len(site.sent_to("second@example.org")) == 1
    assert details(site, "official-address") == {
        "official": mine.id, "old": "governo.example", "new": "example.org", "letters": 1
    }  # fmt: skip
    kept = {each.email: each for each in site.stored(OfficialAddress, OfficialAddress.official_id == mine.id)}
    assert (kept["acqua@governo.example"].refused_because, kept["second@example.org"].position) == (
        "550 5.1.1 no such user",
        1,
    )
    page = client.get(WATER).text
    assert page.index("second@example.org") < page.index("acqua@governo.example") < page.index("no such user")
    post(f"{WATER}/addresses/forget", email="second@example.org")
    assert official(site, "it-water").email == "second@example.org", "the one in use stays"
    post(f"{WATER}/addresses/forget", email="acqua@governo.example")
    left = [each.email for each in site.stored(OfficialAddress, OfficialAddress.official_id == mine.id)]
    assert left == ["second@example.org"]


def test_out_of_use_and_back_with_its_letters(site: Site, sign_in: SignIn) -> None:
    site.confirmed()
    post = poster(client := sign_in(StaffRole.CAMPAIGNER, ITALY))
    key = recipient_key(official(site, "it-water").id)
    page = client.get(f"{WATER}/retire").text
    assert "1 letter that waits will stop" in page
    assert "2 other officials are left" in page
    assert "Delete it for good" not in page
    assert post(f"{WATER}/retire").status_code == 303
    assert details(site, "retire-official")["letters"] == 1
    assert "The Minister of Water" not in site.client.get(f"/campaigns/{ITALY}").text
    site.confirmed()
    site.drain()
    assert [(row.state, row.last_answer) for row in site.stored(Outgoing, Outgoing.recipient_key == key)] == [
        (State.CANCELLED, OUT_OF_USE)
    ]
    assert not official(site, "it-water").has_letters_to_move
    assert site.sent_to("acqua@governo.example") == []
    assert "The Minister of Water" in client.get("/staff/officials?state=out").text
    assert post(f"{WATER}/delete").status_code == 303
    assert official(site, "it-water").retired_at, "never deleted while letters point to it"
    assert post(f"{WATER}/restore").status_code == 303
    assert details(site, "restore-official")["letters"] == 1
    site.drain()
    assert len(site.sent_to("acqua@governo.example")) == 1
    post(f"{WATER}/restore")
    assert len(site.stored(AuditEntry, AuditEntry.action == "restore-official")) == 1, "nothing happened twice"


@only_sqlite
def test_a_letter_in_a_workers_hands_does_not_leave_either(site: Site, sign_in: SignIn) -> None:
    """Taken out of use while the job has not come yet: whoever renders it sees that."""
    site.confirmed()
    site.change(Official, Official.slug == "it-water", retired_at=db.now(), has_letters_to_move=False)
    site.drain()
    assert site.sent_to("acqua@governo.example") == []
    assert len(site.sent_to("salute@governo.example")) == 1


@only_sqlite
def test_one_to_whom_nothing_was_written_is_deleted(site: Site, sign_in: SignIn) -> None:
    post = poster(sign_in(StaffRole.ADMIN))
    assert post(f"{HEALTH}/delete").location.endswith("/staff/officials")
    assert site.stored(Official, Official.slug == "it-health") == []
    assert site.stored(OfficialAddress, OfficialAddress.email == "salute@governo.example") == []
    assert site.client.get(f"/campaigns/{ITALY}").status_code == 200


def test_what_was_sent_and_what_came_back(site: Site, sign_in: SignIn) -> None:
    for _ in range(3):
        site.confirmed()
    mine = official(site, "it-water")
    first, *_others = site.stored(Outgoing, Outgoing.recipient_key == recipient_key(mine.id))
    site.change(Outgoing, Outgoing.id == first.id, state=State.SENT, ended_at=db.now())
    signature = site.stored(Signature)[0]
    with site.app.app_context():
        db.session.add(
            LetterAnswer(
                letter_id=first.public_id,
                message_key="x",
                campaign_id=signature.campaign_id,
                official_id=mine.id,
                signature_id=signature.id,
                arrived_at=db.now() - dt.timedelta(hours=1),
            )
        )
        db.session.commit()
    client = sign_in(StaffRole.VIEWER, ITALY)
    page = Page(client.get(WATER).text)
    cells = [
        cell.words for cell in page.all("td") if cell["data-label"] in ("Letters and reports", "Answers through us")
    ]
    assert cells == ["2 waiting to be sent 1 sent", "1"]
    assert "retire" not in client.get(WATER).text, "a viewer is offered nothing"
    assert f"/staff/campaigns/{ITALY}/letters?state=sent" in client.get(WATER).text
