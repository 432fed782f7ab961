"""A supporter's way: sign, read the mail, confirm, and perhaps withdraw; and the letters that leave."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from actionkit import db
from actionkit.campaigns.models import Campaign, CampaignState, Official
from actionkit.delivery.models import Outgoing
from actionkit.letters.models import LetterVersion
from actionkit.letters.operations import save_letter
from actionkit.signing import consent, operations
from actionkit.signing.models import (
    ConsentWithdrawal,
    ConsentWording,
    CountTrace,
    MailAllowance,
    Purpose,
    Signature,
    SignatureState,
    Submission,
)
from tests.conftest import MakeApp
from tests.signing.clock import Clock
from tests.signing.site import ITALY, Site, text_of
from tests.structure.page import Page

ANN = "ann@example.org"
WATER, HEALTH, TOWNS = "acqua@governo.example", "salute@governo.example", "towns@comuni.example"
TRICKY = '  {{config}} {% raw %} ${x} "<b>" & \n\n\n\tFrom here:\n.\n..\n' + "long " * 300 + "\nüñ 王 \u2067שלום\u2069"


def same(first: TestResponse, second: TestResponse) -> bool:
    return (first.status_code, first.headers, first.data) == (second.status_code, second.headers, second.data)


# ---------------------------------------------------------------- sign


def test_signing_makes_one_pending_row_and_one_mail(site: Site) -> None:
    answer = site.sign(email=ANN)
    assert (answer.status_code, answer.location) == (303, f"/campaigns/{ITALY}/thanks")
    signature, submission, mail = site.one(Signature), site.one(Submission), site.one(Outgoing)
    assert (signature.state, signature.submission_id, signature.canonical_email) == ("pending", None, ANN)
    assert (mail.kind, mail.subject_id, mail.state) == ("confirmation", submission.id, "queued")
    assert site.stored(CountTrace) == [], "nothing counts before it is confirmed"


def test_the_mail_has_one_link_alone_on_its_line(site: Site) -> None:
    site.sign(email="Ann@Example.ORG")
    site.drain()
    (mail,) = site.mails()
    assert mail["To"] == "Ann@example.org"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "Ann Example" not in text_of(mail), "what a stranger typed is not mailed to others"
    base = site.app.config["ACTIONKIT"].base_url
    assert [line for line in text_of(mail).splitlines() if "/confirm/" in line] == [f"{base}{site.links()[0]}"]


def test_the_answer_is_the_same_for_new_repeated_and_confirmed(site: Site) -> None:
    new, repeated = site.sign(email=ANN), site.sign(email=ANN)
    site.client.post(site.confirm_path(site.stored(Submission)[0]))
    assert site.state() == "confirmed"
    confirmed = site.sign(email=ANN)
    assert same(new, repeated)
    assert same(new, confirmed)


def test_the_answer_is_the_same_for_held_refused_and_withdrawn(site: Site) -> None:
    new = site.sign(email=ANN)
    for state in (SignatureState.HELD, SignatureState.INVALIDATED, SignatureState.WITHDRAWN):
        site.change(Signature, state=state)
        assert same(new, site.sign(email=ANN)), state


def test_the_language_of_the_page_is_that_of_its_mail_and_thanks(site: Site) -> None:
    answer = site.sign(email=ANN, lang="it")
    assert answer.location == f"/campaigns/{ITALY}/thanks?lang=it"
    assert site.one(Submission).language == "it"
    site.drain()
    (mail,) = site.mails()
    assert mail["Content-Language"] == "it"
    assert "Proteggere le sorgenti" in mail["Subject"]
    assert Page(site.client.get(site.links()[0]).text).one("html")["lang"] == "it"


def test_a_repeat_within_ten_minutes_mails_nothing(site: Site) -> None:
    for name in ("First", "Second", "Third"):
        site.sign(email=ANN, name=name)
    assert len(site.confirmations()) == 1
    assert [s.name for s in site.stored(Submission)] == ["First", "Second", "Third"], "each is kept"
    assert len(site.stored(Signature)) == 1


def test_a_repeat_after_ten_minutes_mails_again(site: Site) -> None:
    site.sign(email=ANN)
    site.change(Signature, mailed_at=db.now() - dt.timedelta(minutes=9, seconds=50))
    site.sign(email=ANN)
    assert len(site.confirmations()) == 1, "nine minutes are not ten"
    site.ten_minutes_later()
    site.sign(email=ANN)
    assert len(site.confirmations()) == 2


def test_an_address_gets_three_mails_a_day_over_all_campaigns(site: Site) -> None:
    for slug in (ITALY, "india-water", "kenya-petition"):
        site.sign(slug, email=ANN)
    assert len(site.confirmations()) == 3
    site.ten_minutes_later()
    site.sign(ITALY, email=ANN.upper())
    assert len(site.confirmations()) == 3, "a fourth mail within a day"
    assert site.sign("kenya-petition", email="bob@example.org").status_code == 303
    assert len(site.confirmations()) == 4, "another's address has mails of its own"
    site.change(MailAllowance, third_at=db.now() - dt.timedelta(hours=24, seconds=1))
    site.ten_minutes_later()
    site.sign(ITALY, email=ANN)
    assert len(site.confirmations()) == 5, "a day after the first of them"


def test_mails_of_a_clock_that_was_set_back_hold_up_no_other(site: Site, clock: Clock) -> None:
    clock.pass_by(hours=2)
    for slug in (ITALY, "india-water", "kenya-petition"):
        site.sign(slug, email=ANN)
    clock.ahead = dt.timedelta()
    site.sign(email=ANN)
    assert len(site.confirmations()) == 4, "they left in the future"
    site.sign(email=ANN)
    assert len(site.confirmations()) == 4, "this one left a moment ago"


def test_who_withdrew_before_the_clock_was_set_back_can_sign_again(site: Site, clock: Clock) -> None:
    clock.pass_by(hours=2)
    site.confirmed(email=ANN)
    assert site.client.post(site.withdraw_path(site.stored(Signature)[0])).status_code == 200
    clock.ahead = dt.timedelta()
    site.confirmed(email=ANN, name="Once more")
    assert site.stored(Signature)[0].state == SignatureState.CONFIRMED


def test_a_confirmed_one_is_told_so_and_nothing_else_changes(site: Site) -> None:
    counted = site.confirmed(email=ANN, name="Ann")
    before = site.one(Signature)
    site.ten_minutes_later()
    site.sign(email=ANN, name="Mallory", comment="other words", show_name="yes", country="FR")
    after = site.one(Signature)
    assert (after.submission_id, after.state, after.is_name_public) == (counted.id, "confirmed", False)
    assert (after.confirmed_at, after.signed_at) == (before.confirmed_at, before.signed_at)
    assert [s.name for s in site.stored(Submission)] == ["Ann"], "no further submission"
    site.drain()
    confirmations = site.sent_to(ANN)
    assert len(confirmations) == 2
    page = site.client.get(site.links()[-1])
    assert page.status_code == 200
    assert "Mallory" not in page.text
    assert site.total() == 1


@pytest.mark.parametrize("slug", [ITALY, "kenya-petition"])
def test_the_same_address_signs_each_campaign_once(site: Site, slug: str) -> None:
    for address in (ANN, "ANN@EXAMPLE.org", " ann@example.org ", "Ann@eXample.Org"):
        assert site.sign(slug, email=address).status_code == 303
    site.sign("india-water", email=ANN)
    assert len(site.stored(Signature)) == 2


def test_twenty_at_once_in_different_spellings_are_one_row_and_one_mail(site: Site) -> None:
    spellings = ["ann@bücher.example", "ANN@BÜCHER.example", "ann@xn--bcher-kva.example", "Ann@XN--BCHER-KVA.EXAMPLE"]
    answers = site.at_once(lambda client, number: site.sign(client=client, email=spellings[number % 4]))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.data for answer in answers}) == 1, "one of them is told something else"
    site.one(Signature)
    assert len(site.confirmations()) == 1
    assert len(site.stored(Submission)) == 20


def test_simultaneous_signatures_on_many_campaigns_keep_the_three_mails(site: Site) -> None:
    slugs = [ITALY, "india-water", "kenya-petition"]
    site.at_once(lambda client, number: site.sign(slugs[number % 3], client=client, email=ANN), times=9)
    assert len(site.confirmations()) == 3
    site.ten_minutes_later()
    site.at_once(lambda client, number: site.sign(slugs[number % 3], client=client, email=ANN), times=9)
    assert len(site.confirmations()) == 3


# ---------------------------------------------------------------- confirm


def test_each_mail_confirms_its_own_submission(site: Site) -> None:
    site.sign(email=ANN, name="Ann", comment="mine")
    site.ten_minutes_later()
    site.sign(email=ANN, name="Mallory", comment="not hers")
    site.drain()
    first, second = site.links()
    assert "Mallory" not in site.client.get(first).text
    assert "Mallory" in site.client.get(second).text
    site.client.post(first)
    assert site.one(Signature).submission_id == site.stored(Submission)[0].id
    again = site.client.post(second)
    assert again.status_code == 200
    assert "already confirmed" in again.text
    assert "Mallory" not in again.text, "the one that counts is shown"
    assert site.one(Signature).submission_id == site.stored(Submission)[0].id


@pytest.mark.one_database
@pytest.mark.parametrize("method", ["get", "head", "options"])
@pytest.mark.parametrize("agent", ["", "Mozilla/5.0", "BingPreview/1.0b", "Barracuda Sentinel (EE)"])
def test_looking_never_confirms(site: Site, method: str, agent: str) -> None:
    path = site.confirm_path(site.signed())
    for _time in range(5):
        answer = getattr(site.client, method)(path, headers={"User-Agent": agent})
        assert answer.status_code == 200
    assert site.state() == "pending"
    assert site.letters() == []


def test_the_page_to_confirm_runs_nothing_and_is_kept_by_nobody(site: Site) -> None:
    answer = site.client.get(site.confirm_path(site.signed(email=ANN)))
    page = Page(answer.text)
    assert [form["method"] for form in page.all("form")] == ["post", "post"]
    assert page.all("script") == []
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers.getlist("Set-Cookie") == []


def test_confirming_twice_counts_once_and_says_so(site: Site) -> None:
    path = site.confirm_path(site.signed())
    first, second = site.client.post(path), site.client.post(path)
    assert (first.status_code, second.status_code) == (200, 200)
    assert "Thank you. Your signature counts." in first.text
    assert "already confirmed" in second.text
    assert "already confirmed" in site.client.get(path).text
    site.drain()
    assert site.total() == 1
    assert len(site.letters()) == 3


def test_twenty_confirmations_at_once_count_once(site: Site) -> None:
    path = site.confirm_path(site.signed())
    answers = site.at_once(lambda client, _number: client.post(path))
    assert {answer.status_code for answer in answers} == {200}
    said_now = [answer for answer in answers if "Your signature counts." in answer.text]
    assert len(said_now) == 1, "one of them confirmed, the others found it done"
    assert len(site.stored(CountTrace)) == 1
    site.drain()
    assert site.total() == 1
    assert len(site.letters()) == 3


def test_two_submissions_confirmed_at_once_count_once(site: Site) -> None:
    paths = [site.confirm_path(site.signed(email=ANN, name=name)) for name in ("One", "Two")]
    site.at_once(lambda client, number: client.post(paths[number % 2]), times=10)
    assert len(site.stored(CountTrace)) == 1
    assert len(site.letters()) == 3


def test_a_link_lasts_seven_days(site: Site) -> None:
    submission = site.signed()
    for age, status in ((dt.timedelta(days=7, seconds=2), 410), (dt.timedelta(days=6, hours=23, minutes=59), 200)):
        path = site.confirm_path(submission, db.now() - age)
        assert site.client.get(path).status_code == status
        assert site.client.post(path).status_code == status
        assert site.state() == ("pending" if status == 410 else "confirmed")


def test_a_used_link_shows_what_was_confirmed_for_good(site: Site) -> None:
    submission = site.confirmed()
    old = site.confirm_path(submission, db.now() - dt.timedelta(days=400))
    assert "already confirmed" in site.client.get(old).text


@pytest.mark.one_database
def test_the_seven_days_begin_with_the_mail(site: Site) -> None:
    site.sign()
    week = dt.timedelta(days=8)
    site.change(Submission, created_at=db.now() - week)
    site.change(Signature, signed_at=db.now() - week)
    site.change(Outgoing, created_at=db.now() - week, not_before=db.now() - week)
    site.drain()
    assert site.client.get(site.links()[0]).status_code == 200, "the mail has just left"


def forgeries(token: str) -> list[str]:
    other = {character: "A" if character != "A" else "B" for character in set(token)}
    changed = [token[:n] + other[token[n]] + token[n + 1 :] for n in range(len(token))]
    last = [token[:-1] + c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
    added = [token + more for more in ("A", "=", "====", "!!!!", ".", "%0A", "%00", "AAAA")]
    return [t for t in (*changed, *last, *added, token[:-1], token[:10], token.upper(), "x", "a" * 4_096) if t != token]


@pytest.mark.one_database
@pytest.mark.parametrize("purpose", ["confirm", "withdraw"])
def test_a_changed_token_is_404(site: Site, purpose: str) -> None:
    submission = site.confirmed() if purpose == "withdraw" else site.signed()
    signature = site.one(Signature)
    before = signature.state
    genuine = site.token(purpose, (submission if purpose == "confirm" else signature).public_id)
    taken = [
        token
        for token in forgeries(genuine)
        for method in ("get", "post")
        if getattr(site.client, method)(f"/{purpose}/{token}").status_code not in (400, 404)
    ]
    assert taken == [], f"{len(taken)} changed tokens of {genuine} are taken for genuine"
    assert site.state() == before


def test_a_token_is_bound_to_its_purpose(site: Site) -> None:
    submission = site.confirmed()
    signature = site.one(Signature)
    for purpose in ("withdraw", "erase", "staff-sign-in", ""):
        assert site.client.post(f"/confirm/{site.token(purpose, submission.public_id)}").status_code == 404
    for purpose in ("confirm", "erase", "staff-sign-in"):
        assert site.client.post(f"/withdraw/{site.token(purpose, signature.public_id)}").status_code == 404
    assert site.state() == "confirmed"


def test_a_genuine_link_of_what_is_erased_is_410(site: Site) -> None:
    for purpose in ("confirm", "withdraw"):
        path = f"/{purpose}/{site.token(purpose, 'f' * 32)}"
        assert [site.client.get(path).status_code, site.client.post(path).status_code] == [410, 410]


def test_an_old_key_opens_links_until_it_is_taken_away(make_app: MakeApp, app: Flask) -> None:
    old = Site(app)
    path = old.confirm_path(old.signed())
    new_key = "another secret for tests that is long enough"
    fallback = app.config["SECRET_KEY"]
    assert make_app(secret_key=new_key).test_client().get(path).status_code == 404
    rotated = make_app(secret_key=new_key, secret_key_fallbacks=fallback).test_client()
    assert rotated.post(path).status_code == 200
    assert old.state() == "confirmed"


@pytest.mark.one_database
@pytest.mark.parametrize(("hours", "status"), [(1, 200), (23, 200), (25, 410)])
@pytest.mark.parametrize("is_closed_by_staff", [True, False])
def test_confirming_is_possible_for_a_day_after_the_end(
    site: Site, hours: int, status: int, is_closed_by_staff: bool
) -> None:
    path = site.confirm_path(site.signed())
    ended_at = db.now() - dt.timedelta(hours=hours)
    if is_closed_by_staff:
        site.change(Campaign, Campaign.slug == ITALY, state=CampaignState.CLOSED, closed_at=ended_at)
    else:
        site.change(Campaign, Campaign.slug == ITALY, closed_at=ended_at)
    assert site.sign().status_code == 410
    assert site.client.post(path).status_code == status
    site.drain()
    assert site.total() == (status == 200)
    assert len(site.letters()) == (3 if status == 200 else 0)


def test_no_mail_asks_to_confirm_what_has_ended(site: Site) -> None:
    site.sign()
    site.change(Campaign, state=CampaignState.CLOSED, closed_at=db.now() - dt.timedelta(hours=25))
    site.drain()
    assert site.mails() == []
    assert [mail.state for mail in site.confirmations()] == ["cancelled"]


def test_a_draft_again_is_404_for_its_links(site: Site) -> None:
    submission = site.signed()
    site.change(Campaign, Campaign.slug == ITALY, state=CampaignState.DRAFT)
    answer = site.client.post(site.confirm_path(submission))
    assert answer.status_code in (404, 410)
    assert site.state() == "pending"


# ---------------------------------------------------------------- refuse, withdraw


def test_who_did_not_sign_takes_it_out_for_good(site: Site) -> None:
    path = site.confirm_path(site.signed(email=ANN))
    answer = site.client.post(path, data={"decision": "refuse"})
    assert answer.status_code == 200
    assert site.state() == "invalidated"
    assert site.client.post(path).status_code == 410
    site.ten_minutes_later()
    site.sign(email=ANN)
    assert len(site.confirmations()) == 1, "she is not asked again"
    assert len(site.stored(Submission)) == 1
    site.drain()
    assert (site.total(), site.letters()) == (0, [])


def test_refusing_at_the_moment_of_confirming_is_one_or_the_other(site: Site) -> None:
    """What a slower request read is old; what it may do is decided by the row as it is."""
    submission = site.signed()
    with site.app.app_context():
        db.reading()
        read_before = operations.find_submission(Submission.id == submission.id)
        db.session.expunge_all()
    assert read_before is not None
    site.client.post(site.confirm_path(submission))
    with site.app.app_context():
        operations.refuse(read_before)
        db.session.commit()
    waiting = {mail.state for mail in site.letters()}
    assert site.state() == "invalidated", "the owner's word is the last"
    assert waiting == {"cancelled"}


def test_withdrawing_stops_the_count_and_the_letters(site: Site) -> None:
    site.confirmed(show_name="yes", name="Shown Name")
    site.drain()
    assert site.total() == 1
    assert "Shown Name" in site.client.get(f"/campaigns/{ITALY}").text
    site.change(Outgoing, Outgoing.kind == "letter", state="queued")
    path = site.withdraw_path(site.one(Signature))
    assert site.client.get(path).status_code == 200
    assert site.client.head(path).status_code == 200
    assert site.state() == "confirmed", "looking withdraws nothing"
    for _twice in range(2):
        assert site.client.post(path).status_code == 200
    assert site.state() == "withdrawn"
    assert {mail.state for mail in site.letters()} == {"cancelled"}
    assert len(site.stored(ConsentWithdrawal)) == 1
    site.drain()
    assert site.total() == 0
    assert "Shown Name" not in site.client.get(f"/campaigns/{ITALY}").text


def test_the_link_to_withdraw_stands_on_the_confirmed_page(site: Site) -> None:
    submission = site.signed()
    pending = Page(site.client.get(site.confirm_path(submission)).text)
    assert not [a for a in pending.all("a") if a["href"].startswith("/withdraw/")]
    page = Page(site.client.post(site.confirm_path(submission)).text)
    (link,) = [a["href"] for a in page.all("a") if a["href"].startswith("/withdraw/")]
    assert site.client.post(link).status_code == 200
    assert site.state() == "withdrawn"


def test_a_letter_that_has_left_is_not_called_back(site: Site) -> None:
    site.confirmed()
    site.drain()
    site.client.post(site.withdraw_path(site.one(Signature)))
    assert {mail.state for mail in site.letters()} == {"sent"}


def test_twenty_withdrawals_at_once_subtract_once(site: Site) -> None:
    site.confirmed()
    site.confirmed()
    path = site.withdraw_path(site.stored(Signature)[0])
    answers = site.at_once(lambda client, _number: client.post(path))
    assert {answer.status_code for answer in answers} == {200}
    site.drain()
    assert site.total() == 1
    assert len(site.stored(ConsentWithdrawal)) == 1


def test_who_withdrew_can_sign_again(site: Site) -> None:
    first = site.confirmed(email=ANN, name="Ann One")
    site.client.post(site.withdraw_path(site.one(Signature)))
    assert site.client.post(site.confirm_path(first)).status_code == 410, "the old link does not bring it back"
    site.ten_minutes_later()
    second = site.signed(email=ANN, name="Ann Two")
    assert site.state() == "withdrawn", "nothing counts before it is confirmed"
    assert site.client.post(site.confirm_path(second)).status_code == 200
    signature = site.one(Signature)
    assert (signature.state, signature.submission_id, signature.withdrawn_at) == ("confirmed", second.id, None)
    site.drain()
    assert site.total() == 1
    (letter,) = site.sent_to(WATER)
    assert "Ann Two" in text_of(letter)


# ---------------------------------------------------------------- letters

STANDARD_IT = "{salutation},\n\nProteggete le sorgenti d'Italia.\n\n{comment}Distinti saluti,\n\nAnn Example\nItalia\n"
STANDARD_EN = "{salutation},\n\nPlease protect the springs of Italy.\n\n{comment}Yours,\n\nAnn Example\nItaly\n"


def test_each_official_gets_one_letter_in_her_language(site: Site) -> None:
    site.confirmed(email=ANN)
    site.drain()
    expected = {
        WATER: ("Proteggete le sorgenti", STANDARD_IT.format(salutation="Signor Ministro", comment="")),
        HEALTH: ("Proteggete le sorgenti", STANDARD_IT.format(salutation="Signora Ministra", comment="")),
        TOWNS: ("Please protect the springs", STANDARD_EN.format(salutation="Dear Sir or Madam", comment="")),
    }
    for address, (subject, text) in expected.items():
        (letter,) = site.sent_to(address)
        assert (letter["Subject"], text_of(letter)) == (subject, text)
        assert letter["Reply-To"].addresses[0].addr_spec == ANN
        assert letter["From"].addresses[0].addr_spec == "noreply@localhost", "the sender is ours"
        assert letter["Content-Language"] == ("en" if address == TOWNS else "it")
    assert len(site.letters()) == 3
    site.drain()
    assert len(site.mails()) == 4, "one confirmation and three letters, nothing more"


def test_a_comment_leaves_as_it_was_typed(site: Site) -> None:
    site.confirmed(comment=TRICKY.replace("\n", "\r\n"))
    site.drain()
    (letter,) = site.sent_to(TOWNS)
    assert text_of(letter) == STANDARD_EN.format(salutation="Dear Sir or Madam", comment=f"{TRICKY}\n\n")


def test_her_own_words_take_the_place_of_the_letter(site: Site) -> None:
    site.confirmed(letter=TRICKY, comment="is left out")
    site.drain()
    for address, salutation, country in ((WATER, "Signor Ministro", "Italia"), (TOWNS, "Dear Sir or Madam", "Italy")):
        (letter,) = site.sent_to(address)
        assert text_of(letter) == f"{salutation}\n\n{TRICKY}\n\nAnn Example\n{country}\n"
    assert site.sent_to(WATER)[0]["Subject"] == "Proteggete le sorgenti"


def test_a_campaign_may_allow_neither_own_words_nor_answers(site: Site) -> None:
    site.confirmed("india-water", letter="my own words", email=ANN)
    site.drain()
    (letter,) = site.sent_to("water@gov.example")
    assert "my own words" not in letter.as_string()
    assert letter["Reply-To"] is None
    assert ANN not in letter.as_string(), "her address is in no header"


def test_a_campaign_without_letters_sends_none(site: Site) -> None:
    submission = site.confirmed("kenya-petition", email=ANN)
    site.drain()
    assert site.letters() == []
    assert site.total("kenya-petition") == 1
    assert site.client.get(site.confirm_path(submission)).status_code == 200


def letters_on(page: Page) -> list[tuple[str, str]]:
    """(subject, body) of the letters that a page shows."""
    sheets = page.of_class("letter-sheet")
    bodies = page.of_class("letter-body")
    subjects = [next(e for e in page.all("strong") if sheet in e.inside) for sheet in sheets]
    return [(subject.text, body.text) for subject, body in zip(subjects, bodies, strict=True)]


@pytest.mark.one_database
@pytest.mark.parametrize("own_words", ["", TRICKY])
@pytest.mark.parametrize("lang", ["", "it"])
def test_the_preview_is_the_letter_that_leaves(site: Site, own_words: str, lang: str) -> None:
    form = {"name": 'Ann "A" & Co', "email": ANN, "country": "fr", "comment": TRICKY}
    version = Page(site.client.get(f"/campaigns/{ITALY}").text).value("letter_version")
    form |= {"letter": own_words, "letter_version": version}
    answer = site.client.post(f"/campaigns/{ITALY}/preview", data=form, query_string={"lang": lang} if lang else {})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    for table in (Signature, Submission, Outgoing, ConsentWording, MailAllowance):
        assert site.stored(table) == [], f"the preview has stored a {table.__name__}"
    previewed = letters_on(Page(answer.text))
    submission = site.signed(lang=lang, **form)
    to_confirm = letters_on(Page(site.client.get(site.confirm_path(submission)).text))
    site.client.post(site.confirm_path(submission))
    site.drain()
    left = [site.sent_to(address)[0] for address in (WATER, HEALTH, TOWNS)]
    assert previewed == [(mail["Subject"], text_of(mail).removesuffix("\n")) for mail in left]
    assert to_confirm == previewed


def test_any_character_is_previewed_as_it_leaves(site: Site) -> None:
    """The marks of gaps are ours alone: a supporter's own private-use characters stay hers."""
    form = {"comment": "a \ue000[your name]\ue001 b", "name": "Ann", "email": ANN, "country": "IT"}
    answer = site.client.post(f"/campaigns/{ITALY}/preview", data=form)
    if answer.status_code == 422:
        return
    (_subject, body) = letters_on(Page(answer.text))[2]
    assert form["comment"] in body


