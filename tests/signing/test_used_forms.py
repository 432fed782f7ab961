"""A form that is filled again holds nothing of whom it was filled by before."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.signing import used_forms
from tests.signing.site import Site

pytestmark = pytest.mark.one_database


@pytest.fixture(autouse=True)
def _none_idle() -> None:
    used_forms._idle.clear()


def _idle() -> list[used_forms.SignForm]:
    return [form for shelf in used_forms._idle.values() for form in shelf]


def test_what_one_typed_is_not_in_the_next(site: Site) -> None:
    site.signed(name="Ann", postcode="00184", comment="hers", letter="Hers alone.", show_name="yes", updates="yes")
    (form,) = _idle()
    assert [field.data for field in form] == [None] * len(list(form))
    assert form.email.canonical == ""
    second = site.signed(name="Bob", postcode=None)
    assert _idle() == [form], "the same was filled again"
    assert (second.name, second.postcode, second.comment, second.letter) == ("Bob", "", "", "")
    assert (second.show_name, second.updates) == (False, False)


def test_one_with_errors_is_drawn_and_not_used_again(site: Site) -> None:
    site.signed()
    answer = site.sign(name="", email="no address", comment="kept for her")
    assert answer.status_code == 422
    assert "kept for her" in answer.text
    assert _idle() == []
    answer = site.sign(name="", consent=None)
    assert "kept for her" not in answer.text
    assert site.signed(name="Bob").name == "Bob"


def test_a_change_of_the_campaign_s_letters_takes_another_form(site: Site) -> None:
    site.signed(letter="Hers.")
    (form,) = _idle()
    with site.app.app_context():
        db.session.execute(sa.update(Campaign).values(is_letter_editable=False))
        db.session.commit()
    assert site.signed(letter="Not asked for.").letter == ""
    assert form in _idle()
    assert len(_idle()) == 2
