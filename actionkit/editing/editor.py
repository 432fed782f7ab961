"""What stands in the editor of a campaign: typed, drafted, stored or merged, it is read and drawn in one way."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext
from sqlalchemy.orm import selectinload
from werkzeug.datastructures import MultiDict

from actionkit import db, languages
from actionkit.campaigns.models import Campaign, CampaignState, LetterMode, Official, Outcome, Program, ReplyTo
from actionkit.campaigns.versions import Content
from actionkit.content import fields as read
from actionkit.content.fields import Fields
from actionkit.content.reader import CampaignRecord, TextRecord
from actionkit.editing.forms import CampaignForm, TextForm, choices_of
from actionkit.editing.words import BY_LANGUAGE
from actionkit.letters.history import COURSE
from actionkit.numbers import whole_number
from actionkit.staff import rights
from actionkit.staff.rights import Right

MOST_LANGUAGES = 40
OFFICIALS_SHOWN = 100

Values = MultiDict[str, str]
_TICKS = ("letter_editable", "spread_letters", "shows_removed")
Text = dict[str, str]


class Typed:
    """The form of a campaign with a column for each language, and its officials in their order."""

    def __init__(self, values: Values, campaign: Campaign) -> None:
        self.campaign = campaign
        self.values = values
        self.languages = _tags(values.getlist("languages"))
        self.removed = [tag for tag in _tags(values.getlist("removed")) if tag not in self.languages]
        self.form = CampaignForm(formdata=values)
        self.form.program.choices = programs()
        self.form.successor.choices = choices_of([("", gettext("none")), *other_campaigns(campaign)])
        self.form.language.choices = choices_of((tag, languages.name_here(tag)) for tag in self.languages)
        self.form.offer_zone(campaign.timezone)
        self.texts = {tag: TextForm(values, prefix=f"text-{tag}") for tag in [*self.languages, *self.removed]}
        self.officials = _officials(values)
        self.find = (values.get("find") or "").strip()[:100]
        self.faults: list[tuple[str, str]] = []
        """(id of the place, sentence) of what is wrong with no single field."""

    # ------------------------------------------------------------ is it right?

    def is_valid(self) -> bool:
        """Whether all of it may be stored; the sentences are then beside the fields."""
        forms_are_valid = [self.form.validate(), *(self.texts[tag].validate() for tag in self.languages)]
        if not self.languages:
            self.faults.append(("languages", gettext("A campaign needs a language.")))
        self._look_at_dates()
        return all(forms_are_valid) and not self.faults and not self.errors()

    def _look_at_dates(self) -> None:
        field = self.form.closes_on
        if self.campaign.state != CampaignState.OPEN or field.errors or not field.data:
            return
        if read.date(field.data) < db.now().astimezone(_zone(self.form.timezone.data, self.campaign.timezone)).date():
            said = gettext("This day is over. To end the campaign now, close it under “Open and close”.")
            field.errors = [*field.errors, said]

    def errors(self) -> list[tuple[str, str]]:
        """(id of the field, sentence, with its language) for each fault, in the order of the page."""
        found = [*self.faults, *self.form.error_summary()]
        for tag in self.languages:
            for field in self.texts[tag]:
                found += [(field.id, f"{languages.name_here(tag)}: {error}") for error in field.errors]
        return found

    # ------------------------------------------------------------ what it says

    def content(self) -> Content:
        """As a version holds it, without where the campaign stands."""
        form = self.form
        return {
            "program": form.program.data or "",
            "country": form.country.data or "",
            "successor": form.successor.data or "",
            "goal": whole_number(form.goal.data) or 0,
            "opens_on": _iso(form.opens_on.data),
            "closes_on": _iso(form.closes_on.data),
            "timezone": form.timezone.data or "",
            "language": form.language.data or "",
            "letters": form.letters.data or "",
            "letter_editable": bool(form.letter_editable.data),
            "letters_per_hour": whole_number(form.letters_per_hour.data),
            "office_hours": form.office_hours.data or "",
            "spread_letters": bool(form.spread_letters.data),
            "reply_to": form.reply_to.data or "",
            "shows_removed": bool(form.shows_removed.data),
            "officials": [official.slug for official in self.officials],
            "texts": {
                tag: {name: self.texts[tag][name].data or "" for name in ("title", "summary", "body", "closing")}
                for tag in self.languages
            },
            "letter": {
                tag: {"subject": self.texts[tag].subject.data or "", "template": self.texts[tag].template.data or ""}
                for tag in self.languages
                if self.texts[tag].has_letter
            },
        }

    def error_count(self, tag: str) -> int:
        return sum(len(field.errors) for field in self.texts[tag])

    def lacks(self, tag: str) -> list[str]:
        """What this language does not have yet, by name."""
        text = self.texts[tag]
        names = [("title", gettext("a title")), ("summary", gettext("a summary")), ("body", gettext("a text"))]
        missing = [name for field, name in names if not (text[field].data or "").strip()]
        if self.form.letters.data == LetterMode.EACH and not text.has_letter:
            missing.append(gettext("a letter"))
        return missing

    # ------------------------------------------------------------ officials

    def found_officials(self) -> tuple[list[Official], bool]:
        """Officials that may be added, those of the campaign's country first; and whether there are more."""
        chosen = {official.slug for official in self.officials}
        query = sa.select(Official).where(Official.slug.not_in(chosen), Official.retired_at.is_(None))
        if self.find:
            parts = (Official.name, Official.office, Official.organisation, Official.slug)
            query = query.where(sa.or_(*(part.icontains(self.find, autoescape=True) for part in parts)))
        is_of_country = sa.case((Official.country == (self.form.country.data or ""), 0), else_=1)
        query = query.order_by(is_of_country, Official.country, Official.name, Official.id).limit(OFFICIALS_SHOWN + 1)
        found = list(db.session.scalars(query))
        return found[:OFFICIALS_SHOWN], len(found) > OFFICIALS_SHOWN

    @property
    def missing_languages(self) -> list[str]:
        """Languages of chosen officials in which the campaign says nothing yet."""
        return sorted({official.language for official in self.officials} - set(self.languages))


