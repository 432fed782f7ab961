"""How what is typed would look: the page, and the letter to each official, in one language. Stores nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask_babel import gettext
from liquid.exceptions import LiquidError

from actionkit.campaigns.models import Campaign, CampaignText, LetterMode, Official
from actionkit.editing import faults
from actionkit.editing.editor import Typed
from actionkit.letters.compose import Letter, compose
from actionkit.letters.models import LetterText, LetterVersion
from actionkit.letters.rehearsal import sample_sender

MOST_LETTERS = 50


@dataclass(frozen=True)
class PreviewedLetter:
    """A letter in the previewed language; `leaves_in` is the language in which it would really leave."""

    letter: Letter
    leaves_in: str


@dataclass
class Preview:
    language: str
    text: CampaignText
    letters: list[PreviewedLetter] = field(default_factory=list)
    not_shown: int = 0
    fault: str = ""
    """Why there is no letter."""


def of(typed: Typed, language: str) -> Preview:
    """The page and the letters in a language of the form; in its first one where it does not have that."""
    tag = language if language in typed.languages else next(iter(typed.languages), typed.campaign.language)
    words = typed.texts.get(tag)
    text = CampaignText(
        language=tag,
        title=(words.title.data or "") if words else "",
        summary=(words.summary.data or "") if words else "",
        body=(words.body.data or "") if words else "",
    )
    preview = Preview(tag, text)
    readers = [official for official in typed.officials if not official.wants_digest and official.retired_at is None]
    if typed.form.letters.data != LetterMode.EACH or words is None:
        return preview
    if not words.has_letter:
        preview.fault = gettext("There is no letter in this language yet.")
        return preview
    wrong = [faults.of(words.subject.data or "", is_subject=True), faults.of(words.template.data or "")]
    if any(wrong):
        # Nothing that was not checked is ever filled in: it might run, or grow.
        preview.fault = " ".join(filter(None, wrong))
        return preview
    if not readers:
        readers = [_nobody(tag)]
    for official in readers[:MOST_LETTERS]:
        try:
            letter = _letter(typed, text, official)
        except LiquidError:  # it grows beyond all measure only when it is filled in
            preview.fault = gettext("The letter cannot be filled in as it stands.")
            break
        preview.letters.append(PreviewedLetter(letter, _leaves_in(typed, official)))
    preview.not_shown = max(0, len(readers) - MOST_LETTERS)
    return preview


def _letter(typed: Typed, text: CampaignText, official: Official) -> Letter:
    """In the language of `text`, whatever the official reads. Nothing here belongs to the session."""
    words = typed.texts[text.language]
    campaign = Campaign(language=text.language, country=typed.form.country.data or "IT", texts=[text])
    letter = LetterText(language=text.language, subject=words.subject.data or "", template=words.template.data or "")
    return compose(campaign, LetterVersion(texts=[letter]), official, sample_sender(campaign, text.language))


def _leaves_in(typed: Typed, official: Official) -> str:
    """As `LetterVersion.text_in` chooses."""
    with_letter = [tag for tag in typed.languages if typed.texts[tag].has_letter]
    for tag in (official.language, official.language.split("-")[0]):
        if tag in with_letter:
            return tag
    return typed.form.language.data or ""


def _nobody(tag: str) -> Official:
    """Where no official is chosen yet, the letter is shown to an example of one."""
    return Official(
        slug="", name=gettext("An official"), salutation=gettext("Dear Minister"), office=gettext("Minister"),
        organisation="", language=tag, email="", wants_digest=False,
    )  # fmt: skip
