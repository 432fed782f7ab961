"""Invitations, second factors and sessions, as their owners and administrators meet them."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from passlib.totp import TOTP

from actionkit import db
from actionkit.delivery.models import Outgoing
from actionkit.staff import operations, second_factor, signed_in
from actionkit.staff.models import AuditEntry, RecoveryCode, SignInLink, StaffMember, StaffRole, StaffSession
from tests.conftest import MakeApp
from tests.signing.conftest import site
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn, csrf_token, sign_in
from tests.structure.page import Page

__all__ = ["sign_in", "site"]

pytestmark = pytest.mark.one_database

PASSWORD = "three unlikely words"
BEN = "ben@desk.example"


def post(client: FlaskClient, path: str, page: str = "", **data: object) -> tuple[int, str]:
    """Send the form of a page (by default: one that every member has); status, and where it leads or what it says."""
    fields = Page(client.get(page).text).all("input", name="csrf_token") if page else []
    token = fields[0]["value"] if fields else csrf_token(client)
    answer = client.post(path, data={"csrf_token": token, **data})
    return answer.status_code, answer.location or answer.text


def mailed_link(site: Site, word: str, to: str = BEN) -> str:
    """The path in the latest mail to the address."""
    site.drain()
    texts = [str(mail.get_content()) for mail in site.mails() if to in str(mail["To"])]
    return re.findall(rf"(/staff/{word}/\S+)", texts[-1])[-1]


@dataclass
class App:
    """An authenticator app that has read the QR code's key."""

    key: str
    used: str = ""
    """The code by which it was set up."""

    def code(self, steps: int = 1) -> str:
        """By default the next one, which is taken already: it is later than the one by which it was set up."""
        return str(TOTP(key=self.key, format="base32").generate(time=int(time.time()) + 30 * steps).token)


def set_up_codes(client: FlaskClient) -> tuple[App, list[str]]:
    page = client.get("/staff/account/codes").text
    found = re.search(r'class="key">([^<]+)<', page)
    assert found
    app = App(found[1].replace("-", "").replace(" ", ""))
    assert post(client, "/staff/account/codes", code="000000")[0] == 422
    app.used = app.code(0)
    status, text = post(client, "/staff/account/codes", code=app.used)
    assert status == 200
    return app, re.findall(r"<code>([a-z2-9-]{19})</code>", text)


def by_password(client: FlaskClient, email: str = BEN, password: str = PASSWORD) -> tuple[int, str]:
    return post(client, "/staff/sign-in", "/staff/sign-in", email=email, password=password)


@pytest.fixture
def ben(site: Site) -> FlaskClient:
    """A campaigner with a password, signed in."""
    with site.app.app_context():
        operations.add_staff(BEN, StaffRole.CAMPAIGNER, PASSWORD)
        db.session.commit()
    client = site.app.test_client()
    client.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    assert by_password(client) == (303, "/staff/")
    return client


# ---------------------------------------------------------------- people


def test_from_the_invitation_to_the_closed_account(site: Site, sign_in: SignIn) -> None:
    admin = sign_in(StaffRole.ADMIN)
    campaign = site.campaign(ITALY).id
    status, where = post(admin, "/staff/people?lang=it", email=BEN.upper(), role="campaigner", campaigns=[campaign])
    assert (status, where) == (303, "/staff/people")
    first = mailed_link(site, "invitation")
    member = site.one(StaffMember, StaffMember.email == BEN)
    page = f"/staff/people/{member.id}"
    assert post(admin, f"{page}/invitation/again")[0] == 303
    second = mailed_link(site, "invitation")
    guest = site.app.test_client()
    assert guest.get(first).status_code == 410
    assert guest.get(second.replace("invitation", "link")).status_code == 404
    assert guest.get(second).status_code == 200
    weak = {"new_password": "password1234", "new_password_confirm": "password1234"}
    assert post(guest, second, second, **weak)[0] == 422
    good = {"new_password": PASSWORD, "new_password_confirm": PASSWORD}
    assert post(guest, second, second, **good) == (303, "/staff/")
    assert site.app.test_client().get(second).status_code == 410
    assert guest.get(f"/staff/campaigns/{ITALY}/signatures").status_code == 200
    assert guest.get("/staff/people").status_code == 403
    # A role is gone, and given, at the next request; so is the account.
    (grant,) = site.one(StaffMember, StaffMember.email == BEN).grants
    assert post(admin, f"{page}/roles/{grant.id}/remove")[0] == 303
    assert guest.get(f"/staff/campaigns/{ITALY}/signatures").status_code == 403
    assert post(admin, f"{page}/roles", role="viewer")[0] == 303
    assert guest.get(f"/staff/campaigns/{ITALY}/signatures").status_code == 200
    assert post(admin, f"{page}/roles", role="admin", campaigns=[campaign])[0] == 422
    assert post(admin, f"{page}/deactivate")[0] == 303
    assert guest.get("/staff/").status_code == 303
    assert by_password(guest)[0] == 422
    assert post(admin, f"{page}/reactivate")[0] == 303
    assert by_password(guest) == (303, "/staff/")
    done = [entry.action for entry in site.stored(AuditEntry, AuditEntry.subject == BEN)]
    assert {"invite-staff", "invite-staff-again", "accept-invitation", "revoke", "add-staff"} <= set(done)
    assert {"deactivate-staff", "reactivate-staff"} <= set(done)


