"""Letter templates: Liquid, cut down to a closed list of variables, `if/else` and `default`.

Staff write them in a browser, so nothing in them may run, loop or grow. What a supporter wrote
is a value: it is put in once, as it is, and never read as a template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from liquid import Environment, StrictUndefined
from liquid.exceptions import LiquidError
from liquid.template import BoundTemplate

VARIABLES = (
    "official_salutation",
    "official_name",
    "official_office",
    "supporter_name",
    "supporter_country",
    "supporter_comment",
    "campaign_title",
)
REQUIRED = ("supporter_name", "supporter_country")
TAGS = frozenset({"if"})
FILTERS = frozenset({"default"})

LONGEST_TEMPLATE = 20_000
LONGEST_SUBJECT = 300
LARGEST_OUTPUT = 256_000
"""Bytes that a rendered letter may have."""

_TAG = re.compile(r"{%-?\s*(\w+|#)")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")


class _Limited(Environment):
    output_stream_limit = LARGEST_OUTPUT
    block_nesting_limit = 10
    context_depth_limit = 10
    loop_iteration_limit = 1
    local_namespace_limit = 1


_environment = _Limited(undefined=StrictUndefined, autoescape=False)


class TemplateFault(ValueError):
    """A template that is refused: why, and in which line (from 1) of it.

    `kind` says the same for programs that speak other languages, and `what` is the word at fault.
    """

    def __init__(self, message: str, line: int, kind: str = "syntax", what: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.kind = kind
        self.what = what


@dataclass(frozen=True)
class _Paragraph:
    """A part between blank lines; `variables` is empty where its own logic decides what remains."""

    template: BoundTemplate
    variables: tuple[str, ...]


def check(text: str, *, is_subject: bool = False) -> None:
    """Refuse a template that is not allowed. Raises `TemplateFault`.

    Names are checked before variables are looked at: an unknown filter parses without complaint.
    """
    longest = LONGEST_SUBJECT if is_subject else LONGEST_TEMPLATE
    if len(text) > longest:
        raise TemplateFault(f"at most {longest} characters are allowed", 1, "long", str(longest))
    if is_subject and not text.strip():
        raise TemplateFault("the subject is empty", 1, "empty")
    for tag in _TAG.finditer(text):
        if tag[1] not in TAGS | {"elsif", "else", "endif"}:
            line = _line_of(text, tag.start())
            raise TemplateFault(f"the tag '{tag[1]}' is not allowed", line, "tag", tag[1])
    template = _parse(text)
    for name in template.filter_names():
        if name not in FILTERS:
            line = _line_of(text, text.find(name))
            raise TemplateFault(f"the filter '{name}' is not allowed", line, "filter", name)
    found = template.analyze(include_partials=False)
    for places in found.variables.values():
        for place in places:
            if str(place) not in VARIABLES:
                raise TemplateFault(
                    f"there is no placeholder '{place}'; the placeholders are {', '.join(VARIABLES)}",
                    _line_of(text, place.span.index),
                    "placeholder",
                    str(place),
                )
    if not is_subject:
        missing = [name for name in REQUIRED if name not in found.variables]
        if missing:
            raise TemplateFault(f"the letter must contain {{{{{missing[0]}}}}}", 1, "missing", missing[0])
        _paragraphs(text)


def render(text: str, values: Mapping[str, str]) -> str:
    """Fill a checked template. Empty values are nil; a paragraph of only empty ones is dropped."""
    data = {name: values.get(name) or None for name in VARIABLES}
    parts = []
    for paragraph in _paragraphs(text):
        if paragraph.variables and not any(data[name] for name in paragraph.variables):
            continue
        part = paragraph.template.render(data)
        if part.strip():
            parts.append(part)
    return "\n\n".join(parts)


def render_subject(text: str, values: Mapping[str, str]) -> str:
    """Fill a checked subject: one line."""
    data = {name: values.get(name) or None for name in VARIABLES}
    return " ".join(_subject(text).render(data).split())


def _parse(text: str) -> BoundTemplate:
    try:
        return _environment.from_string(text)
    except LiquidError as fault:
        message = str(fault.message or fault).split("\n")[0]
        raise TemplateFault(message, _line_of_fault(text, fault)) from None


def _line_of_fault(text: str, fault: LiquidError) -> int:
    start = fault.token.start_index if fault.token else -1
    return _line_of(text, start) if start >= 0 else text.count("\n") + 1


def _line_of(text: str, index: int) -> int:
    return text.count("\n", 0, max(index, 0)) + 1


@lru_cache(maxsize=256)
def _subject(text: str) -> BoundTemplate:
    return _parse(text)


@lru_cache(maxsize=256)
def _paragraphs(text: str) -> tuple[_Paragraph, ...]:
    # Only the template's own line breaks are trimmed; those of a supporter's text are hers.
    return tuple(_paragraph(part.strip("\n")) for part in _split(text.replace("\r\n", "\n")))


def _paragraph(text: str) -> _Paragraph:
    template = _parse(text)
    # With a condition or a default, "empty" is a case that the template speaks about itself.
    decides_itself = bool(template.tag_names() or template.filter_names())
    variables = () if decides_itself else tuple(template.variables())
    return _Paragraph(template, variables)


def _split(text: str) -> list[str]:
    """Cut at blank lines that stand outside every `if`."""
    parts: list[str] = []
    pending = ""
    for part in _BLANK_LINE.split(text):
        pending = f"{pending}\n\n{part}" if pending else part
        names = [tag[1] for tag in _TAG.finditer(pending)]
        if names.count("if") == names.count("endif"):
            parts.append(pending)
            pending = ""
    if pending:
        parts.append(pending)
    return parts
