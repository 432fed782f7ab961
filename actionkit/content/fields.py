"""Reading one field of a content file: typed by the field, with file, line and field in every fault."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from actionkit import countries, languages
from actionkit.addresses import AddressInvalid, normalise
from actionkit.delivery import office_hours
from actionkit.text import trim_line

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
RESERVED_SLUGS = frozenset({"admin", "api", "dev", "new", "staff", "static"})


class ContentFault(ValueError):
    """A fault in a content file. As text: "officials.csv, line 3, email: ..."."""

    def __init__(self, file: str, line: int, name: str, message: str) -> None:
        super().__init__(f"{file}, line {line}, {name}: {message}")
        self.name, self.message = name, message


@dataclass
class Fields:
    """The named fields of one file or row: text or nested values, each with its line."""

    file: str
    values: dict[str, object]
    lines: dict[str, int]
    first_line: int = 1
    taken: set[str] = field(default_factory=set)

    def fault(self, name: str, message: str, line: int | None = None) -> ContentFault:
        return ContentFault(self.file, line or self.lines.get(name, self.first_line), name, message)

    def take(self, name: str, read: Callable[[str], T], default: T | None = None) -> T:
        """The field through `read`; `default` where it is absent or empty; a fault where neither."""
        self.taken.add(name)
        raw = self.values.get(name, "")
        if not isinstance(raw, str):
            raise self.fault(name, "one value is needed, not a list")
        raw = trim_line(raw)
        if raw == "" or raw == "null":
            if default is None:
                raise self.fault(name, "is missing")
            return default
        try:
            return read(raw)
        except ValueError as error:
            raise self.fault(name, str(error)) from None

    def take_optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """The field through `read`, or None where it is absent or empty."""
        given = self.values.get(name, "")
        if isinstance(given, str) and trim_line(given) in ("", "null"):
            self.taken.add(name)
            return None
        return self.take(name, read)

    def take_list(self, name: str) -> list[object]:
        self.taken.add(name)
        raw = self.values.get(name) or []
        if not isinstance(raw, list):
            raise self.fault(name, "a list is needed, such as [one, two]")
        return raw

    def refuse_unknown(self, also: Iterable[str] = ()) -> None:
        for name in self.values:
            if name not in self.taken and name not in also:
                raise self.fault(name, "there is no such field")


# ---------------------------------------------------------------- front matter


def read_front_matter(file: str, text: str) -> tuple[Fields, str, int]:
    """Split "---" YAML "---" body. Returns the fields, the body, and the line the body begins at.

    Scalars stay text and are typed by their field: `country: NO` is Norway, not false.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != "---":
        raise ContentFault(file, 1, "front matter", "the file must begin with a line ---")
    try:
        end = next(i for i, line in enumerate(lines[1:], 1) if line.rstrip() == "---")
    except StopIteration:
        raise ContentFault(file, 1, "front matter", "has no closing line ---") from None
    values: dict[str, object] = {}
    places: dict[str, int] = {}
    try:
        node = yaml.compose("\n".join(lines[1:end]), Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line if error.problem_mark else 0) + 2
        raise ContentFault(file, line, "front matter", error.problem or "cannot be read") from None
    except yaml.YAMLError:
        raise ContentFault(file, 2, "front matter", "holds a character that cannot stand there") from None
    if node is not None and not isinstance(node, yaml.MappingNode):
        raise ContentFault(file, 2, "front matter", "must be lines of 'field: value'")
    for key, value in node.value if node is not None else []:
        name = str(key.value)
        if name in values:
            raise ContentFault(file, key.start_mark.line + 2, name, "stands here twice")
        values[name] = _plain(value)
        places[name] = key.start_mark.line + 2
    return Fields(file, values, places), "\n".join(lines[end + 1 :]), end + 2


def _plain(node: yaml.Node) -> object:
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    return str(node.value)


# ---------------------------------------------------------------- types


def text(longest: int) -> Callable[[str], str]:
    def read(raw: str) -> str:
        if len(raw) > longest:
            raise ValueError(f"at most {longest} characters are allowed")
        if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in raw):
            raise ValueError("must be one line without control characters")
        return raw

    return read


def prose(raw: str) -> str:
    return raw


def slug(raw: str) -> str:
    if not SLUG.fullmatch(raw) or len(raw) > 100 or raw in RESERVED_SLUGS:
        raise ValueError(f"'{raw[:100]}' is no slug: lower-case letters, digits and hyphens, at most 100")
    return raw


def whole(raw: str) -> int:
    if not raw.isdecimal() or len(raw) > 9:
        raise ValueError(f"a whole number is needed, not '{raw[:40]}'")
    return int(raw)


def yes_no(raw: str) -> bool:
    known = {"true": True, "yes": True, "false": False, "no": False}
    if raw.lower() not in known:
        raise ValueError(f"true or false is needed, not '{raw[:40]}'")
    return known[raw.lower()]


def date(raw: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(raw)
    except ValueError:
        raise ValueError(f"a date such as 2026-03-31 is needed, not '{raw[:40]}'") from None
    if not 1900 <= day.year <= 2999:
        raise ValueError(f"the year {day.year} cannot be meant")
    return day


def timezone(raw: str) -> str:
    try:
        ZoneInfo(raw)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone '{raw[:60]}'; one is named such as Europe/Rome") from None
    return raw


def hours(raw: str) -> str:
    """Office hours, or "" for `any`, which takes back what staff have set."""
    if raw == "any":
        return ""
    return str(office_hours.parse(raw))


def language(raw: str) -> str:
    if not languages.is_language(raw):
        raise ValueError(f"'{raw[:40]}' is no language tag such as en, it or pt-BR")
    return raw


def country(raw: str) -> str:
    if raw.upper() not in countries.CODES:
        raise ValueError(f"'{raw[:40]}' is no country code such as IT (ISO 3166-1 alpha-2)")
    return raw.upper()


def url(raw: str) -> str:
    parts = urlsplit(raw)
    if parts.scheme not in ("http", "https") or not parts.hostname or len(raw) > 2000:
        raise ValueError("an address that begins with https:// is needed")
    return raw


def email(raw: str) -> str:
    try:
        return normalise(raw)
    except AddressInvalid:
        raise ValueError("this is no e-mail address") from None


def one_of(kind: type[E]) -> Callable[[str], E]:
    def read(raw: str) -> E:
        try:
            return kind(raw)
        except ValueError:
            raise ValueError(f"one of {', '.join(kind)} is needed, not '{raw[:40]}'") from None

    return read
