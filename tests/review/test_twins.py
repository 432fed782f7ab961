"""Likely twins: what providers ignore, shown to staff and never merged; and the table that says so."""

from __future__ import annotations

import pytest

from actionkit import jobs
from actionkit.review import twins, watch
from actionkit.review.models import AddressTwin, Cursor, ProviderRule
from actionkit.review.twins import Provider, twin_key
from actionkit.signing.models import Signature, SignatureState
from actionkit.staff.models import AuditEntry, StaffRole
from tests.review.conftest import ReviewSite
from tests.signing.site import ITALY
from tests.structure.conftest import SignIn, csrf_token
from tests.structure.page import Page

RULES = {
    "gmail.com": Provider(ignores_dots=True, tag_separator="+"),
    "googlemail.com": Provider(same_as="gmail.com"),
    "yahoo.com": Provider(tag_separator="-"),
    "here.example": Provider(same_as="there.example"),
    "there.example": Provider(same_as="here.example", tag_separator="+"),
    "odd.example": Provider(same_as="nowhere.example", ignores_dots=True),
}
only_sqlite = pytest.mark.one_database

TWINS = f"/staff/campaigns/{ITALY}/review/twins"


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("ann@gmail.com", "ann@gmail.com"),
        ("a.n.n+petition+2@gmail.com", "ann@gmail.com"),
        ("a.nn@googlemail.com", "ann@gmail.com"),
        ("ann-petition@yahoo.com", "ann@yahoo.com"),
        ("a.nn+tag@yahoo.com", "a.nn+tag@yahoo.com"),
        ("+tag@gmail.com", "+tag@gmail.com"),
        ("ann+tag@example.org", None),
        ("ann+tag@mail.gmail.com", None),
        ("ann+tag@here.example", "ann@there.example"),
        ("a.nn@odd.example", "ann@odd.example"),
        ("", None),
        ("erased", None),
    ],
)
def test_a_key_is_what_the_provider_does_not_ignore(address: str, key: str | None) -> None:
    assert twin_key(address, RULES) == key


def keys(site: ReviewSite) -> list[str]:
    return [row.twin_key for row in site.stored(AddressTwin)]


def test_twins_are_found_and_nothing_is_done_to_them(site: ReviewSite) -> None:
    for email in ("ann.bell@gmail.com", "AnnBell+now@googlemail.com", "ann+x@example.org", "bob@gmail.com"):
        site.signed(email=email)
    site.signed("india-water", email="annbell@gmail.com")
    site.look()
    assert keys(site) == [], "what has just been signed is left for the next look"
    site.grow_old()
    site.drain()
    assert keys(site) == ["annbell@gmail.com", "annbell@gmail.com", "bob@gmail.com", "annbell@gmail.com"]
    with site.app.app_context():
        found = twins.groups(site.campaign().id)
        assert [[row.email for row in group.signatures] for group in found.groups] == [
            ["ann.bell@gmail.com", "AnnBell+now@googlemail.com"]
        ], "twins of one campaign, not of two"
    assert {s.state for s in site.stored(Signature)} == {"pending"}
    assert len(site.confirmations()) == 5, "each is asked to confirm, twin or not"


def test_a_look_is_idempotent_and_reads_in_batches(site: ReviewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "BATCH", 7)
    monkeypatch.setattr(jobs, "BETWEEN_BATCHES", 0)
    site.crowd(20, "gmail.com")
    site.look()
    before = [(row.signature_id, row.twin_key) for row in site.stored(AddressTwin)]
    assert len(before) == 20
    site.look()
    site.change(Cursor, position=0)  # a cursor that was lost: everything is read once more
    site.look()
    assert [(row.signature_id, row.twin_key) for row in site.stored(AddressTwin)] == before


def test_the_page_shows_pairs_page_by_page_without_an_address_in_a_link(
    site: ReviewSite, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twins, "PER_PAGE", 2)
    monkeypatch.setitem(twins.groups.__kwdefaults__, "most", 2)
    people = [f"p{n}" for n in range(5)]
    site.crowd(addresses=tuple(f"{p}@gmail.com" for p in people) + tuple(f"{p}+x@gmail.com" for p in people))
    site.look()
    client = sign_in(StaffRole.VIEWER, ITALY)
    seen, path = [], TWINS
    for _ in range(3):
        page = Page(client.get(path).text)
        links = [a["href"] for a in page.all("a") if "signature=" in a["href"]]
        assert links
        assert not [a["href"] for a in page.all("a") if "gmail" in a["href"] or "%40" in a["href"]]
        seen += [a.words for a in page.all("a") if "signature=" in a["href"]]
        path = next((a["href"] for a in page.all("a", rel="next")), "")
    assert path == ""
    assert seen == [address for p in people for address in (f"{p}@gmail.com", f"{p}+x@gmail.com")]
    listed = Page(client.get(links[0]).text)
    assert len(listed.all("tr")) == 2, "its link shows the one signature"
    assert "p4@gmail.com" in listed.one("table").words