def test_a_preview_needs_no_consent_and_keeps_what_was_typed(site: Site) -> None:
    form = {"name": "Ann", "email": ANN, "country": "IT", "comment": "one\r\n two"}
    page = Page(site.client.post(f"/campaigns/{ITALY}/preview", data=form).text)
    assert {name: page.value(name) for name in form} == form | {"comment": "one\n two"}
    assert page.value("consent") == ""
    refused = site.client.post(f"/campaigns/{ITALY}/preview", data=form | {"name": "<b>"})
    assert refused.status_code == 422
    assert refused.headers["Cache-Control"] == "no-store"


def test_the_page_shows_each_letter_with_its_gaps(site: Site) -> None:
    page = Page(site.client.get(f"/campaigns/{ITALY}?lang=it").text)
    assert len(letters_on(page)) == 3
    assert len(page.all("mark")) >= 6, "the gaps of three letters are marked"
    assert all(address not in page.rawdata for address in (WATER, HEALTH, TOWNS, "Via Acqua"))


def rewrite_letter(site: Site) -> None:
    with site.app.app_context():
        campaign_id = db.session.execute(sa.select(Campaign.id).where(Campaign.slug == ITALY)).scalar_one()
        new = "New words.\n\n{{supporter_name}}\n{{supporter_country}}"
        save_letter(campaign_id, {"en": ("New subject", new), "it": ("Nuovo", new)})
        db.session.commit()


