"""How a campaign goes: checked before it is public, paused in an emergency, closed, reopened, put away, restored."""

from __future__ import annotations

import datetime as dt

import pytest

from actionkit import db
from actionkit.campaigns.models import Campaign, CampaignText, Official, Version
from actionkit.delivery import recipients
from actionkit.delivery.models import Group
from actionkit.signing.models import Signature, SignatureState, Submission
from actionkit.staff.models import AuditEntry, StaffRole
from tests.conftest import sign_form
from tests.editing.conftest import Editor, form_in
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn

pytestmark = pytest.mark.one_database("postgresql")

DRAFT = "spain-draft"
WON = "norway-won"


def course(slug: str, step: str = "") -> str:
    return f"/staff/campaigns/{slug}/course" + (f"/{step}" if step else "")


@pytest.fixture
def admin(sign_in: SignIn) -> Editor:
    return Editor(sign_in(StaffRole.ADMIN))


def _versions(site: Site, slug: str) -> list[Version]:
    return site.stored(Version, Version.subject == f"campaign:{slug}")


# ---------------------------------------------------------------- publish


def test_errors_stand_in_the_way_and_warnings_want_a_yes(site: Site, admin: Editor) -> None:
    edit = f"/staff/campaigns/{DRAFT}/edit"
    form = admin.form(edit)
    unfinished = {"letters": "each", "officials": "it-water,it-towns", "closes_on": "2024-01-01"}
    assert admin.send(edit, form, **unfinished).status_code == 303, "a draft may be unfinished"
    page = admin.client.get(course(DRAFT))
    for said in ("Its last day is over", "There is no letter in English", "There is no goal", "there is no summary"):
        assert said in page.text
    assert admin.send(course(DRAFT, "publish"), form).status_code == 422
    assert site.client.get(f"/campaigns/{DRAFT}").status_code == 404
    letter = "{{official_name}}: act. {{supporter_name}}, {{supporter_country}}"
    with site.app.app_context():
        recipients.suspend(f"official:{site.one(Official, Official.slug == 'it-towns').id}", "550 no such user")
        db.session.commit()
    admin.change(edit, closes_on="", text__en__subject="Act", text__en__template=letter)
    page = admin.client.get(course(DRAFT))
    assert "stands in the way" not in page.text
    assert "The Association of Towns: the address refuses mail" in page.text
    assert "The Minister of Water: the letter goes out in English" in page.text
    publish = form_in(page, course(DRAFT, "publish"))
    assert admin.send(course(DRAFT, "publish"), publish).status_code == 422, "they were not said yes to"
    admin.change(edit, goal="10")  # another warning is gone: what was seen is not what there is
    assert admin.send(course(DRAFT, "publish"), publish, accept="y").status_code == 422
    admin.change(course(DRAFT), course(DRAFT, "publish"), accept="y")
    assert site.client.get(f"/campaigns/{DRAFT}").status_code == 200
    assert [version.cause for version in _versions(site, DRAFT)] == ["loaded", "saved", "saved", "saved", "moved"]
    assert admin.send(edit, admin.form(edit), officials="").status_code == 422, "what is open stays in order"
    admin.change(f"{course(DRAFT)}?done=publish", course(DRAFT, "unpublish"))
    assert site.client.get(f"/campaigns/{DRAFT}").status_code == 404


def test_a_draft_is_put_away_and_taken_out_again(site: Site, admin: Editor) -> None:
    admin.change(course(DRAFT), course(DRAFT, "archive"))
    assert DRAFT not in admin.client.get("/staff/").text
    admin.change(course(DRAFT), course(DRAFT, "unarchive"))
    assert DRAFT in admin.client.get("/staff/").text


def test_what_has_been_signed_is_never_a_draft_again(site: Site, admin: Editor) -> None:
    site.signed()
    assert course(ITALY, "unpublish") not in admin.client.get(course(ITALY)).text
    token = admin.form(course(ITALY), course(ITALY, "close"))["csrf_token"]
    admin.client.post(course(ITALY, "unpublish"), data={"csrf_token": token})
    assert site.campaign().state == "open"


# ---------------------------------------------------------------- the emergency switch


def test_paused_signing_stores_nothing_keeps_what_was_typed_and_goes_on_confirming(site: Site, admin: Editor) -> None:
    waiting = site.signed(email="before@example.org")
    admin.change(course(ITALY), course(ITALY, "signing/pause"), hours="6")
    page = site.client.get(f"/campaigns/{ITALY}")
    assert page.status_code == 200
    assert "Signing is paused at the moment" in page.text
    assert "We expect that on" in page.text
    assert 'name="consent"' not in page.text
    before = (len(site.stored(Signature)), len(site.stored(Submission)))
    answer = site.client.post(f"/campaigns/{ITALY}/sign", data=sign_form(name="Typed Name", comment="Typed words"))
    assert answer.status_code == 503
    assert 5 * 3600 < int(answer.headers["Retry-After"]) <= 6 * 3600
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Typed Name" in answer.text
    assert "Typed words" in answer.text
    assert "nothing was stored" in answer.text
    assert (len(site.stored(Signature)), len(site.stored(Submission))) == before
    assert site.client.post(site.confirm_path(waiting)).status_code == 200
    assert site.one(Signature).state == SignatureState.CONFIRMED
    site.change(Campaign, Campaign.slug == ITALY, signing_back_at=db.now() - dt.timedelta(minutes=1))
    late = site.client.post(f"/campaigns/{ITALY}/sign", data=sign_form())
    assert late.headers["Retry-After"] == "3600"
    assert "is not known yet" in late.text, "a moment that has passed is not promised"
    admin.change(course(ITALY), course(ITALY, "signing/resume"))
    assert site.sign(email="after@example.org").status_code == 303
    actions = [entry.action for entry in site.stored(AuditEntry) if entry.action.endswith("-signing")]
    assert actions == ["pause-signing", "resume-signing"]


