"""Programs, updates, stories and resources: written, seen first, deleted and brought back; by whom they may be."""

from __future__ import annotations

import pytest

from actionkit.campaigns.models import Program, Resource, Update, Version
from actionkit.staff.models import StaffRole
from tests.editing.conftest import Editor
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn

pytestmark = pytest.mark.one_database("postgresql")

PROGRAM = "/staff/programs/clean-water"
NEWS = f"/staff/campaigns/{ITALY}/updates"


@pytest.fixture
def admin(sign_in: SignIn) -> Editor:
    return Editor(sign_in(StaffRole.ADMIN))


@pytest.fixture
def campaigner(sign_in: SignIn) -> Editor:
    return Editor(sign_in(StaffRole.CAMPAIGNER, ITALY))


def test_a_program_begins_is_written_and_goes(site: Site, admin: Editor) -> None:
    new = "/staff/programs/new"
    assert admin.send(new, admin.form(new)).status_code == 422
    assert admin.send(new, admin.form(new), title="X", slug="clean-water").status_code == 422
    assert admin.send(new, admin.form(new), title="X", links="https://a.example A\nftp://x Y").status_code == 422
    form = admin.form(new)
    seen = admin.send(new, form, title="Forests", body="**Trees**", preview="1")
    assert "<strong>Trees</strong>" in seen.text
    assert site.stored(Program, Program.slug == "forests") == []
    admin.change(new, title="Forests", body="**Trees**", links="https://a.example A friend", position="3")
    page = site.client.get("/programs/forests").text
    assert "<strong>Trees</strong>" in page
    assert "A friend" in page
    mine = "/staff/programs/forests"
    first, second = admin.form(mine), admin.form(mine)
    assert admin.send(mine, first, quotation="Q").status_code == 303
    refused = admin.send(mine, second, body="Shrubs")
    assert refused.status_code == 409, "two editors are warned"
    assert "Shrubs" in refused.text
    admin.change(mine, f"{mine}/restore", version="1")
    assert site.one(Program, Program.slug == "forests").quotation == ""
    admin.change(mine, f"{mine}/delete")
    assert site.client.get("/programs/forests").status_code == 404
    token = admin.form(new)["csrf_token"]
    admin.client.post(f"{PROGRAM}/delete", data={"csrf_token": token})
    assert site.client.get("/programs/clean-water").status_code == 200, "one with campaigns stays"
    admin.client.post(f"{mine}/restore", data={"csrf_token": token})
    assert site.client.get("/programs/forests").status_code == 200


def test_pages_of_a_program(site: Site, admin: Editor) -> None:
    for kind, fields, public in (
        ("updates", {"title": "A well", "published_on": "2026-01-02", "body": "It is dug."}, "/updates/a-well"),
        ("stories", {"title": "A life", "byline": "By her", "body": "It goes on."}, "/stories/a-life"),
    ):
        path, key = f"{PROGRAM}/{kind}", public.rsplit("/", 1)[1]
        assert admin.send(f"{path}/new", admin.form(f"{path}/new")).status_code == 422
        admin.change(f"{path}/new", **fields)
        assert fields["body"] in site.client.get(public).text
        admin.change(f"{path}/{key}", body="Changed.")
        assert "Changed." in site.client.get(public).text
        answer = admin.change(f"{path}/{key}", f"{path}/{key}/delete")
        assert site.client.get(public).status_code == 404
        admin.change(answer.location, f"{path}/restore")
        assert "Changed." in site.client.get(public).text, "an undo brings back what was there last"
    before = len(site.stored(Resource))
    path = f"{PROGRAM}/resources"
    assert admin.send(f"{path}/new", admin.form(f"{path}/new"), title="T", url="javascript:x").status_code == 422
    admin.change(f"{path}/new", title="A report", url="https://reports.example/1", publisher="They")
    made = site.stored(Resource)[-1]
    assert "A report" in site.client.get("/programs/clean-water").text
    answer = admin.change(f"{path}/{made.id}", f"{path}/{made.id}/delete")
    assert len(site.stored(Resource)) == before
    admin.change(answer.location, f"{path}/restore")
    assert len(site.stored(Resource)) == before + 1


def test_updates_of_a_campaign_are_for_who_may_edit_it(site: Site, campaigner: Editor, admin: Editor) -> None:
    campaigner.change(f"{NEWS}/new", title="Half way", body="Thank you.", is_victory="y")
    made = site.one(Update, Update.slug == "half-way")
    assert (made.campaign_id, made.is_victory) == (site.campaign().id, True)
    assert "Half way" in site.client.get(f"/campaigns/{ITALY}").text
    assert campaigner.client.get(f"{NEWS}/first-well").status_code == 404, "one of the program"
    token = {"csrf_token": campaigner.form(f"{NEWS}/new")["csrf_token"]}
    for path in (PROGRAM, f"{PROGRAM}/updates/half-way", f"{PROGRAM}/updates/half-way/delete"):
        assert campaigner.client.post(path, data=token).status_code == 403
    version = site.stored(Version, Version.subject == "update:first-well")[0].id
    foreign = campaigner.client.post(f"{NEWS}/restore", data=token | {"version": str(version)})
    assert foreign.status_code == 404
    admin.change(f"{PROGRAM}/updates/half-way", title="Half the way")
    assert site.one(Update, Update.slug == "half-way").campaign_id == made.campaign_id