def test_a_letter_stays_the_one_that_was_seen(site: Site) -> None:
    seen = Page(site.client.get(f"/campaigns/{ITALY}").text).value("letter_version")
    before = site.signed(email=ANN)
    rewrite_letter(site)
    late = site.signed(letter_version=seen)
    new = site.signed()
    assert before.letter_version_id == late.letter_version_id == int(seen)
    assert new.letter_version_id != int(seen)
    for submission in (before, late, new):
        site.client.post(site.confirm_path(submission))
    site.drain()
    assert sorted(mail["Subject"] for mail in site.sent_to(TOWNS)) == [
        "New subject",
        "Please protect the springs",
        "Please protect the springs",
    ]


def test_the_version_of_another_campaign_is_the_current_one(site: Site) -> None:
    italy = site.campaign().id
    (other,) = [v.id for v in site.stored(LetterVersion) if v.campaign_id != italy]
    (own,) = [v.id for v in site.stored(LetterVersion) if v.campaign_id == italy]
    for version in (str(other), "999999", "-1", "x", ""):
        assert site.signed(letter_version=version).letter_version_id == own


def test_a_letter_goes_to_whoever_holds_the_office_when_it_leaves(site: Site) -> None:
    site.confirmed()
    site.change(Official, Official.email == WATER, email="nuovo@governo.example", salutation="Signora Ministra Nuova")
    site.drain()
    assert site.sent_to(WATER) == []
    (letter,) = site.sent_to("nuovo@governo.example")
    assert text_of(letter).startswith("Signora Ministra Nuova,\n")


