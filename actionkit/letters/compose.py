"""Writing a letter: pure, from the campaign's words, the official and the sender."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import NamedTuple

from flask_babel import gettext
from liquid.exceptions import LiquidError
from markupsafe import Markup, escape

from actionkit import countries, languages
from actionkit.campaigns.models import Campaign, Official
from actionkit.letters import templates
from actionkit.letters.models import LetterVersion

log = logging.getLogger(__name__)

TEMPLATE_FAULTS = (templates.TemplateFault, LiquidError)
"""What `compose` raises where a stored template is at fault."""

# Around a gap stand control characters, which nobody's text may hold; see `gap` and `as_html`.
_GAP_START, _GAP_END = "\x02", "\x03"
_GAP = re.compile(f"{_GAP_START}(.*?){_GAP_END}")


@dataclass(frozen=True)
class Sender:
    """Who a letter comes from, and what she wrote. `country` is a code, or a gap."""

    name: str
    country: str
    comment: str = ""
    letter: str = ""
    email: str = ""

    def country_in(self, language: str) -> str:
        return countries.name(self.country, language)


@dataclass(frozen=True)
class Letter:
    """A finished letter to one official."""

    official: Official
    language: str
    subject: str
    body: str


class NoLetter(Exception):
    """The campaign has no letter in a language for this official."""


def compose(campaign: Campaign, version: LetterVersion, official: Official, sender: Sender) -> Letter:
    """The letter as it leaves.

    In the official's language where the campaign has it, else in the campaign's own. With words
    of her own the body is salutation, her words as they are, name and country; the comment is
    then left out. Raises `NoLetter`, and one of
    `TEMPLATE_FAULTS`.
    """
    text = version.text_in(official.language, campaign.language)
    if text is None:
        raise NoLetter
    values = {
        "official_salutation": official.salutation,
        "official_name": official.name,
        "official_office": official.office,
        "supporter_name": sender.name,
        "supporter_country": sender.country_in(text.language),
        "supporter_comment": sender.comment,
        "campaign_title": campaign.text_in(text.language).title,
    }
    if sender.letter:
        salutation = official.salutation or official.name
        signature = f"{sender.name}\n{values['supporter_country']}"
        body = f"{salutation}\n\n{sender.letter}\n\n{signature}"
    else:
        body = templates.render(text.template, values)
    return Letter(official, text.language, templates.render_subject(text.subject, values), body)


def gap(text: str) -> str:
    """A marked place for what is not known yet, such as "[your name]"."""
    return f"{_GAP_START}[{text}]{_GAP_END}"


def unknown_sender() -> Sender:
    """The sender of the letter on a campaign's page: gaps, in the language of the page."""
    return Sender(
        name=gap(gettext("your name")),
        country=gap(gettext("your country")),
        comment=gap(gettext("your comment, if you write one")),
    )


def as_html(text: str) -> Markup:
    """A letter's text for a page: escaped, with its gaps marked, which speak the language of the page."""
    mark = f'<mark lang="{languages.current()}">'
    return Markup(_GAP.sub(rf"{mark}\1</mark>", str(escape(text))))


class Written(NamedTuple):
    """The letters of a campaign, and the officials whose letter cannot be written."""

    letters: list[Letter]
    unwritten: list[Official]


def write_all(campaign: Campaign, version: LetterVersion | None, sender: Sender) -> Written:
    """The letters to the campaign's officials who get letters, in its order; none where it writes none.

    Where a stored template is at fault (one checked by an older rule, say), that is logged, and
    the others are written all the same: a page stands without a letter.
    """
    written = Written([], [])
    for official in campaign.letter_officials if version else ():
        assert version is not None
        try:
            written.letters.append(compose(campaign, version, official, sender))
        except NoLetter:
            continue
        except TEMPLATE_FAULTS as fault:
            # Only its kind: what it quotes may be the supporter's.
            about = {"campaign": campaign.slug, "letter_version": version.id, "fault": type(fault).__name__}
            log.error("a letter cannot be written", extra=about)
            written.unwritten.append(official)
    return written


def compose_all(campaign: Campaign, version: LetterVersion | None, sender: Sender) -> list[Letter]:
    """The letters of `write_all` alone."""
    return write_all(campaign, version, sender).letters
