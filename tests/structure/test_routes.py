"""Every route: what it is for, who may use it, and that a GET changes nothing."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from actionkit import create_app, db
from actionkit.content.fields import Fields
from actionkit.content.reader import UpdateRecord
from actionkit.content.store import store_update
from actionkit.db import Base
from actionkit.delivery.models import Outgoing
from actionkit.exports import made_files
from actionkit.exports.models import Contents
from actionkit.exports.wanted import Wanted
from actionkit.imports import importing
from actionkit.replies import intake
from actionkit.replies.models import IncomingMail, IncomingSource
from actionkit.review import removals
from actionkit.review.removal_rules import Rule as RemovalRule
from actionkit.signing.models import Signature, Submission
from actionkit.staff import operations, rights
from actionkit.staff.models import AuditEntry, StaffRole, StaffSession
from actionkit.staff.rights import RIGHTS, Right
from tests.conftest import make_config, sign_form
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn, csrf_token

SNAPSHOT = Path(__file__).parents[1] / "data" / "routes.txt"
OWN, OTHER = ITALY, "india-water"
TOKEN = "x" * 40

WRITES_ON_GET = {
    **dict.fromkeys(["exports.download", "exports.download_packed", "exports.download_letters"], 2),
    "audit.download": 1,
}
"""Entries of exports: one before the first byte, and one with the rows after the last (house law 3)."""
OWNED = "/files/<public_id>"
"""Files are only for whoever asked for them: tests/exports/test_made_files.py."""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[Rule]:
    app = create_app(make_config(tmp_path_factory.mktemp("routes")))
    return sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint))


def methods(rule: Rule) -> set[str]:
    return set(rule.methods or ()) - {"HEAD", "OPTIONS"}


def listed(app: Flask) -> list[str]:
    lines = []
    for rule in app.url_map.iter_rules():
        who = "public"
        if rule.rule.startswith("/staff"):
            who = str(rights.rule_of(app.view_functions[rule.endpoint]))
        lines.append(f"{','.join(sorted(methods(rule))):9} {rule.rule}  [{who}]")
    return sorted(lines, key=lambda line: line[10:])


def test_the_routes_are_those_of_the_list(app: Flask) -> None:
    """A new route is a decision: add it to tests/data/routes.txt, with who may use it, on purpose."""
    assert listed(app) == SNAPSHOT.read_text("utf-8").splitlines()


def test_state_is_changed_by_post_alone(rules: list[Rule]) -> None:
    odd = {rule.rule: methods(rule) for rule in rules if not methods(rule) <= {"GET", "POST"}}
    assert odd == {}, "forms know GET and POST"


def test_the_contracts_routes_are_there(rules: list[Rule]) -> None:
    there = {(method, rule.rule) for rule in rules for method in methods(rule)}
    for line in CONTRACT.strip().splitlines():
        method, path = line.split()
        assert (method, path) in there, f"{line} is in the contract"


CONTRACT = """
GET /
GET /programs/<slug>
GET /campaigns/<slug>
POST /campaigns/<slug>/sign
POST /campaigns/<slug>/preview
GET /campaigns/<slug>/thanks
GET /campaigns/<slug>/count.json
GET /confirm/<token>
POST /confirm/<token>
GET /withdraw/<token>
POST /withdraw/<token>
GET /archive
GET /updates
GET /updates/<slug>
GET /stories/<slug>
GET /feed.atom
GET /sitemap.xml
GET /robots.txt
GET /healthz
GET /staff/sign-in
POST /staff/sign-in
POST /staff/sign-out
GET /staff/
GET /staff/campaigns/<slug>/signatures.csv
"""


# ---------------------------------------------------------------- a place with everything


def is_of_one_member(rule: Rule) -> bool:
    """A file that she sent in is hers: for everybody else, whatever the role, it is not there."""
    return rule.rule.startswith("/staff/officials/import/<public_id>")


@dataclass
class Desk:
    """A campaign with a signature, letters and staff; and ids that fill the routes of the desk."""

    site: Site
    ids: dict[str, str]

    @property
    def routes(self) -> list[tuple[str, Rule]]:
        found = [rule for rule in self.site.app.url_map.iter_rules() if rule.rule.startswith("/staff")]
        return [(method, rule) for rule in found for method in sorted(methods(rule))]

    def rule_of(self, rule: Rule) -> str:
        return str(rights.rule_of(self.site.app.view_functions[rule.endpoint]))

    def path(self, rule: Rule, slug: str = OWN) -> str:
        """The route with ids that exist: those of `slug`."""
        official = {OWN: "it-water", OTHER: "in-water"}[slug]
        ids = {**self.ids, "slug": slug, "official": official, "token": TOKEN, "number": "1", "program": "clean-water"}
        filled = re.sub(r"<any\((\w+)[^)]*\):\w+>", r"\1", rule.rule)
        if "letters/" in rule.rule:
            ids["public_id"] = ids[f"letter {slug}"]
        elif "signatures/" in rule.rule:
            ids["public_id"] = ids[f"signature {slug}"]
        elif "removals/" in rule.rule:
            ids["public_id"] = ids[f"removal {slug}"]
        elif "<slug>/imports/" in rule.rule:
            ids["public_id"] = ids[f"import {slug}"]
        elif OWNED in rule.rule:
            ids["public_id"] = ids[f"file {slug}"]
        elif "incoming/" in rule.rule:
            ids["public_id"] = ids["incoming"]
        elif is_of_one_member(rule):
            ids["public_id"] = "0" * 32
        elif rule.rule.startswith(("/staff/people", "/staff/account")):
            ids["public_id"] = ids["session"]
        ids["key"] = f"news-{slug}" if "<slug>" in rule.rule else "first-well"
        filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: ids[found[1]], filled)
        assert "<" not in filled, f"this test cannot fill {rule.rule}: teach it"
        return filled

    def ask(self, client: FlaskClient, method: str, path: str, token: str = "") -> TestResponse:
        return client.open(path, method=method, data={"csrf_token": token} if method == "POST" else None)


@pytest.fixture
def desk(site: Site) -> Desk:
    ids: dict[str, str] = {}
    for slug in (OWN, OTHER):
        site.confirmed(slug)
        campaign_id = site.campaign(slug).id
        (signature,) = site.stored(Signature, Signature.campaign_id == campaign_id)
        letters = site.stored(Outgoing, Outgoing.kind == "letter", Outgoing.subject_id == signature.id)
        ids |= {f"signature {slug}": signature.public_id, f"letter {slug}": letters[0].public_id}
        with site.app.app_context():
            rule = RemovalRule(country="IT")
            removal = removals.add(campaign_id, rule, removals.count(campaign_id, rule), None)
            ids[f"removal {slug}"] = removal.public_id
            store_update(
                UpdateRecord(f"news-{slug}", Fields("", {}, {}), dt.date(2026, 1, 1), None, slug, "News", False, "")
            )
            file = made_files.add(campaign_id, Contents.SIGNATURES, Wanted(), None)
            assert file is not None
            ids[f"file {slug}"] = file.public_id
            paper = importing.upload(site.campaign(slug), "paper.csv", b"name,email\nAnn,a@example.org\n", None)
            ids[f"import {slug}"] = paper.public_id
            db.session.commit()
    with site.app.app_context():
        intake.store(b"From: somebody@example.org\r\n\r\nHello.\r\n", IncomingSource.PIPE)
        db.session.commit()
    ids["incoming"] = site.one(IncomingMail).public_id
    with site.app.app_context():
        colleague = operations.add_staff("colleague@staff.example.org", StaffRole.VIEWER)
        session = StaffSession(staff_member_id=colleague.id, signed_in_by="link")
        db.session.add(session)
        db.session.commit()
        ids |= {"member_id": str(colleague.id), "grant_id": str(colleague.grants[0].id), "session": session.public_id}
    return Desk(site, ids)


def stored(site: Site) -> dict[str, list[str]]:
    """Every row, except what a request of staff may leave behind on its own account."""
    with site.app.app_context():
        db.reading()
        return {
            name: sorted(repr(tuple(row)) for row in db.session.execute(table.select()))
            for name, table in Base.metadata.tables.items()
            if name not in ("audit_entries", "audit_head", "staff_members", "staff_sessions")
        }


# ---------------------------------------------------------------- the desk


def test_every_view_of_the_desk_says_whom_it_is_for(desk: Desk) -> None:
    known = {*map(str, Right), *(f"{right} everywhere" for right in Right), "signed-in", "everyone"}
    for _method, rule in desk.routes:
        assert desk.rule_of(rule) in known, f"{rule.endpoint} has no rule: see rights.needs"


def test_what_everyone_may_is_the_door(desk: Desk) -> None:
    doors = {rule.rule for _method, rule in desk.routes if desk.rule_of(rule) == "everyone"}
    links = {f"/staff/{way}/<token>" for way in ("link", "invitation", "new-password")}
    more = {"/staff/sign-in/passkey", "/staff/second-factor", "/staff/password-forgotten"}
    assert doors == {"/staff/sign-in", "/staff/sign-out"} | links | more


def test_nobody_gets_in_without_a_session(desk: Desk) -> None:
    before = stored(desk.site)
    for method, rule in desk.routes:
        if desk.rule_of(rule) == "everyone":
            continue
        answer = desk.ask(desk.site.app.test_client(), method, desk.path(rule))
        if method == "GET":
            assert answer.status_code == 303, f"{rule.rule}: {answer.status_code}"
            assert answer.location.startswith("/staff/sign-in?next="), rule.rule
        else:
            assert answer.status_code in (400, 401, 403), f"{rule.rule}: {answer.status_code}"
        assert "no-store" in answer.headers["Cache-Control"]
    assert stored(desk.site) == before


def test_a_post_of_staff_needs_its_token(desk: Desk, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.ADMIN)
    before = stored(desk.site)
    for method, rule in desk.routes:
        if method == "POST":
            for token in ("", "wrong"):
                answer = desk.ask(client, method, desk.path(rule), token)
                assert answer.status_code in (400, 403), f"{rule.rule}: {answer.status_code}"
    assert stored(desk.site) == before


@pytest.mark.one_database
@pytest.mark.parametrize("role", [StaffRole.VIEWER, StaffRole.CAMPAIGNER])
def test_anothers_campaign_is_404_on_every_route(desk: Desk, sign_in: SignIn, role: StaffRole) -> None:
    client = sign_in(role, OWN)
    token = csrf_token(client)
    before = stored(desk.site)
    tried = 0
    for method, rule in desk.routes:
        if "<slug>" not in rule.rule:
            continue
        right = Right(desk.rule_of(rule))
        wanted = 404 if right in RIGHTS[role] else 403
        for slug in (OTHER, "spain-draft", "unknown"):
            ids = desk.path(rule, OTHER).replace(f"/{OTHER}/", f"/{slug}/")
            answer = desk.ask(client, method, ids, token)
            # Who lacks the right on every campaign is told so before any is looked at.
            assert answer.status_code == wanted, f"{role} {method} {ids}: {answer.status_code}"
            tried += 1
    assert tried >= 15
    assert stored(desk.site) == before


def test_anothers_signature_and_letter_are_404_under_the_own_slug(desk: Desk, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.CAMPAIGNER, OWN)
    token = csrf_token(client)
    before = stored(desk.site)
    for method, rule in desk.routes:
        if "<slug>" in rule.rule and "<public_id>" in rule.rule:
            path = desk.path(rule, OTHER).replace(f"/{OTHER}/", f"/{OWN}/")
            assert desk.ask(client, method, path, token).status_code == 404, path
    assert stored(desk.site) == before


@pytest.mark.one_database
@pytest.mark.parametrize("role", list(StaffRole))
@pytest.mark.parametrize("is_everywhere", [True, False])
def test_each_role_gets_what_its_rights_say(desk: Desk, sign_in: SignIn, role: StaffRole, is_everywhere: bool) -> None:
    if role is StaffRole.ADMIN and not is_everywhere:
        return  # there is no such account: see operations.AdminOfOneCampaign
    client = sign_in(role, *([] if is_everywhere else [OWN]))
    token = csrf_token(client)
    before = stored(desk.site)
    # What takes a page away comes last: the others need it.
    for method, rule in sorted(desk.routes, key=lambda route: route[1].rule.endswith("/delete")):
        who = desk.rule_of(rule)
        if who in ("everyone", "signed-in"):
            continue
        answer = desk.ask(client, method, desk.path(rule), token)
        right = Right(who.removesuffix(" everywhere"))
        may = right in RIGHTS[role] and (is_everywhere or right == who)
        if may and OWNED in rule.rule:
            assert answer.status_code == 404, f"{role} {method} {rule.rule}: {answer.status_code}"
            continue
        # An empty form may be refused (422): that is another matter than the right to send it.
        done = (404,) if is_of_one_member(rule) else (200, 303, 422)
        assert (answer.status_code in done) == may, f"{role} {method} {rule.rule}: {answer.status_code}"
        if not may:
            assert answer.status_code == 403
            assert stored(desk.site) == before
        elif method == "POST":
            before = stored(desk.site)
        assert desk.site.app.config["ACTIONKIT"].secret_key.encode() not in answer.data


def test_a_viewer_is_offered_nothing_that_she_may_not(desk: Desk, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.VIEWER, OWN)
    for path in (f"/staff/campaigns/{OWN}/signatures", f"/staff/campaigns/{OWN}/letters"):
        page = client.get(path).text
        assert "signatures.csv" not in page
        assert "/files" not in page
        assert "send-again" not in page
        assert "/print" not in page
        assert "/refuse" not in page


def test_staff_see_only_their_campaigns(desk: Desk, sign_in: SignIn) -> None:
    page = sign_in(StaffRole.CAMPAIGNER, OWN).get("/staff/").text
    assert OWN in page
    assert OTHER not in page
    assert OTHER in sign_in(StaffRole.ADMIN).get("/staff/").text


# ---------------------------------------------------------------- GET changes nothing


def test_a_get_of_the_desk_changes_nothing(desk: Desk, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.ADMIN)
    before = stored(desk.site)
    for method, rule in desk.routes:
        if method == "GET":
            audit = len(desk.site.stored(AuditEntry))
            client.get(desk.path(rule)).get_data()  # to its last byte
            added = len(desk.site.stored(AuditEntry)) - audit
            assert added == WRITES_ON_GET.get(rule.endpoint, 0), f"{rule.rule} leaves {added} entries"
    assert stored(desk.site) == before


def test_a_get_of_the_public_changes_nothing(desk: Desk) -> None:
    site = desk.site
    before = stored(site)
    signature, submission = site.stored(Signature)[0], site.stored(Submission)[0]
    unsubscribe = f"/unsubscribe/{site.token('unsubscribe', submission.public_id)}"
    tokens = [site.confirm_path(submission), site.withdraw_path(signature), unsubscribe]
    for path in (*tokens, *public_paths(site)):
        for method in ("GET", "HEAD", "OPTIONS"):
            assert site.client.open(path, method=method).status_code in (200, 302, 405), path
    assert stored(site) == before


NOT_OF_EVERYONE = ("/staff", "/dev", "/static", "/confirm", "/withdraw", "/unsubscribe")


def public_paths(site: Site) -> list[str]:
    slugs = {"programs": "clean-water", "updates": "first-well", "stories": "river-people", "campaigns": ITALY}
    paths = []
    for rule in site.app.url_map.iter_rules():
        if rule.rule.startswith(NOT_OF_EVERYONE) or "GET" not in methods(rule):
            continue
        section = rule.rule.split("/")[1]
        paths.append(rule.rule.replace("<slug>", slugs.get(section, "")))
    assert all("<" not in path for path in paths), f"this test cannot fill one of {paths}: teach it"
    return paths


def test_every_post_refuses_a_foreign_page(desk: Desk) -> None:
    before = stored(desk.site)
    for rule in desk.site.app.url_map.iter_rules():
        if "POST" not in methods(rule):
            continue
        path = desk.path(rule)
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = desk.site.client.post(path, data=sign_form(), headers=headers)
            assert answer.status_code in (400, 403), f"{path}: {answer.status_code}"
    assert stored(desk.site) == before
