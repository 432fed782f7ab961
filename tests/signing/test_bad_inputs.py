"""What the sign form takes, what it refuses and how it says so; and requests that are no form at all."""

from __future__ import annotations

import csv
import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from actionkit import create_app, db
from actionkit.campaigns.models import Campaign
from actionkit.delivery.models import Outgoing
from actionkit.exports.signatures_csv import stream
from actionkit.signing.models import Signature, Submission
from actionkit.text import trim_line, unix_lines
from tests.conftest import Postgres, make_config, sign_form
from tests.signing.cases import ACCEPTED, CORPUS, FORM, REFUSED, Case, corpus, refused_in_lines, refused_in_prose
from tests.signing.site import ITALY, Site
from tests.structure.page import Page

SIGN = f"/campaigns/{ITALY}/sign"
BY_ID = {case.id: case for case in corpus()}

Counts = tuple[int, int, int]
"""Signatures, submissions, mails."""


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for many cases: each looks at what it added."""
    folder: Path = tmp_path_factory.mktemp("shared")
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "actionkit.db")
        url = f"sqlite:///{folder / 'actionkit.db'}"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.url(server.create(request.getfixturevalue("postgres_template")))
    app = create_app(make_config(folder, database_url=url))
    yield Site(app)
    db.close(app)


on_both = pytest.mark.parametrize("shared", ["sqlite", "postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("shared", ["sqlite"], indirect=True)


def cases(*given: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in given])


def counts(site: Site) -> Counts:
    with site.app.app_context():
        db.reading()
        tables = (Signature, Submission, Outgoing)
        return tuple(db.session.execute(sa.select(sa.func.count()).select_from(t)).scalar_one() for t in tables)  # type: ignore[return-value]


def added(site: Site, before: Counts) -> Counts:
    return tuple(now - then for now, then in zip(counts(site), before, strict=True))  # type: ignore[return-value]


def send(site: Site, case: Case, **more: Any) -> TestResponse:
    if case.content_type:
        return site.client.post(SIGN, data=case.body(), content_type=case.content_type, headers=case.headers, **more)
    return site.client.post(SIGN, data=case.values(), headers=case.headers, **more)


# ---------------------------------------------------------------- accepted


def check_accepted(site: Site, case: Case) -> None:
    if case.after:
        send(site, BY_ID[case.after])
    before = counts(site)
    answer = send(site, case)
    assert answer.status_code in case.statuses, f"{case.why}: {answer.status_code}"
    assert answer.location == f"/campaigns/{ITALY}/thanks", "the answer leads to the thanks page"
    signatures, _submissions, mails = added(site, before)
    assert signatures == case.rows, f"{signatures} rows are added where {case.rows} are expected"
    assert mails == case.rows, f"{mails} mails are due where {case.rows} are expected"
    submission = site.stored(Submission)[-1]
    (signature,) = site.stored(Signature, Signature.id == submission.signature_id)
    assert signature.state == "pending"
    for name, value in case.store.items():
        assert getattr(submission, name) == value, f"{name} is stored otherwise"
    cells = exported(site, signature.public_id)
    for name, cell in case.export.items():
        assert cells[name] == cell, f"{name} is exported otherwise"


def exported(site: Site, public_id: str) -> dict[str, str]:
    with site.app.app_context():
        campaign_id = db.session.execute(sa.select(Campaign.id).where(Campaign.slug == ITALY)).scalar_one()
        with db.snapshot() as connection:
            text = b"".join(stream(connection, campaign_id, "all")).decode()
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return next(row for row in rows if row["signature_id"] == public_id)


@on_both
@cases(*(case for case in corpus() if case.is_accepted))
def test_the_corpus_accepts(shared: Site, case: Case) -> None:
    check_accepted(shared, case)


@on_both
@cases(*ACCEPTED)
def test_the_form_accepts(shared: Site, case: Case) -> None:
    check_accepted(shared, case)


def test_the_corpus_is_whole() -> None:
    assert len(BY_ID) == len(corpus()) >= 70, f"{CORPUS} lost cases, or two have one id"
    assert len(ACCEPTED) + len(REFUSED) >= 60
    assert all(case.after in BY_ID for case in corpus() if case.after)


# ---------------------------------------------------------------- refused


def check_refused(site: Site, case: Case) -> None:
    before, began = counts(site), time.thread_time()
    answer = send(site, case)
    took = time.thread_time() - began
    assert answer.status_code in case.statuses, f"{case.why}: {answer.status_code}"
    assert added(site, before) == (0, 0, 0), "something was stored or mailed"
    assert took < 1, f"answered with {took:.1f} s of work"
    assert "Traceback" not in answer.text
    assert not answer.headers.getlist("Set-Cookie")
    if answer.status_code != 422:
        return
    assert answer.headers["Cache-Control"] == "no-store", "a page with a person's data is kept by nobody"
    page = Page(answer.text)
    if case.faulty_field:
        check_message(page, case.faulty_field)
    check_kept(page, case)


def check_message(page: Page, name: str) -> None:
    """The sentence stands beside the field, is tied to it, and is named above the form."""
    control = page.control(name)
    assert f"{name}-error" in control["aria-describedby"].split(), "the field does not name its message"
    assert control["aria-invalid"] == "true"
    sentence = page.one("small", id=f"{name}-error").words
    assert sentence, "the message is empty"
    (summary,) = page.of_class("error-summary")
    links = [link for link in page.all("a", href=f"#{name}") if summary in link.inside]
    assert links, "the message is not in the summary"
    assert links[0].words in sentence


def check_kept(page: Page, case: Case) -> None:
    """What was typed is in the page again, as text and never as markup."""
    for name, typed in case.values().items():
        if isinstance(typed, list) or name not in ("name", "email", "postcode", "comment", "letter"):
            continue
        kept = unix_lines(typed) if name in ("comment", "letter") else trim_line(typed)
        if not kept.strip() or "\r" in kept:
            continue  # blanks are nothing, and a reader of HTML makes a bare CR a line feed
        assert page.value(name) == kept, f"{name} is not kept"
    assert not page.all("b"), "what was typed became markup"
    assert not [e for e in page.all("script") if "alert" in e.text]


@on_sqlite
@cases(*(case for case in corpus() if not case.is_accepted))
def test_the_corpus_refuses(shared: Site, case: Case) -> None:
    check_refused(shared, case)


@on_sqlite
@cases(*REFUSED, *refused_in_lines(), *refused_in_prose())
def test_the_form_refuses(shared: Site, case: Case) -> None:
    check_refused(shared, case)


@on_sqlite
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "a" * 201}),
        ("name", {"name": "<b>"}),
        ("name", {"name": "12"}),
        ("email", {"email": ""}),
        ("email", {"email": "ann"}),
        ("country", {"country": ""}),
        ("country", {"country": "ITA"}),
        ("postcode", {"postcode": "1" * 17}),
        ("postcode", {"postcode": "<1>"}),
        ("comment", {"comment": "c" * 2001}),
        ("comment", {"comment": "\x07"}),
        ("letter", {"letter": "l" * 10_001}),
        ("letter", {"letter": "\x07"}),
        ("consent", {"consent": None}),
        ("name", {"name": ["Ann", "Bob"]}),
    ],
)
def test_the_message_speaks_the_language_of_the_page(shared: Site, name: str, fields: dict[str, Any]) -> None:
    english = Page(shared.sign(**fields).text)
    answer = shared.sign(lang="it", **fields)
    italian = Page(answer.text)
    assert answer.status_code == 422
    assert (english.one("html")["lang"], italian.one("html")["lang"]) == ("en", "it")
    said = [page.one("small", id=f"{name}-error").words for page in (english, italian)]
    assert said[0] != said[1], f"'{said[0]}' is not translated"
    assert italian.of_class("sign-form")[0]["action"] == f"{SIGN}?lang=it", "the next try stays Italian"


@on_sqlite
def test_all_that_is_wrong_is_said_at_once(shared: Site) -> None:
    page = Page(shared.client.post(SIGN, content_type=FORM, data=b"").text)
    for name in ("name", "email", "country", "consent"):
        check_message(page, name)


@on_sqlite
def test_ticks_and_the_version_are_kept(shared: Site) -> None:
    page = Page(shared.sign(name="", show_name="yes", updates="yes", country="no", letter_version="7").text)
    assert (page.value("show_name"), page.value("updates"), page.value("consent")) == ("yes", "yes", "yes")
    assert (page.value("country"), page.value("letter_version")) == ("NO", "7")


@on_sqlite
def test_consent_is_never_ticked_beforehand(shared: Site) -> None:
    page = Page(shared.client.get(f"/campaigns/{ITALY}").text)
    assert (page.value("consent"), page.value("updates"), page.value("show_name")) == ("", "", "")
    assert page.control("consent")["value"] == "yes"


@on_sqlite
def test_a_letter_where_none_may_be_written_is_ignored(shared: Site) -> None:
    assert shared.signed("india-water", letter="l" * 20_000).letter == ""


@on_both
@pytest.mark.parametrize("text", ["http://spam.example", " ", "0"])
def test_a_filled_trap_looks_like_success_and_stores_nothing(shared: Site, text: str) -> None:
    before = counts(shared)
    trapped, taken = shared.sign(website=text), shared.sign()
    assert added(shared, before) == (1, 1, 1), "only the other one is stored"
    assert (trapped.status_code, trapped.headers, trapped.data) == (taken.status_code, taken.headers, taken.data)


# ---------------------------------------------------------------- no form, no text


@on_sqlite
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"name": "Ann"}', "application/json", 415),
        (b"<name>Ann</name>", "application/xml", 415),
        (b"<name>Ann</name>", "text/xml", 415),
        (b"name=Ann", "text/plain", 415),
        (b"name=Ann", "", 415),
        (b"\x1f\x8b", "application/gzip", 415),
        (b"", "", 422),
        (b"", FORM, 422),
        (b"&&&===", FORM, 422),
        (b"name=%ff&consent=yes", FORM, 400),
        (b"name=\xff&consent=yes", FORM, 400),
        (b"na%ffme=Ann", FORM, 400),
        (b"name=Ann%ed%a0%80", FORM, 400),
        (b"name=Ann%c0%bc", FORM, 400),
        (b"a=1&" * 50_000, FORM, 413),
        (b"comment=" + b"a" * 1_000_000, FORM, 413),
        (b"comment=" + b"a" * 5_000_000, FORM, 413),
        (b"--x\r\nno multipart at all", "multipart/form-data; boundary=x", 422),
        (b"name=Ann", "multipart/form-data", 422),
    ],
)
def test_what_is_no_form_is_refused(shared: Site, body: bytes, content_type: str, status: int) -> None:
    before, began = counts(shared), time.thread_time()
    answer = shared.client.post(SIGN, data=body, content_type=content_type or None)
    assert (answer.status_code, added(shared, before)) == (status, (0, 0, 0))
    assert time.thread_time() - began < 1, "refused slowly"


@on_sqlite
def test_a_packed_body_is_not_unpacked(shared: Site) -> None:
    answer = shared.client.post(SIGN, data=b"\x1f\x8b", content_type=FORM, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@on_sqlite
def test_a_form_of_a_thousand_and_one_parts_is_refused(shared: Site) -> None:
    before = counts(shared)
    parts = {f"f{number}": "x" for number in range(1_001)} | sign_form()
    answer = shared.client.post(SIGN, data=parts, content_type="multipart/form-data")
    assert (answer.status_code, added(shared, before)) == (413, (0, 0, 0))


@on_both
def test_a_multipart_form_is_a_form(shared: Site) -> None:
    before = counts(shared)
    answer = shared.client.post(SIGN, data=sign_form(name="José"), content_type="multipart/form-data")
    assert (answer.status_code, added(shared, before)) == (303, (1, 1, 1))
    assert shared.stored(Submission)[-1].name == "José"


@on_sqlite
def test_multipart_that_is_no_utf_8_is_refused(shared: Site) -> None:
    before = counts(shared)
    body = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nJos\xe9\r\n--x--\r\n'
    answer = shared.client.post(SIGN, data=body, content_type="multipart/form-data; boundary=x")
    assert (answer.status_code, added(shared, before)) == (400, (0, 0, 0))


@on_sqlite
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    "request_",
    [
        {"environ_overrides": {"PATH_INFO": "/campaigns/\xff/sign"}},
        {"environ_overrides": {"PATH_INFO": f"{SIGN}\0"}},
        {"environ_overrides": {"QUERY_STRING": "lang=%ff"}},
        {"environ_overrides": {"QUERY_STRING": "lang=%00"}},
        {"environ_overrides": {"QUERY_STRING": "lang=\xff"}},
        {"environ_overrides": {"HTTP_COOKIE": "a=\xff"}},
        {"environ_overrides": {"HTTP_COOKIE": "a=\xc3("}},
    ],
    ids=["path", "path-nul", "query", "query-nul", "query-raw", "cookie", "cookie-half"],
)
def test_bytes_that_are_no_text_are_400(shared: Site, method: str, request_: dict[str, Any]) -> None:
    before = counts(shared)
    data = sign_form() if method == "post" else None
    client = shared.app.test_client(use_cookies=False)  # its own jar would take the place of the header
    answer = getattr(client, method)(SIGN, data=data, **request_)
    assert (answer.status_code, added(shared, before)) == (400, (0, 0, 0))


@on_sqlite
@pytest.mark.parametrize("header", ["User-Agent", "Referer", "Accept-Language", "X-Forwarded-For"])
def test_bytes_in_a_header_that_nobody_reads_harm_nothing(shared: Site, header: str) -> None:
    assert shared.client.get("/", headers={header: "\xff\xfe"}).status_code == 200


# ---------------------------------------------------------------- where it comes from

OWN = "http://localhost"


@on_sqlite
@pytest.mark.parametrize("path", [SIGN, f"/campaigns/{ITALY}/preview", "/confirm/x", "/withdraw/x"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:1"},
        {"Origin": "https://localhost"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "nonsense"},
        {"Sec-Fetch-Site": "cross-site", "Origin": OWN},
    ],
)
def test_a_post_from_another_site_is_403(shared: Site, path: str, headers: dict[str, str]) -> None:
    before = counts(shared)
    answer = shared.client.post(path, data=sign_form(), headers=headers)
    assert (answer.status_code, added(shared, before)) == (403, (0, 0, 0))


@on_sqlite
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": OWN},
        {"Origin": "http://127.0.0.1:8000"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    ],
)
def test_a_post_from_our_own_page_is_taken(shared: Site, headers: dict[str, str]) -> None:
    before = counts(shared)
    answer = shared.client.post(SIGN, data=sign_form(), headers=headers)
    assert (answer.status_code, added(shared, before)) == (303, (1, 1, 1))


@pytest.mark.one_database
@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}, {"Forwarded": "host=evil.example"}]
)
@pytest.mark.parametrize("proxies", ["0", "1"])
def test_a_link_begins_with_our_own_address(make_app: Any, headers: dict[str, str], proxies: str) -> None:
    site = Site(make_app(trusted_proxies=proxies))
    answer = site.client.post(SIGN, data=sign_form(), headers=headers)
    assert answer.status_code in (303, 400)
    if answer.status_code == 303:
        assert "evil" not in answer.location
        site.drain()
        (mail,) = site.mails()
        assert len(site.links()) == 1, "one link, alone on its line, under BASE_URL"
        assert "evil.example" not in mail.as_string()


# ---------------------------------------------------------------- other ways


@on_sqlite
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_signing_is_a_post_and_nothing_else(shared: Site, method: str) -> None:
    before = counts(shared)
    answer = shared.client.open(SIGN, method=method, data=sign_form() if method != "GET" else None)
    assert (answer.status_code, added(shared, before)) == (405, (0, 0, 0))
    assert "POST" in answer.headers["Allow"]


@on_both
@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_a_method_in_a_header_is_ignored(shared: Site, header: str) -> None:
    before = counts(shared)
    answer = shared.client.post(f"{SIGN}?_method=PUT", data=sign_form(_method="DELETE"), headers={header: "DELETE"})
    assert (answer.status_code, added(shared, before)) == (303, (1, 1, 1))


NO_CAMPAIGNS = [
    *("unknown", "spain-draft", "0", "-1", "1", "1e3", "9223372036854775808", "1 OR 1", "' OR 1=1--", "ITALY-WATER"),
    *("%2e%2e%2fetc", "..%5c", "a" * 300, "admin", "italy-water%20", "itály"),
]


@on_sqlite
@pytest.mark.parametrize("slug", NO_CAMPAIGNS)
@pytest.mark.parametrize("route", ["", "/sign", "/preview", "/thanks", "/count.json"])
def test_what_is_no_campaign_is_404(shared: Site, slug: str, route: str) -> None:
    path = f"/campaigns/{slug}{route}"
    before = counts(shared)
    answer = shared.client.post(path, data=sign_form()) if route in ("/sign", "/preview") else shared.client.get(path)
    assert (answer.status_code, added(shared, before)) == (404, (0, 0, 0))


@on_sqlite
@pytest.mark.parametrize("lang", ["xx", "../de", "IT", "it-IT", "en' OR 1=1", "a" * 5_000, "<script>"])
def test_a_language_that_it_lacks_is_its_own(shared: Site, lang: str) -> None:
    own = shared.client.get(f"/campaigns/{ITALY}")
    other = shared.client.get(f"/campaigns/{ITALY}", query_string={"lang": lang})
    assert (other.status_code, other.data) == (200, own.data)


@on_sqlite
def test_the_language_of_a_browser_changes_nothing(shared: Site) -> None:
    own = shared.client.get(f"/campaigns/{ITALY}")
    for accepted in ("it", "it;q=1," * 700, "*"):
        assert shared.client.get(f"/campaigns/{ITALY}", headers={"Accept-Language": accepted}).data == own.data


@pytest.mark.parametrize("route", ["sign", "preview"])
@pytest.mark.parametrize("slug", ["norway-won", "not-yet"])
def test_what_is_not_open_is_410(site: Site, slug: str, route: str) -> None:
    if slug == "not-yet":
        site.change(Campaign, Campaign.slug == ITALY, opens_on=db.now().date().replace(year=2999))
        slug = ITALY
    answer = site.client.post(f"/campaigns/{slug}/{route}", data=sign_form())
    assert answer.status_code == 410
    assert counts(site) == (0, 0, 0)