def test_an_invitation_that_is_taken_back_sends_nothing_and_opens_nothing(site: Site, sign_in: SignIn) -> None:
    admin = sign_in(StaffRole.ADMIN)
    post(admin, "/staff/people", email=BEN, role="viewer")
    link = site.stored(SignInLink)[-1]
    with site.app.app_context():
        path = operations.path_of_link(link)
    assert post(admin, f"/staff/people/{link.staff_member_id}/invitation/take-back")[0] == 303
    assert site.app.test_client().get(path).status_code == 410
    site.drain()
    assert [row.state for row in site.stored(Outgoing, Outgoing.kind == "staff-invitation")] == ["cancelled"]
    assert "deactivate-staff" in [entry.action for entry in site.stored(AuditEntry)]
    oneself = site.one(StaffMember, StaffMember.email.like("admin%"))
    status, text = post(admin, f"/staff/people/{oneself.id}/deactivate")
    assert status == 409
    assert "last administrator" in text


def test_a_forgotten_password(site: Site, ben: FlaskClient) -> None:
    guest = site.app.test_client()
    ask = "/staff/password-forgotten"
    known = post(guest, ask, ask, email=BEN)
    assert known == post(guest, ask, ask, email="nobody@desk.example")
    assert post(guest, ask, ask, email=BEN) == known  # and no second mail within ten minutes
    path = mailed_link(site, "new-password")
    assert len(site.stored(Outgoing, Outgoing.kind == "staff-reset")) == 1
    new = "four other unlikely words"
    assert post(guest, path, path, new_password=new, new_password_confirm=new) == (303, "/staff/")
    assert ben.get("/staff/").status_code == 303, "her other sessions have ended"
    assert by_password(ben)[0] == 422
    assert by_password(ben, password=new) == (303, "/staff/")


# ---------------------------------------------------------------- second factors


def test_codes_are_asked_for_work_once_and_recover(site: Site, ben: FlaskClient, sign_in: SignIn) -> None:
    app, recovery = set_up_codes(ben)
    assert len(set(recovery)) == 10
    with site.app.app_context():
        stored = str(db.session.execute(sa.select(StaffMember.__table__)).all()) + str(site.stored(RecoveryCode))
    assert app.key not in stored
    assert recovery[0] not in ben.get("/staff/account").text
    other = site.app.test_client()
    other.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    assert by_password(other) == (303, "/staff/second-factor")
    assert other.get("/staff/").status_code == 303, "a password alone signs nobody in"
    ask = "/staff/second-factor"
    assert post(other, ask, ask, code="12345")[0] == 422
    assert post(other, ask, ask, code=app.used)[0] == 422, "it was used when it was set up"
    code = app.code()
    assert post(other, ask, ask, code=f"{code[:3]} {code[3:]}") == (303, "/staff/")
    assert other.get("/staff/account").status_code == 200
    assert site.stored(StaffSession)[-1].signed_in_by == "password+code"
    by_link = site.app.test_client()
    with site.app.app_context():
        path = operations.new_sign_in_link(operations.find_staff(BEN) or StaffMember())
        db.session.commit()
    assert post(by_link, path, path) == (303, "/staff/second-factor")
    assert post(by_link, ask, ask, code=code)[0] == 422
    assert post(by_link, ask, ask, code=recovery[3].upper()) == (303, "/staff/")
    assert site.one(AuditEntry, AuditEntry.action == "use-recovery-code").detail == {"left": 9}
    third = site.app.test_client()
    by_password(third)
    assert post(third, ask, ask, code=recovery[3])[0] == 422, "once"
    # An administrator takes it all away: sessions end, a mail says so, the password alone signs in.
    admin = sign_in(StaffRole.ADMIN)
    member = site.one(StaffMember, StaffMember.email == BEN)
    assert post(admin, f"/staff/people/{member.id}/second-factor/reset")[0] == 303
    assert by_link.get("/staff/").status_code == 303
    site.drain()
    assert "second factor was taken away" in str(site.mails()[-1]["Subject"])
    assert by_password(site.app.test_client()) == (303, "/staff/")
    assert site.stored(RecoveryCode) == []