# ---------------------------------------------------------------- the end


def test_a_campaign_is_closed_with_its_outcome_reopened_and_put_away(site: Site, admin: Editor) -> None:
    site.confirmed()
    site.drain()
    page = admin.client.get(course(ITALY)).text
    assert "1 signature stays, and counts." in page
    close = course(ITALY, "close")
    assert admin.send(close, admin.form(course(ITALY), close)).status_code == 422, "how it ended is needed"
    words = {"closing_en": "We **won** it.", "closing_it": "Abbiamo vinto."}
    answer = admin.change(course(ITALY), close, outcome="won", successor="india-water", **words)
    assert answer.location.endswith("done=close")
    closed = site.client.get(f"/campaigns/{ITALY}")
    assert closed.status_code == 200, "its page stays at its address"
    assert "<strong>won</strong>" in closed.text
    assert "/campaigns/india-water" in closed.text
    assert "Abbiamo vinto." in site.client.get(f"/campaigns/{ITALY}?lang=it").text
    assert site.sign().status_code == 410
    assert site.one(Group, Group.group_key == f"campaign:{site.campaign().id}")
    admin.change(course(ITALY), course(ITALY, "archive"))
    assert ITALY not in admin.client.get("/staff/").text
    assert ITALY in admin.client.get("/staff/programs").text
    assert ITALY in site.client.get("/archive").text
    reopen = course(ITALY, "reopen")
    assert admin.send(reopen, admin.form(course(ITALY), reopen), closes_on="2024-05-05").status_code == 422
    admin.change(course(ITALY), reopen, closes_on="2099-01-01")
    assert site.sign().status_code == 303
    campaign = site.campaign()
    assert (campaign.outcome, campaign.closed_at, campaign.archived_at) == (None, None, None)
    assert campaign.closes_on == dt.date(2099, 1, 1)
    assert [version.cause for version in _versions(site, ITALY)] == ["loaded", "moved", "moved", "moved"]


def test_the_words_at_the_end_survive_the_files(site: Site, admin: Editor) -> None:
    admin.change(course(WON), course(WON, "close"), closing_en="How it was won.")
    texts = site.stored(CampaignText, CampaignText.campaign_id == site.campaign(WON).id)
    assert {text.closing for text in texts if text.language == "en"} == {"How it was won."}
    assert site.app.test_cli_runner().invoke(args=["content", "load", "tests/content"]).exit_code == 0
    assert "How it was won." in site.client.get(f"/campaigns/{WON}").text
    assert site.client.get(f"/campaigns/{WON}").status_code == 200


# ---------------------------------------------------------------- history


def test_a_version_is_compared_and_restored_and_its_undo_is_one_too(site: Site, admin: Editor) -> None:
    edit, history = f"/staff/campaigns/{ITALY}/edit", f"/staff/campaigns/{ITALY}/versions"
    admin.change(edit, officials="it-towns", text__en__body="The springs are **almost dry**.")
    shown = admin.client.get(f"{history}/2").text
    assert "<del>drying up</del><ins>almost dry</ins>" in shown
    assert "The Minister of Water" in shown, "officials by name"
    answer = admin.change(f"{history}/1", f"{history}/1/restore")
    assert answer.location == f"{history}?undo=2"
    assert "drying up" in site.client.get(f"/campaigns/{ITALY}").text
    last = _versions(site, ITALY)[-1]
    assert (last.number, last.cause, last.restored_number) == (3, "restored", 1)
    assert last.content["officials"] == ["it-water", "it-health", "it-towns"]
    admin.change(answer.location, f"{history}/2/restore")
    assert _versions(site, ITALY)[-1].content == _versions(site, ITALY)[1].content
    assert "admin-0@staff.example.org" in admin.client.get(history).text
    token = {"csrf_token": admin.form(edit)["csrf_token"]}
    admin.client.post(f"{history}/2/restore", data=token)
    assert len(_versions(site, ITALY)) == 4, "what it says already makes no version"


def test_a_load_is_a_version_and_restoring_never_opens_or_closes(site: Site, admin: Editor) -> None:
    admin.change(course(ITALY), course(ITALY, "close"), outcome="lost")
    token = {"csrf_token": admin.form(course(ITALY), course(ITALY, "close"))["csrf_token"]}
    admin.client.post(f"/staff/campaigns/{ITALY}/versions/1/restore", data=token)
    assert site.campaign().state == "closed"
    loaded = site.app.test_cli_runner().invoke(args=["content", "load", "content"])
    assert loaded.exit_code == 0, loaded.stderr
    causes = {version.subject: version.cause for version in site.stored(Version) if version.number == 1}
    assert set(causes.values()) == {"loaded"}
    assert len(causes) > 20
