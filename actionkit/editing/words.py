"""What changed from one version to another, by field and language, word by word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask_babel import gettext
from markupsafe import Markup, escape

from actionkit import db
from actionkit.campaigns.models import Official
from actionkit.campaigns.versions import Content
from actionkit.editing import names

MOST_WORDS = 4_000
"""Longer texts are compared line by line, which is quick however long they are."""
AROUND = 12
"""Words and gaps that stay on each side of a change."""
BY_LANGUAGE = ("texts", "letter")

Place = tuple[str, str]
"""(field, language); the language is "" where the field has none."""

_NAMES_OF: dict[str, dict[str, Any]] = {
    "letters": {str(mode): called for mode, called in names.LETTERS.items()},
    "reply_to": {str(whom): called for whom, called in names.REPLY_TO.items()},
    "state": names.STATES,
    "outcome": names.OUTCOMES,
}

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True)
class Change:
    """One field that says something else."""

    place: Place
    before: str
    after: str

    @property
    def language(self) -> str:
        return self.place[1]

    @property
    def name(self) -> str:
        return str(names.FIELDS.get(self.place[0], self.place[0]))

    @property
    def as_html(self) -> Markup:
        """The words that went and those that came, with a little of what stands around."""
        return Markup("").join(_marked(self.before, self.after))


def flat(content: Content) -> dict[Place, Any]:
    """Every field of a version by itself."""
    found: dict[Place, Any] = {}
    for name, value in content.items():
        if name in BY_LANGUAGE:
            for language, fields in value.items():
                found |= {(field, language): text for field, text in fields.items()}
        else:
            found[name, ""] = value
    return found


def compare(before: Content, after: Content) -> list[Change]:
    """The fields in which they differ, in the order in which forms show them."""
    old, new = flat(before), flat(after)
    places = [place for place in dict.fromkeys([*new, *old]) if _value(old, place) != _value(new, place)]
    slugs: set[str] = {slug for content in (before, after) for slug in content.get("officials", ())}
    called = _names_of(slugs) if ("officials", "") in places else {}
    return [
        Change(place, _shown(place[0], old.get(place), called), _shown(place[0], new.get(place), called))
        for place in places
    ]


def _value(fields: dict[Place, Any], place: Place) -> Any:
    """A field that is not there says as much as an empty one."""
    return fields.get(place, "") or ""


def _names_of(slugs: set[str]) -> dict[str, str]:
    rows = db.session.execute(sa.select(Official.slug, Official.name).where(Official.slug.in_(slugs)))
    return {slug: name for slug, name in rows}  # noqa: C416 (mypy knows the two, and not that a row is a pair)


def _shown(name: str, value: Any, called: dict[str, str]) -> str:
    match name, value:
        case _, True:
            return gettext("yes")
        case _, False:
            return gettext("no")
        case _, None | "":
            return ""
        case "officials", list():
            return "\n".join(str(called.get(slug, slug)) for slug in value)
        case "links", list():
            return "\n".join(" ".join(link) for link in value)
        case "letters" | "reply_to" | "state" | "outcome", _:
            return str(_NAMES_OF[name].get(value, value))
    return str(value)


def _marked(before: str, after: str) -> Iterator[Markup]:
    old, new = _WORD.findall(before), _WORD.findall(after)
    if max(len(old), len(new)) > MOST_WORDS:
        old, new = _LINE.findall(before), _LINE.findall(after)
    steps = _joined(difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes(), old)
    for number, (is_same, a, b, c, d) in enumerate(steps):
        if is_same:
            yield _around(old[a:b], is_first=number == 0, is_last=number == len(steps) - 1)
            continue
        if gone := "".join(old[a:b]):
            yield Markup("<del>%s</del>") % gone
        if come := "".join(new[c:d]):
            yield Markup("<ins>%s</ins>") % come


def _joined(steps: Sequence[tuple[str, int, int, int, int]], old: list[str]) -> list[tuple[bool, int, int, int, int]]:
    """Changes that only a blank keeps apart are one: so a reader sees words for words."""
    joined: list[tuple[bool, int, int, int, int]] = []
    for number, (step, a, b, c, d) in enumerate(steps):
        is_between = 0 < number < len(steps) - 1
        is_same = step == "equal" and not (is_between and "".join(old[a:b]).strip() == "" and b - a == 1)
        if joined and not is_same and not joined[-1][0]:
            _same, first, _b, third, _d = joined.pop()
            joined.append((False, first, b, third, d))
        else:
            joined.append((is_same, a, b, c, d))
    return joined


def _around(words: list[str], *, is_first: bool, is_last: bool) -> Markup:
    if len(words) <= 2 * AROUND:
        return escape("".join(words))
    head = "" if is_first else "".join(words[:AROUND])
    tail = "" if is_last else "".join(words[-AROUND:])
    return escape(f"{head} … {tail}")
