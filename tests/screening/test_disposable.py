"""Throw-away addresses: the same page, and held (B01)."""

from __future__ import annotations

import pytest

from actionkit.screening.models import RuleAction, RuleKind, ScreeningRule
from actionkit.screening.reasons import THROW_AWAY
from actionkit.signing.models import Signature
from tests.screening.conftest import add_rule
from tests.signing.site import Site


def reasons(site: Site) -> list[str]:
    return [signature.state_reason for signature in site.stored(Signature)]


def test_a_throw_away_address_is_held_and_sees_nothing_of_it(site: Site) -> None:
    answers = [site.sign(email=address) for address in ("ann@example.org", "ann@mailinator.com")]
    assert len({(a.status_code, a.location, a.data) for a in answers}) == 1
    assert [s.state for s in site.stored(Signature)] == ["pending", "held"]
    assert reasons(site) == ["", THROW_AWAY]
    assert len(site.confirmations()) == 1
    site.drain()
    assert site.total() == 0


@pytest.mark.one_database
def test_what_lies_below_a_listed_domain_is_listed(site: Site) -> None:
    for domain in ("a.b.Mailinator.com", "no-such-mailinator.com", "mailinator.com.example.org"):
        site.sign(email=f"ann@{domain}")
    assert reasons(site) == [THROW_AWAY, "", ""]


@pytest.mark.one_database
def test_a_rule_that_allows_lifts_it(site: Site) -> None:
    add_rule(site, RuleKind.DOMAIN, "mailinator.com", RuleAction.ALLOW)
    site.sign(email="ann@mailinator.com")
    site.sign(email="ann@sub.mailinator.com")
    assert reasons(site) == ["", THROW_AWAY]
    assert len(site.stored(ScreeningRule)) == 1
