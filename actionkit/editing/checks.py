"""What speaks against letting a campaign go out: errors stand in the way, warnings want a yes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext

from actionkit import addresses, db, languages
from actionkit.campaigns.models import LetterMode, Official
from actionkit.campaigns.versions import Content
from actionkit.delivery import groups, recipients
from actionkit.editing import faults
from actionkit.letters.operations import recipient_key

NAMED = 5
"""So many officials are named in a sentence."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found; `field` is the id of the place in the editor where it can be mended."""

    sentence: str
    field: str
    is_error: bool


def examine(content: Content, group: str) -> list[Finding]:
    """What is found in what a campaign says, errors first. `group` is the key of its letters."""
    officials = _officials(content["officials"])
    found = [
        *_of_texts(content),
        *_of_letters(content, officials),
        *_of_addresses(content, officials),
        *_of_numbers(content),
    ]
    if content["letters"] != LetterMode.NONE and groups.pause_of(group):
        found.append(Finding(gettext("The letters of this campaign are paused: none leaves."), "letters", False))
    return sorted(found, key=lambda finding: not finding.is_error)


def errors(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.is_error]


def warnings(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if not finding.is_error]


def _officials(slugs: list[str]) -> list[Official]:
    """Those that are in use, in their order."""
    in_use = sa.select(Official).where(Official.slug.in_(slugs), Official.retired_at.is_(None))
    known = {each.slug: each for each in db.session.scalars(in_use)}
    return [known[slug] for slug in slugs if slug in known]


def _of_texts(content: Content) -> Iterator[Finding]:
    own = content["language"]
    for tag, text in content["texts"].items():
        name = languages.name_here(tag)
        if not text["title"]:
            yield Finding(gettext("%(language)s: there is no title.", language=name), f"text-{tag}-title", True)
        if not text["body"]:
            said = gettext("%(language)s: there is no text that says what this is about.", language=name)
            yield Finding(said, f"text-{tag}-body", tag == own)
        if not text["summary"]:
            said = gettext("%(language)s: there is no summary. Lists and search engines show it.", language=name)
            yield Finding(said, f"text-{tag}-summary", False)
    if own not in content["texts"]:
        yield Finding(gettext("There is no text in the campaign's own language."), "language", True)


def _of_letters(content: Content, officials: list[Official]) -> Iterator[Finding]:
    if content["letters"] == LetterMode.NONE:
        return
    if not officials:
        yield Finding(gettext("No official is chosen, so nobody would be written to."), "officials", True)
    if content["letters"] != LetterMode.EACH:
        return
    own, letter = content["language"], content["letter"]
    if own not in letter:
        said = gettext("There is no letter in %(language)s, the campaign's own language.", language=_name(own))
        yield Finding(said, f"text-{own}-template", True)
    for tag, text in letter.items():
        for field, fault in (
            ("subject", faults.of(text["subject"], is_subject=True)),
            ("template", faults.of(text["template"])),
        ):
            if fault:
                said = gettext("Letter in %(language)s: %(fault)s", language=_name(tag), fault=fault)
                yield Finding(said, f"text-{tag}-{field}", True)
    for tag in content["texts"]:
        if tag not in letter and tag != own:
            said = gettext("There is a page in %(language)s, and no letter.", language=_name(tag))
            yield Finding(said, f"text-{tag}-template", False)
    for tag in sorted({each.language for each in officials if not each.wants_digest}):
        if tag not in letter and tag.split("-")[0] not in letter and own in letter:
            readers = _named([each for each in officials if each.language == tag])
            said = gettext(
                "%(officials)s: the letter goes out in %(own)s, since there is none in %(language)s.",
                officials=readers,
                own=_name(own),
                language=_name(tag),
            )
            yield Finding(said, "officials", False)


def _of_addresses(content: Content, officials: list[Official]) -> Iterator[Finding]:
    if content["letters"] == LetterMode.NONE or not officials:
        return
    wrong = [each for each in officials if not _is_address(each.email)]
    if wrong:
        said = gettext("%(officials)s: there is no e-mail address that mail can be sent to.", officials=_named(wrong))
        yield Finding(said, "officials", True)
    refusing = {each.recipient_key for each in recipients.suspended()}
    suspended = [each for each in officials if recipient_key(each.id) in refusing]
    if suspended:
        said = gettext(
            "%(officials)s: the address refuses mail, so letters are held until you give another.",
            officials=_named(suspended),
        )
        yield Finding(said, "officials", len(suspended) == len(officials))


def _of_numbers(content: Content) -> Iterator[Finding]:
    if not content["goal"]:
        yield Finding(gettext("There is no goal. A goal that can be reached brings signatures."), "goal", False)
    if content["closes_on"]:
        today = db.now().astimezone(ZoneInfo(content["timezone"])).date()
        if dt.date.fromisoformat(content["closes_on"]) < today:
            yield Finding(gettext("Its last day is over."), "closes_on", True)


def _is_address(text: str) -> bool:
    try:
        addresses.normalise(text)
    except addresses.AddressInvalid:
        return False
    return True


def _named(officials: list[Official]) -> str:
    names = ", ".join(each.name for each in officials[:NAMED])
    return names if len(officials) <= NAMED else gettext("%(names)s and others", names=names)


def _name(tag: str) -> str:
    return languages.name_here(tag)
