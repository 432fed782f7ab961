"""What is wrong with a letter's template, in words for the one who writes it."""

from __future__ import annotations

from flask_babel import gettext

from actionkit.letters import templates
from actionkit.letters.templates import TemplateFault

LONGEST_LINE = 80


def of(text: str, *, is_subject: bool = False) -> str:
    """The fault as a sentence with its line, or "" where there is none."""
    try:
        templates.check(text, is_subject=is_subject)
    except TemplateFault as fault:
        return _sentence(text, fault, is_subject)
    return ""


def _sentence(text: str, fault: TemplateFault, is_subject: bool) -> str:
    what = fault.what
    match fault.kind:
        case "long":
            return gettext("At most %(number)s characters are allowed.", number=what)
        case "empty":
            return gettext("The letter needs a subject.")
        case "missing":
            return gettext("The letter must contain %(placeholder)s.", placeholder=f"{{{{{what}}}}}")
        case "tag":
            said = gettext("{%% %(what)s %%} is not allowed. There is only if, elsif, else and endif.", what=what)
        case "filter":
            said = gettext("The filter “%(what)s” is not allowed. There is only default.", what=what)
        case "placeholder":
            said = gettext("There is no placeholder “%(what)s”.", what=what)
        case _:
            said = gettext("This cannot be read: %(why)s.", why=fault.message)
    if is_subject:
        return said
    line = text.split("\n")[fault.line - 1 : fault.line]
    quoted = line[0].strip()[:LONGEST_LINE] if line else ""
    return gettext("Line %(line)s: %(said)s It reads “%(text)s”.", line=fault.line, said=said, text=quoted)