def _iso(day: str | None) -> str:
    return read.date(day).isoformat() if day else ""


def _tags(given: list[str]) -> list[str]:
    return [tag for tag in dict.fromkeys(given) if languages.is_language(tag)][:MOST_LANGUAGES]


def _officials(values: Values) -> list[Official]:
    """Those in the list in its order, then those that are ticked to be added."""
    slugs = _slugs(values)
    known = {each.slug: each for each in db.session.scalars(sa.select(Official).where(Official.slug.in_(slugs)))}
    return [known[slug] for slug in slugs if slug in known]


def _slugs(values: Values) -> list[str]:
    listed = [slug for slug in (values.get("officials") or "").split(",") if slug]
    return list(dict.fromkeys([*listed, *values.getlist("add_official")]))


def programs() -> list[Any]:
    """All programs, to choose from."""
    found = db.session.scalars(sa.select(Program).order_by(Program.position, Program.title))
    return choices_of((program.slug, program.title) for program in found)


def known_officials(slugs: list[str]) -> list[str]:
    """Those that are still in the list of officials, in their order."""
    known = set(db.session.scalars(sa.select(Official.slug).where(Official.slug.in_(slugs))))
    return [slug for slug in slugs if slug in known]


def other_campaigns(campaign: Campaign) -> list[tuple[str, str]]:
    """(slug, title) of the campaigns that may go on after this one: public ones, and those that the member sees."""
    mine = rights.campaign_ids(Right.VIEW)
    is_seen = sa.true() if mine is None else sa.or_(Campaign.state != CampaignState.DRAFT, Campaign.id.in_(mine))
    others = db.session.scalars(
        sa.select(Campaign)
        .where(Campaign.id != campaign.id, sa.or_(is_seen, Campaign.slug == campaign.successor))
        .options(selectinload(Campaign.texts))
        .order_by(Campaign.slug)
    )
    return [(each.slug, f"{each.text_in(each.language).title} ({each.slug})") for each in others]


def _zone(name: str | None, otherwise: str) -> ZoneInfo:
    try:
        return ZoneInfo(read.timezone(name or ""))
    except ValueError:
        return ZoneInfo(otherwise)


# ---------------------------------------------------------------- from what is stored, and back


