"""Writing a report to an official: pure, from its frozen numbers and those who may be named."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from flask_babel import force_locale, format_datetime, format_decimal, gettext, ngettext

from actionkit import countries, languages
from actionkit.campaigns.models import Campaign, Official
from actionkit.letters.models import Report
from actionkit.text import guarded

WORDS_SHOWN = 10
COUNTRIES_SHOWN = 20
LARGEST_LIST = 5_000_000
"""Bytes: what most mail servers take, once it is encoded."""


@dataclass(frozen=True)
class Supporter:
    """One who may be named to officials."""

    name: str
    country: str
    comment: str


@dataclass(frozen=True)
class Digest:
    """A finished report. `names` is a CSV file in UTF-8, or empty where nobody may be named."""

    subject: str
    text: str
    language: str
    names: bytes


def compose(campaign: Campaign, official: Official, report: Report, supporters: Iterable[Supporter]) -> Digest:
    """The report in the official's language: sentences where actionkit speaks it, titles where the campaign has them.

    Holds nobody's address. Named are the supporters given, in their order; the others are numbers.
    """
    text = campaign.text_in(official.language)
    locale = languages.interface_locale(official.language)
    with force_locale(locale):
        names, listed, words = _list(supporters, locale)
        subject = gettext(
            "%(total)s signatures, %(new)s of them new: %(title)s",
            total=format_decimal(report.total),
            new=format_decimal(report.new),
            title=text.title,
        )
        paragraphs = [official.salutation or official.name, text.title, text.summary, *_numbers(report)]
        paragraphs.append(_by_country(report, locale))
        if words:
            paragraphs.append("\n\n".join([gettext("In their own words:"), *words]))
        paragraphs.append(_about_the_list(report.new, listed, has_room=len(names) < LARGEST_LIST))
    return Digest(subject, "\n\n".join(part for part in paragraphs if part) + "\n", locale, names if listed else b"")


def _numbers(report: Report) -> list[str]:
    until = format_datetime(report.until, "long")
    total = ngettext(
        "Until %(until)s, one person had signed this.",
        "Until %(until)s, %(n)s people had signed this.",
        report.total,
        until=until,
        n=format_decimal(report.total),
    )
    if report.since is None:
        return [
            total,
            gettext("This is the first report. There is at most one a day, and none when nobody has signed."),
        ]
    new = ngettext(
        "One of them since the last report, which reached to %(since)s.",
        "%(n)s of them since the last report, which reached to %(since)s.",
        report.new,
        since=format_datetime(report.since, "long"),
        n=format_decimal(report.new),
    )
    return [total, new]


def _by_country(report: Report, locale: str) -> str:
    lines = [gettext("By country (in brackets: new):")]
    for code, total, new in report.countries[:COUNTRIES_SHOWN]:
        lines.append(f"{countries.name(code, locale)}: {format_decimal(total)} ({format_decimal(new)})")
    others = report.countries[COUNTRIES_SHOWN:]
    if others:
        total, new = (format_decimal(sum(row[column] for row in others)) for column in (1, 2))
        lines.append(f"{gettext('Other countries')}: {total} ({new})")
    return "\n".join(lines)


def _about_the_list(new: int, listed: int, *, has_room: bool) -> str:
    if not listed:
        return gettext("None of the new supporters has allowed us to give their name.")
    lines = [
        ngettext(
            "The attached list names one of the new supporters, who has allowed it; the others are counted only.",
            "The attached list names %(n)s of the new supporters, who have allowed it; the others are counted only.",
            listed,
            n=format_decimal(listed),
        )
    ]
    if not has_room:
        lines.append(gettext("The list is cut, since it would be too large for a mail."))
    return " ".join(lines)


def _list(supporters: Iterable[Supporter], locale: str) -> tuple[bytes, int, list[str]]:
    """The list as CSV, cut at the largest size, how many it names, and the first who wrote something."""
    buffer, listed = io.StringIO(), 0
    words: list[str] = []
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([gettext("Name"), gettext("Country"), gettext("In their own words")])
    size = 0
    for each in supporters:
        country = countries.name(each.country, locale)
        writer.writerow([guarded(each.name), guarded(country), guarded(each.comment)])
        listed += 1
        size += len(f"{each.name}{country}{each.comment}".encode()) + 8
        if each.comment and len(words) < WORDS_SHOWN:
            words.append(f"“{each.comment}”\n{each.name}, {country}")
        if size >= LARGEST_LIST:
            break
    return b"\xef\xbb\xbf" + buffer.getvalue().encode(), listed, words
