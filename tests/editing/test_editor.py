"""The editor of a campaign: what is typed is stored as files would store it, or nothing is and nothing is lost."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from actionkit.campaigns.models import Campaign, CampaignText, Version
from actionkit.editing.models import Draft
from actionkit.letters.models import LetterVersion
from actionkit.staff.models import AuditEntry, StaffRole
from tests.editing.conftest import Editor, form_in
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn

pytestmark = pytest.mark.one_database

EDIT = f"/staff/campaigns/{ITALY}/edit"
ARRANGE, PREVIEW, DRAFT = (f"{EDIT}/{what}" for what in ("arrange", "preview", "draft"))
LETTER = "{{official_salutation}},\r\n\r\nAct.\r\n\r\n{{supporter_name}}\r\n{{supporter_country}}"


@pytest.fixture
def editor(sign_in: SignIn) -> Editor:
    return Editor(sign_in(StaffRole.CAMPAIGNER, ITALY))


@pytest.fixture
def other(sign_in: SignIn) -> Editor:
    return Editor(sign_in(StaffRole.ADMIN))


def _versions(site: Site) -> list[Version]:
    return site.stored(Version, Version.subject == f"campaign:{ITALY}")


def test_saved_unchanged_it_is_what_the_files_said(site: Site, editor: Editor) -> None:
    before = site.campaign()
    editor.change(EDIT)
    assert [version.cause for version in _versions(site)] == ["loaded"], "nothing is new"
    assert len(site.stored(LetterVersion, LetterVersion.campaign_id == before.id)) == 1
    assert site.stored(AuditEntry, AuditEntry.action == "edit-campaign") == []


def test_what_is_changed_is_public_and_a_version(site: Site, editor: Editor) -> None:
    seen = site.confirmed().letter_version_id
    editor.change(EDIT, goal="250", text__it__title="Le sorgenti", text__en__template=LETTER)
    assert site.campaign().goal == 250
    assert "Le sorgenti" in site.client.get(f"/campaigns/{ITALY}?lang=it").text
    first, second = _versions(site)
    assert (first.number, second.number, second.cause) == (1, 2, "saved")
    assert second.content["letter"]["en"]["template"] == LETTER.replace("\r\n", "\n")
    assert second.content["texts"]["it"]["title"] == "Le sorgenti"
    assert site.one(AuditEntry, AuditEntry.action == "edit-campaign").detail == {"version": 2}
    letters = site.stored(LetterVersion, LetterVersion.campaign_id == site.campaign().id)
    assert [letter.number for letter in letters] == [1, 2]
    assert letters[0].id == seen, "who has signed sends what she saw"


def test_a_language_comes_and_goes(site: Site, editor: Editor) -> None:
    page = editor.send(ARRANGE, editor.form(EDIT), arrange="add-language", new_language="ar")
    assert site.stored(CampaignText, CampaignText.language == "ar") == [], "nothing is stored by arranging"
    form = form_in(page, EDIT)
    assert editor.send(EDIT, form).status_code == 422, "a language needs a title"
    answer = editor.send(EDIT, form, text__ar__title="ماء")
    assert answer.status_code == 303
    assert 'dir="rtl"' in site.client.get(f"/campaigns/{ITALY}?lang=ar").text
    form = form_in(editor.send(ARRANGE, editor.form(EDIT), arrange="remove-language:it"), EDIT)
    assert form["text-it-title"] == "Proteggere le sorgenti", "kept until it is saved, to be put back"
    again = form_in(editor.send(ARRANGE, form, arrange="add-language:it"), EDIT)
    assert set(again.getlist("languages")) == {"en", "ar", "it"}
    assert editor.send(EDIT, form).status_code == 303
    assert {text.language for text in site.stored(CampaignText, CampaignText.campaign_id == site.campaign().id)} == {
        "en",
        "ar",
    }
    assert "it" not in _versions(site)[-1].content["letter"]


def test_officials_are_chosen_and_ordered(site: Site, editor: Editor) -> None:
    form = editor.form(EDIT)
    assert form["officials"] == "it-water,it-health,it-towns"
    form = form_in(editor.send(ARRANGE, form, arrange="up:it-towns"), EDIT)
    form = form_in(editor.send(ARRANGE, form, arrange="remove:it-water"), EDIT)
    found = editor.send(ARRANGE, form, arrange="find", find="secretary for w")
    assert "The Secretary for Water" in found.text
    assert "The Secretary for Health" not in found.text
    form["add_official"] = "in-water"  # ticked, and saved without pressing anything else
    assert editor.send(EDIT, form).status_code == 303
    assert _versions(site)[-1].content["officials"] == ["it-towns", "it-health", "in-water"]


WRONG = [
    ("closes_on", "2026-02-31", "This is no day"),
    ("closes_on", "0000-01-01", "This is no day"),
    ("opens_on", "99999-01-01", "This is no day"),
    ("closes_on", "2023-12-31", "lies before the first day"),
    ("closes_on", "2024-12-31", "This day is over"),
    ("timezone", "Mars/Base", "Not a valid choice"),
    ("goal", "-1", "whole number"),
    ("goal", "1e3", "whole number"),
    ("office_hours", "9 to 5", "Office hours are written"),
    ("country", "1 OR 1", "choose a country"),
    ("text-en-title", "", "A title is needed"),
    ("text-en-title", "x" * 301, "at most 300"),
    ("text-en-body", "a\x00b", "cannot take"),
    ("text-en-subject", "a\r\nBcc: x@example.org", "one line"),
    ("text-en-template", "Hello\n\n{{config}}", "Line 3: There is no placeholder “config”. It reads “{{config}}”"),
    ("text-en-template", "{% for a in b %}{% endfor %}", "Line 1: {% for %} is not allowed"),
    ("text-en-template", "{{supporter_name | upcase}}", "The filter “upcase” is not allowed"),
    ("text-en-template", "{{supporter_name}}", "must contain {{supporter_country}}"),
    ("text-en-template", "{{supporter_name}} {{", "Line 1: This cannot be read"),
]


def test_what_is_wrong_is_said_beside_it_and_nothing_is_stored(site: Site, editor: Editor) -> None:
    for field, value, said in WRONG:
        form = editor.form(EDIT)
        form[field] = value
        form["text-en-summary"] = "<b>typed & kept"
        answer = editor.client.post(EDIT, data=form)
        assert answer.status_code == 422, (field, value)
        assert said in answer.text.replace("&#39;", "'"), (field, value)
        assert f'href="#{field}"' in answer.text
        assert "&lt;b&gt;typed &amp; kept" in answer.text
    assert len(_versions(site)) == 1
    assert site.campaign().goal == 100


def test_markup_of_staff_does_nothing_on_the_page(site: Site, editor: Editor) -> None:
    body = "<script>alert(1)</script> [x](javascript:alert(1)) </textarea> <img src=x onerror=alert(1)>"
    form = editor.form(EDIT)
    form["text-en-body"] = body
    for html in (editor.client.post(f"{PREVIEW}?part=1", data=form).text, editor.client.post(PREVIEW, data=form).text):
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert 'href="javascript' not in html
    assert editor.client.post(EDIT, data=form).status_code == 303
    assert "<script>alert" not in site.client.get(f"/campaigns/{ITALY}").text


def test_the_preview_is_the_letter_to_each_official_in_each_language(site: Site, editor: Editor) -> None:
    form = editor.form(EDIT)
    form["text-it-template"] = (
        "Gentile {{official_name}},\r\n\r\nNUOVO\r\n\r\n{{supporter_name}}\r\n{{supporter_country}}"
    )
    before = len(site.stored(Version))
    part = editor.send(f"{PREVIEW}?part=1", form, preview_language="it").text
    assert part.count("NUOVO") == 3
    assert "Gentile The Minister of Health" in part
    assert "Ann Example\nItalia" in part
    assert "To The Association of Towns it leaves in English." in part
    english = editor.send(f"{PREVIEW}?part=1", form, preview_language="en").text
    assert "NUOVO" not in english
    assert "Please protect the springs of Italy." in english
    assert len(site.stored(Version)) == before
    assert site.letters() == []


# ---------------------------------------------------------------- two at once


def test_the_second_editor_sees_what_changed_and_loses_nothing(site: Site, editor: Editor, other: Editor) -> None:
    mine, theirs = editor.form(EDIT), other.form(EDIT)
    assert other.send(EDIT, theirs, goal="500", text__en__title="Theirs").status_code == 303
    answer = editor.send(EDIT, mine, text__en__title="Mine", text__it__title="Il mio")
    assert answer.status_code == 409
    assert "admin-0@staff.example.org changed the following" in answer.text
    assert "<del>Protect the springs</del><ins>Theirs</ins>" in answer.text
    assert "you changed this too" in answer.text
    form = form_in(answer, EDIT)
    assert (form["text-en-title"], form["text-it-title"], form["goal"]) == ("Mine", "Il mio", "500")
    assert len(_versions(site)) == 2
    assert editor.send(EDIT, form).status_code == 303
    assert site.campaign().goal == 500
    last = _versions(site)[-1].content
    assert (last["texts"]["en"]["title"], last["texts"]["it"]["title"]) == ("Mine", "Il mio")


def test_a_language_that_another_removed_is_kept_where_i_wrote_in_it(site: Site, editor: Editor, other: Editor) -> None:
    mine = editor.form(EDIT)
    form = form_in(other.send(ARRANGE, other.form(EDIT), arrange="remove-language:it"), EDIT)
    assert other.send(EDIT, form).status_code == 303
    answer = editor.send(EDIT, mine, text__it__title="Ancora")
    assert answer.status_code == 409
    form = form_in(answer, EDIT)
    assert form["text-it-title"] == "Ancora"
    assert "Le sorgenti" in form["text-it-body"]


def test_a_change_that_left_no_version_is_found_and_not_lost(site: Site, editor: Editor) -> None:
    form = editor.form(EDIT)
    site.change(Campaign, Campaign.slug == ITALY, goal=777)
    answer = editor.send(EDIT, form, text__en__title="Mine")
    assert answer.status_code == 409, "it was changed meanwhile, by whomever"
    assert form_in(answer, EDIT)["goal"] == "777"


# ---------------------------------------------------------------- drafts


def test_a_draft_is_kept_restored_thrown_away_and_never_public(site: Site, editor: Editor, other: Editor) -> None:
    form = editor.form(EDIT)
    kept = editor.send(f"{DRAFT}?part=1", form, text__en__title="Half a thou")
    assert kept.status_code == 204
    assert "Half a thou" not in site.client.get(f"/campaigns/{ITALY}").text
    assert "Half a thou" not in other.client.get(f"{EDIT}?draft=1").text, "it is hers alone"
    assert "campaigner-1@staff.example.org has typed something" in other.client.get(EDIT).text
    page = editor.client.get(EDIT).text
    assert "Half a thou" not in page
    assert "There is something that you typed here" in page
    assert editor.form(f"{EDIT}?draft=1", EDIT)["text-en-title"] == "Half a thou"
    token = {"csrf_token": form["csrf_token"]}
    editor.client.post(f"{DRAFT}/discard", data=token)
    assert "There is something that you typed here" not in editor.client.get(EDIT).text
    answer = editor.client.post(f"{DRAFT}/take-back", data=token)
    assert answer.location == f"{EDIT}?draft=1"
    editor.change(f"{EDIT}?draft=1", EDIT)
    assert "Half a thou" in site.client.get(f"/campaigns/{ITALY}").text
    assert site.stored(Draft) == [], "what is saved is no draft any more"
    assert editor.client.post(DRAFT, data=token).status_code == 422, "nothing is not kept"


def test_a_draft_without_its_token_is_refused(site: Site, editor: Editor) -> None:
    assert editor.client.post(f"{DRAFT}?part=1", data={"languages": "en"}).status_code == 400
    assert site.stored(Draft) == []


# ---------------------------------------------------------------- new ones


def test_a_campaign_begins_as_a_draft_or_as_a_copy(site: Site, editor: Editor, other: Editor) -> None:
    new = "/staff/campaigns/new"
    assert editor.client.get(new).status_code == 403, "who has one campaign makes no others"
    form = other.form(new)
    assert other.send(new, form).status_code == 422
    wrong = {"title": "x", "country": "IT"}
    for slug in ("../../etc/passwd", "admin", "Aa", "x" * 101, ITALY):
        assert other.send(new, form, slug=slug, **wrong).status_code == 422, slug
    answer = other.send(new, form, title="Für klares Wasser", country="DE", language="de")
    assert answer.location == "/staff/campaigns/fur-klares-wasser/edit"
    made = site.one(Campaign, Campaign.slug == "fur-klares-wasser")
    assert (made.state, made.timezone, made.language) == ("draft", "Europe/Berlin", "de")
    assert site.client.get("/campaigns/fur-klares-wasser").status_code == 404
    copy = other.form(f"{new}?copy={ITALY}", new)
    assert other.send(new, copy, slug="second").status_code == 303
    second = site.one(Campaign, Campaign.slug == "second")
    assert (second.state, second.goal, second.opens_on) == ("draft", 100, None)
    said = site.one(Version, Version.subject == "campaign:second").content
    assert said["texts"]["en"]["title"] == "Copy of Protect the springs"
    assert said["officials"] == ["it-water", "it-health", "it-towns"]
    assert set(said["letter"]) == {"en", "it"}
    assert site.stored(Version, sa.not_(Version.subject.startswith("campaign:")), Version.cause == "saved") == []


@pytest.mark.one_database("postgresql")
def test_of_editors_who_save_at_one_moment_one_is_first_and_the_others_are_warned(site: Site, sign_in: SignIn) -> None:
    who = ((StaffRole.ADMIN,), (StaffRole.CAMPAIGNER,), (StaffRole.CAMPAIGNER, ITALY))
    editors = [Editor(sign_in(*each)) for each in who]
    forms = [editor.form(EDIT) for editor in editors]

    def save(_client: FlaskClient, number: int) -> TestResponse:
        return editors[number].send(EDIT, forms[number], text__en__title=f"Title {number}")

    answers = sorted(answer.status_code for answer in site.at_once(save, 3))
    assert answers == [303, 409, 409]
    assert [version.number for version in _versions(site)] == [1, 2]