def values_of(content: Content, base: int) -> Values:
    """A version as the form would send it."""
    own = content["language"]
    tags = [own, *sorted(tag for tag in content["texts"] if tag != own)]
    values: Values = MultiDict([("base", str(base)), *(("languages", tag) for tag in tags)])
    for name, value in content.items():
        if name in _TICKS:
            if value:
                values.add(name, "y")
        elif name not in (*BY_LANGUAGE, *COURSE, "officials"):
            values.add(name, "" if value is None or (name == "goal" and not value) else str(value))
    # One field for all of them: a parliament has more members than a form may have fields.
    values.add("officials", ",".join(content["officials"]))
    for part in BY_LANGUAGE:
        for tag, fields in content[part].items():
            for name, text in fields.items():
                values.add(f"text-{tag}-{name}", text)
    return values


def record_of(content: Content, campaign: Campaign) -> CampaignRecord:
    """What is to be stored, the way content files say it. Where the campaign stands remains as it is."""
    letter = content["letter"]
    return CampaignRecord(
        slug=campaign.slug,
        where=Fields(campaign.slug, {}, {}),
        program=content["program"],
        country=content["country"],
        state=CampaignState(campaign.state),
        outcome=Outcome(campaign.outcome) if campaign.outcome else None,
        goal=content["goal"],
        opens_on=read.date(content["opens_on"]) if content["opens_on"] else None,
        closes_on=read.date(content["closes_on"]) if content["closes_on"] else None,
        timezone=content["timezone"],
        language=content["language"],
        letters=LetterMode(content["letters"]),
        is_letter_editable=content["letter_editable"],
        letters_per_hour=content["letters_per_hour"],
        office_hours=content["office_hours"],
        spreads_letters=content["spread_letters"],
        reply_to=ReplyTo(content["reply_to"]),
        shows_removed=content["shows_removed"],
        officials=content["officials"],
        texts={
            tag: TextRecord(
                title=text["title"],
                summary=text["summary"],
                body=text["body"],
                letter=(letter[tag]["subject"], letter[tag]["template"]) if tag in letter else None,
                closing=text["closing"],
            )
            for tag, text in content["texts"].items()
        },
        successor=content["successor"],
    )


def merge(base: Content, theirs: Content, mine: Content) -> Content:
    """What both of us want: theirs where I changed nothing, and all that I changed.

    A language that I wrote in stays whole, also where it was removed meanwhile.
    """
    merged: Content = {}
    for name in mine:
        if name not in BY_LANGUAGE:
            merged[name] = theirs[name] if mine[name] == base[name] else mine[name]
    for part in BY_LANGUAGE:
        merged[part] = {}
        for tag in dict.fromkeys([*mine[part], *theirs[part]]):
            b, t, m = (content[part].get(tag) for content in (base, theirs, mine))
            if chosen := _merge_text(b, t, m):
                merged[part][tag] = chosen
    return merged


def _merge_text(base: Text | None, theirs: Text | None, mine: Text | None) -> Text | None:
    if mine == base:
        return theirs
    if mine is None or theirs is None or base is None:
        return mine if mine is not None else theirs
    return {name: theirs[name] if mine[name] == base.get(name) else mine[name] for name in mine}


# ---------------------------------------------------------------- arranging the form


def arranged(values: Values) -> Values:
    """The form after one of its buttons: a language more or less, an official up, down or out. Stores nothing."""
    doing, _colon, what = values.get("arrange", "").partition(":")
    changed: Values = MultiDict(values)
    tags = values.getlist("languages")
    slugs = _slugs(values)
    match doing:
        case "add-language":
            new = what or values.get("new_language", "")
            tags = [*tags, new]
            changed.setlist("removed", [tag for tag in values.getlist("removed") if tag != new])
        case "remove-language" if what != values.get("language"):
            tags = [tag for tag in tags if tag != what]
            changed.add("removed", what)
        case "up" | "down" if what in slugs:
            place = slugs.index(what)
            slugs.insert(max(0, place + (-1 if doing == "up" else 1)), slugs.pop(place))
        case "remove":
            slugs = [slug for slug in slugs if slug != what]
    changed.setlist("languages", tags)
    changed["officials"] = ",".join(slugs)
    changed.poplist("add_official")
    return changed