def test_a_twin_is_marked_in_the_list_until_it_is_settled(site: ReviewSite, sign_in: SignIn) -> None:
    site.crowd(addresses=("ann@gmail.com", "ann+x@gmail.com", "bob@gmail.com"))
    site.look()
    client = sign_in(StaffRole.VIEWER, ITALY)
    page = Page(client.get(f"/staff/campaigns/{ITALY}/signatures").text)
    marks = [a for a in page.all("a") if "/review/twins?of=" in a["href"]]
    assert len(marks) == 2
    group = client.get(marks[0]["href"]).text
    assert "ann+x@gmail.com" in group
    assert "bob@gmail.com" not in group
    site.change(Signature, Signature.canonical_email == "ann+x@gmail.com", state=SignatureState.INVALIDATED)
    assert "/review/twins?of=" not in client.get(f"/staff/campaigns/{ITALY}/signatures").text
    assert "ann@gmail.com" not in client.get(TWINS).text
    assert "ann+x@gmail.com" not in client.get(marks[0]["href"]).text


def test_a_change_of_the_table_computes_all_twins_anew(site: ReviewSite, sign_in: SignIn) -> None:
    site.crowd(addresses=("a.nn@gmail.com", "ann@gmail.com", "ann+x@web.example", "ann@web.example"))
    site.look()
    assert keys(site) == ["ann@gmail.com", "ann@gmail.com"]
    client = sign_in(StaffRole.ADMIN)
    token = csrf_token(client)

    def send(path: str = "", **form: str) -> int:
        return client.post(f"/staff/review/providers{path}", data={"csrf_token": token, **form}).status_code

    assert send(domain="@Web.Example", tag_separator="+") == 303
    assert send(domain="gmail.com", tag_separator="+") == 303, "dots count from now on"
    assert keys(site) == ["ann@gmail.com", "ann@gmail.com"], "the job does it, not the request"
    site.look()
    assert keys(site) == ["a.nn@gmail.com", "ann@gmail.com", "ann@web.example", "ann@web.example"]
    assert send("/remove", domain="gmail.com") == 303
    assert site.stored(ProviderRule, ProviderRule.domain == "gmail.com"), "googlemail.com is another name of it"
    assert send("/remove", domain="googlemail.com") == send("/remove", domain="gmail.com") == 303
    site.look()
    assert keys(site) == ["ann@web.example", "ann@web.example"]
    did = [(entry.action, entry.subject) for entry in site.stored(AuditEntry)][-4:]
    assert did == [
        ("save-provider", "web.example"),
        ("save-provider", "gmail.com"),
        ("remove-provider", "googlemail.com"),
        ("remove-provider", "gmail.com"),
    ]


NONSENSE = [
    {"domain": ""},
    {"domain": "no domain"},
    {"domain": "a@b.example"},
    {"domain": "new.example", "same_as": "new.example"},
    {"domain": "new.example", "same_as": "unknown.example"},
    {"domain": "new.example", "same_as": "googlemail.com"},
    {"domain": "gmail.com", "same_as": "proton.me"},
    {"domain": "new.example", "tag_separator": "x"},
]


@only_sqlite
def test_a_rule_that_makes_no_sense_is_refused(site: ReviewSite, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.ADMIN)
    token = csrf_token(client)
    for form in NONSENSE:
        answer = client.post("/staff/review/providers", data={"csrf_token": token, **form})
        assert answer.status_code == 422, form
        assert "error-summary" in answer.text
    assert len(site.stored(ProviderRule)) == 23
    assert site.stored(Cursor) == []


@only_sqlite
def test_the_table_is_for_admins(site: ReviewSite, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.CAMPAIGNER)
    assert client.get("/staff/review/providers").status_code == 403
    form = {"csrf_token": csrf_token(client), "domain": "x.example"}
    assert client.post("/staff/review/providers", data=form).status_code == 403
    assert client.post("/staff/review/providers/remove", data=form).status_code == 403
    page = sign_in(StaffRole.ADMIN).get("/staff/review/providers?domain=googlemail.com")
    assert Page(page.text).value("same_as") == "gmail.com"