# ---------------------------------------------------------------- consent


def test_the_words_agreed_to_stay_as_they_were(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    first = site.signed(updates="yes")
    page = Page(site.client.get(f"/campaigns/{ITALY}").text)
    shown = page.one("label", **{"for": "consent"}).words
    (wording,) = site.stored(ConsentWording, ConsentWording.id == first.consent_wording_id)
    assert (wording.text, wording.purpose, wording.language, wording.version) == (shown, "sign", "en", 1)
    assert first.updates_wording_id is not None
    assert first.updates_wording_id != first.consent_wording_id

    def new_words(purpose: Purpose, *, writes_letters: bool, sends_reports: bool) -> str:
        return f"Other words for {purpose}."

    monkeypatch.setattr(consent, "current_text", new_words)
    second = site.signed()
    (kept,) = site.stored(ConsentWording, ConsentWording.id == first.consent_wording_id)
    (new,) = site.stored(ConsentWording, ConsentWording.id == second.consent_wording_id)
    assert (kept.text, kept.version) == (shown, 1)
    assert (new.text, new.version) == ("Other words for sign.", 2)
    assert second.updates_wording_id is None, "what was not ticked names no wording"


def test_the_words_are_those_of_the_language(site: Site) -> None:
    english, italian, again = site.signed(), site.signed(lang="it"), site.signed(lang="it")
    assert english.consent_wording_id != italian.consent_wording_id == again.consent_wording_id
    (wording,) = site.stored(ConsentWording, ConsentWording.id == italian.consent_wording_id)
    assert (wording.language, wording.version) == ("it", 1)
    page = Page(site.client.get(f"/campaigns/{ITALY}?lang=it").text)
    assert wording.text == page.one("label", **{"for": "consent"}).words


def test_new_words_used_by_many_at_once_are_one_row(site: Site) -> None:
    answers = site.at_once(lambda client, _number: site.sign(client=client, updates="yes"), times=10)
    assert {answer.status_code for answer in answers} == {303}
    assert sorted(w.purpose for w in site.stored(ConsentWording)) == ["sign", "updates"]
