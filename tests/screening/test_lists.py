"""The allow and hold lists: what matches, what wins, and the page on which staff write them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from flask import Flask

from actionkit import remember
from actionkit.screening.lists import PatternInvalid, canonical_pattern, compiled
from actionkit.screening.models import RuleAction, RuleKind, ScreeningRule, SignHit
from actionkit.screening.reasons import LISTED_ADDRESS, LISTED_DOMAIN, LISTED_NETWORK, MANY_AT_ONCE
from actionkit.security import client_address
from actionkit.signing.models import Signature
from actionkit.staff.models import AuditEntry, StaffRole
from tests.conftest import MakeApp, sign_form
from tests.screening.conftest import add_rule
from tests.signing.site import ITALY, Site
from tests.structure.conftest import SignIn, csrf_token
from tests.structure.test_pages_structure import check

NETWORK, DOMAIN, ADDRESS = RuleKind.NETWORK, RuleKind.DOMAIN, RuleKind.ADDRESS
ALLOW, HOLD = RuleAction.ALLOW, RuleAction.HOLD

only_sqlite = pytest.mark.one_database


def reason(site: Site, email: str = "ann@example.org", remote: str = "192.0.2.77") -> str:
    """Why the signature of this address from this client is held; "" if it is not."""
    known = {signature.id for signature in site.stored(Signature)}
    answer = site.client.post(
        f"/campaigns/{ITALY}/sign", data=sign_form(email=email), environ_base={"REMOTE_ADDR": remote}
    )
    assert answer.status_code == 303
    (signature,) = [each for each in site.stored(Signature) if each.id not in known]
    assert (signature.state == "held") == bool(signature.state_reason)
    return signature.state_reason


# ---------------------------------------------------------------- what matches, what wins


def test_each_kind_holds_with_its_reason(site: Site) -> None:
    add_rule(site, NETWORK, "198.51.100.0/24")
    add_rule(site, DOMAIN, "*.heap.example")
    add_rule(site, ADDRESS, "Zoé@EXAMPLE.org")
    assert reason(site, remote="198.51.100.9") == LISTED_NETWORK
    assert reason(site, "ann@a.heap.example") == LISTED_DOMAIN
    assert reason(site, "zoé@example.org") == LISTED_ADDRESS
    assert reason(site, "ann@heap.example", "198.51.101.9") == ""
    assert len(site.confirmations()) == 1


def test_what_is_allowed_wins_over_all_but_a_flood(make_app: MakeApp) -> None:
    site = Site(make_app(sign_limit="1 per 5 minutes"))
    add_rule(site, NETWORK, "192.0.2.0/24", ALLOW)
    add_rule(site, NETWORK, "192.0.2.77", HOLD)
    add_rule(site, DOMAIN, "example.org", HOLD)
    assert [reason(site, f"ann{number}@example.org") for number in range(3)] == [""] * 3
    assert reason(site, "ann@example.org", "203.0.113.1") == LISTED_DOMAIN
    assert [reason(site, f"ben{n}@example.net", "203.0.113.2") for n in range(2)] == ["", MANY_AT_ONCE]
    site.change(SignHit, hits=61)
    flood = site.client.post(f"/campaigns/{ITALY}/sign", data=sign_form(), environ_base={"REMOTE_ADDR": "192.0.2.77"})
    assert flood.status_code == 429


@pytest.mark.parametrize(
    ("kind", "pattern", "remote", "email", "is_found"),
    [
        (NETWORK, "2001:db8::/32", "2001:db8:7::1", "a@x.org", True),
        (NETWORK, "2001:db8::/32", "2001:db9::1", "a@x.org", False),
        (NETWORK, "192.0.2.7", "::ffff:192.0.2.7", "a@x.org", True),
        (NETWORK, "::ffff:192.0.2.0/120", "192.0.2.7", "a@x.org", True),
        (DOMAIN, "x.org", "192.0.2.7", "a@x.org", True),
        (DOMAIN, "x.org", "192.0.2.7", "a@y.x.org", False),
        (DOMAIN, "*.x.org", "192.0.2.7", "a@z.y.x.org", True),
        (DOMAIN, "*.x.org", "192.0.2.7", "a@x.org", False),
        (DOMAIN, "x.*", "192.0.2.7", "a@x.co.uk", True),
        (DOMAIN, "mail?.x.org", "192.0.2.7", "a@mail7.x.org", True),
        (DOMAIN, "mail?.x.org", "192.0.2.7", "a@mail77.x.org", False),
        (DOMAIN, "*.bücher.example", "192.0.2.7", "a@shop.xn--bcher-kva.example", True),
        (DOMAIN, "@X.org.", "192.0.2.7", "a@x.org", True),
        (ADDRESS, "A@X.org", "192.0.2.7", "a@x.org", True),
        (ADDRESS, "a@x.org", "192.0.2.7", "b@x.org", False),
        (NETWORK, "192.0.2.0/24", "no address", "a@x.org", False),
    ],
)
def test_patterns(context_only: Flask, kind: RuleKind, pattern: str, remote: str, email: str, is_found: bool) -> None:
    rules = compiled(((kind, canonical_pattern(kind, pattern), HOLD),))
    with context_only.test_request_context("/", environ_base={"REMOTE_ADDR": remote}):
        assert bool(rules.look_up(client_address(), email).held_because) == is_found


@pytest.mark.parametrize(
    ("kind", "pattern", "said"),
    [
        *((NETWORK, text, "not a network") for text in ("192.0.2", "192.0.2.0/33", "example.org", "10.0.0.0-10.0.0.9")),
        *((NETWORK, text, "too large") for text in ("0.0.0.0/0", "192.0.0.0/7", "::/0", "2001::/18")),
        *((DOMAIN, text, "match every address") for text in ("*", "*.*", "?*", "**", "*org*")),
        *(
            (DOMAIN, text, "not a domain")
            for text in ("example", "a..b", "a b.org", "[a].org", "-.org", "x" * 300 + ".org")
        ),
        (DOMAIN, "ann@example.org", "This is an address"),
        *((ADDRESS, text, "not a complete e-mail address") for text in ("example.org", "a@b")),
        (ADDRESS, "*@example.org", "An address has no"),
    ],
)
def test_what_is_no_pattern_is_refused_in_words(context_only: Flask, kind: RuleKind, pattern: str, said: str) -> None:
    with pytest.raises(PatternInvalid, match=said):
        canonical_pattern(kind, pattern)


def test_no_glob_takes_long(context_only: Flask) -> None:
    rules = compiled(((DOMAIN, "*a*a*a*a*a*a*a*a*a*b.org", HOLD), (DOMAIN, "*a*a*a*c.org", ALLOW)))
    with context_only.test_request_context("/"):
        assert not rules.look_up(client_address(), f"a@{'a' * 240}.com").held_because


@only_sqlite
def test_a_rule_takes_effect_within_two_seconds(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = [1_000.0]
    monkeypatch.setattr(remember, "time", SimpleNamespace(monotonic=lambda: moment[0]))
    site = Site(make_app(memory_seconds="2"))
    assert reason(site, "a@example.org") == ""
    add_rule(site, DOMAIN, "example.org")
    assert reason(site, "b@example.org") == "", "the lists are not read for each signature"
    moment[0] += 2
    assert reason(site, "c@example.org") == LISTED_DOMAIN


# ---------------------------------------------------------------- the page


@only_sqlite
def test_staff_write_and_remove_rules(site: Site, sign_in: SignIn) -> None:
    admin = sign_in(StaffRole.ADMIN)
    page = check(admin.get("/staff/screening"))
    assert "Your lists are empty" in page.one("main").words
    rule = {
        "csrf_token": csrf_token(admin),
        "kind": "domain",
        "pattern": " *.Heap.example ",
        "action": "hold",
        "note": "",
    }
    assert admin.post("/staff/screening", data=rule).status_code == 303
    (stored,) = site.stored(ScreeningRule)
    assert (stored.kind, stored.pattern, stored.action) == ("domain", "*.heap.example", "hold")
    assert "*.heap.example" in check(admin.get("/staff/screening")).one("main").words

    again = admin.post("/staff/screening", data={**rule, "action": "allow"})
    assert again.status_code == 422
    assert "is on the list already" in check(again).one("main").words
    wrong = admin.post("/staff/screening", data={**rule, "kind": "network", "note": "from <home>"})
    assert wrong.status_code == 422
    assert 'value="from &lt;home&gt;"' in wrong.text, "what was typed is kept"
    assert len(site.stored(ScreeningRule)) == 1

    remove = {"csrf_token": rule["csrf_token"], "rule": str(stored.id)}
    for _ in range(2):
        assert admin.post("/staff/screening/remove", data=remove).status_code == 303
    assert site.stored(ScreeningRule) == []
    entries = [entry for entry in site.stored(AuditEntry) if "screening" in entry.action]
    assert [(entry.action, entry.detail) for entry in entries] == [
        ("add-screening-rule", {"kind": "domain", "effect": "hold"}),
        ("remove-screening-rule", {"kind": "domain", "effect": "hold"}),
    ], "never a pattern: it may be somebody's address"


@only_sqlite
def test_the_lists_are_for_admins(site: Site, sign_in: SignIn) -> None:
    client = sign_in(StaffRole.CAMPAIGNER)
    assert client.get("/staff/screening").status_code == 403
    assert "/staff/screening" not in client.get("/staff/").text
    assert "/staff/screening" in sign_in(StaffRole.ADMIN).get("/staff/").text
