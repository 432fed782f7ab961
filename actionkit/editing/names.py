"""What fields are called on the desk, in one place for forms, comparisons and checks."""

from __future__ import annotations

from flask_babel import lazy_gettext as _

from actionkit.campaigns.models import LetterMode, ReplyTo

FIELDS = {
    "program": _("Program"),
    "country": _("Country it is addressed to"),
    "state": _("State"),
    "outcome": _("Outcome"),
    "closed_at": _("Closed at"),
    "is_signing_paused": _("Signing is paused"),
    "is_archived": _("Put away"),
    "successor": _("It goes on with"),
    "goal": _("Goal"),
    "opens_on": _("First day"),
    "closes_on": _("Last day"),
    "timezone": _("Time zone"),
    "language": _("Its own language"),
    "letters": _("What officials get"),
    "letter_editable": _("Supporters may write their own letter"),
    "letters_per_hour": _("Letters an hour to one official"),
    "office_hours": _("Office hours"),
    "spread_letters": _("Spread letters evenly until the campaign closes"),
    "reply_to": _("Answers go to"),
    "shows_removed": _("Its page says how many signatures were taken out"),
    "officials": _("Officials"),
    "title": _("Title"),
    "summary": _("Summary"),
    "body": _("Text"),
    "subject": _("Subject of the letter"),
    "template": _("Letter"),
    "closing": _("What the page says once it is closed"),
    "quotation": _("Quotation"),
    "quotation_source": _("Who said it"),
    "position": _("Place in the list"),
    "links": _("Sister initiatives"),
    "campaign": _("Campaign"),
    "published_on": _("Date"),
    "is_victory": _("This is a win"),
    "byline": _("Line below the title"),
    "url": _("Web address"),
    "publisher": _("Publisher"),
}

LETTERS = {
    LetterMode.EACH: _("a letter from each supporter"),
    LetterMode.DIGEST: _("a report a day"),
    LetterMode.NONE: _("nothing: it is a petition alone"),
}
REPLY_TO = {
    ReplyTo.SUPPORTER: _("the supporter's own address"),
    ReplyTo.NONE: _("us: officials do not see her address"),
}
STATES = {"draft": _("draft"), "open": _("open"), "closed": _("closed"), "upcoming": _("not open yet")}
OUTCOMES = {"won": _("won"), "lost": _("lost"), "ended": _("ended without a result")}
