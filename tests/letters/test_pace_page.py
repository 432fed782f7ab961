"""How letters leave, set on the desk; and a rehearsal that goes to nobody but who asked."""

from __future__ import annotations

from collections import Counter

import pytest
from flask import Flask

from actionkit.delivery.models import Group, Outgoing
from actionkit.staff.models import AuditEntry, StaffRole
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn, csrf_token, sign_in

__all__ = ["sign_in"]

PACE, REHEARSE = (f"/staff/campaigns/{ITALY}/letters/{what}" for what in ("pace", "rehearse"))


@pytest.fixture
def site(app: Flask) -> Site:
    return Site(app)


def test_a_pace_is_saved_and_handed_to_delivery(site: Site, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.CAMPAIGNER, ITALY)
    form = {"csrf_token": csrf_token(client), "per_hour": "12", "hours": "Sun-Thu 08:00-16:00", "spread": "y"}
    for wrong in ({"per_hour": "many"}, {"hours": "9-17"}):
        assert client.post(PACE, data=form | wrong).status_code == 422
    assert site.stored(AuditEntry, AuditEntry.action == "set-pace") == []
    assert client.post(PACE, data=form).status_code == 303
    group = site.one(Group, Group.group_key == f"campaign:{site.campaign().id}")
    assert (group.per_hour, group.office_hours, group.zone) == (12, "Sun-Thu 08:00-16:00", "Europe/Rome")
    assert site.one(AuditEntry, AuditEntry.action == "set-pace").detail["letters_per_hour"] == 12
    assert 'value="Sun-Thu 08:00-16:00"' in client.get(PACE).text


def test_a_rehearsal_goes_to_who_asked_and_to_nobody_else(site: Site, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.CAMPAIGNER, ITALY)
    for _ in range(2):  # a double click
        assert client.post(REHEARSE, data={"csrf_token": csrf_token(client)}).status_code == 303
    kinds = Counter(row.kind for row in site.stored(Outgoing))
    assert kinds["rehearsal"] in (3, 6), "six where a minute ended between the clicks"
    site.drain()
    mails = site.mails()
    assert {mail["To"].addresses[0].addr_spec for mail in mails} == {"campaigner-1@staff.example.org"}
    assert all(mail["Subject"].startswith("[TEST] ") for mail in mails)
    assert {mail["Content-Language"] for mail in mails} == {"en", "it"}
    assert all("Ann Example" in mail.get_content() for mail in mails)
    assert site.letters() == []