def test_wrong_codes_are_few_from_wherever_they_come(site: Site, ben: FlaskClient) -> None:
    app, recovery = set_up_codes(ben)
    ask = "/staff/second-factor"
    answers = []
    for number in range(11):
        client = site.app.test_client()
        client.environ_base["REMOTE_ADDR"] = f"192.0.2.{number + 10}"
        by_password(client)
        answers.append(post(client, ask, ask, code="123456")[0])
    assert answers == [422] * 10 + [429]
    assert post(client, ask, ask, code=app.code())[0] == 429, "a right one neither"
    assert post(client, ask, ask, code=recovery[0])[0] == 429
    with site.app.app_context():
        member = operations.find_staff(BEN)
        assert member is not None
        member.wrong_codes_since = db.now() - second_factor.WRONG_COUNTED_FOR
        db.session.commit()
    assert post(client, ask, ask, code=app.code()) == (303, "/staff/")
    assert len(site.stored(AuditEntry, AuditEntry.action == "too-many-wrong-codes")) == 1


def test_in_production_an_administrator_sets_one_up_before_anything_else(make_app: MakeApp) -> None:
    site = Site(make_app(mode="production", base_url="http://localhost", mail_default_sender="us@desk.example"))
    with site.app.app_context():
        operations.add_staff(BEN, StaffRole.ADMIN, PASSWORD)
        operations.add_staff("viewer@desk.example", StaffRole.VIEWER, PASSWORD)
        db.session.commit()
    ben = site.app.test_client()
    by_password(ben)
    for path in ("/staff/", "/staff/people", f"/staff/campaigns/{ITALY}/signatures.csv"):
        answer = ben.get(path)
        assert (answer.status_code, answer.location) == (303, "/staff/account"), path
    assert post(ben, "/staff/people", email="x@desk.example", role="viewer") == (303, "/staff/account")
    assert site.stored(StaffMember, StaffMember.email == "x@desk.example") == []
    assert "Before anything else" in ben.get("/staff/account").text
    set_up_codes(ben)
    assert ben.get("/staff/people").status_code == 200
    assert "Before anything else" not in ben.get("/staff/account").text
    viewer = site.app.test_client()
    by_password(viewer, "viewer@desk.example")
    assert viewer.get("/staff/").status_code == 200


def test_a_new_secret_key_keeps_apps_while_the_old_one_is_a_fallback(make_app: MakeApp) -> None:
    site = Site(make_app(secret_key="o" * 40))
    with site.app.app_context():
        operations.add_staff(BEN, StaffRole.VIEWER, PASSWORD)
        db.session.commit()
    ben = site.app.test_client()
    by_password(ben)
    app, _recovery = set_up_codes(ben)
    for settings, taken in (({"secret_key_fallbacks": "o" * 40}, True), ({}, False)):
        later = Site(make_app(secret_key="n" * 40, **settings))
        client = later.app.test_client()
        by_password(client)
        answer = post(client, "/staff/second-factor", "/staff/second-factor", code=app.code())
        assert (answer == (303, "/staff/")) == taken


# ---------------------------------------------------------------- sessions


def test_sessions_are_listed_and_ended_one_by_one(
    site: Site, ben: FlaskClient, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, third = site.app.test_client(), site.app.test_client()
    other.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1"
    by_password(other)
    by_password(third)
    listed = ben.get("/staff/account").text
    assert "Firefox on Linux" in listed
    assert "Safari on iPhone" in listed
    assert "127.0.0.1" not in listed
    mine, hers, its = site.stored(StaffSession)
    assert post(ben, f"/staff/account/sessions/{hers.public_id}/end")[0] == 303
    assert other.get("/staff/").status_code == 303
    assert third.get("/staff/").status_code == 200
    admin = sign_in(StaffRole.ADMIN)
    assert post(admin, f"/staff/account/sessions/{mine.public_id}/end")[0] == 303, "which is none of hers"
    assert ben.get("/staff/").status_code == 200
    member = site.one(StaffMember, StaffMember.email == BEN)
    assert post(admin, f"/staff/people/{member.id}/sessions/{its.public_id}/end")[0] == 303
    assert third.get("/staff/").status_code == 303
    by_password(third)
    assert post(ben, "/staff/account/sessions/end-others")[0] == 303
    assert (ben.get("/staff/").status_code, third.get("/staff/").status_code) == (200, 303)
    # Half an hour later she signs in once more before she changes how she signs in.
    monkeypatch.setattr(signed_in, "FRESH", signed_in.FRESH * 0)
    assert ben.get("/staff/account/codes").location == "/staff/account/again"
    assert post(ben, "/staff/account/recovery-codes") == (303, "/staff/account/again")
    # Seen, to a quarter of an hour, by looking alone.
    monkeypatch.setattr(signed_in, "SEEN_EVERY", signed_in.SEEN_EVERY * 0)
    before = site.one(StaffSession, StaffSession.id == mine.id).last_seen_at
    ben.get("/staff/")
    assert site.one(StaffSession, StaffSession.id == mine.id).last_seen_at > before
