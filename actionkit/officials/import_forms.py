"""What staff send in, and how they want it read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import lazy_gettext as _
from flask_wtf.file import FileField, FileRequired
from wtforms import SelectField

from actionkit import countries, languages
from actionkit.campaigns.models import Campaign
from actionkit.forms import BaseForm
from actionkit.officials import columns
from actionkit.officials.forms import language_names
from actionkit.officials.reading import Choices
from actionkit.officials.sheets import Sheet


def _campaigns(campaigns: Sequence[Campaign]) -> list[tuple[str, Any]]:
    titles = ((each.slug, each.text_in(each.language).title) for each in campaigns)
    return [("", _("none for now")), *titles]


class UploadForm(BaseForm):
    """A file, and for which campaign it is."""

    file = FileField(_("File"), validators=[FileRequired(_("Please choose a file."))])
    campaign = SelectField(_("Campaign that is to write to them"))

    def __init__(self, campaigns: Sequence[Campaign], *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        self.campaign.choices = _campaigns(campaigns)


class ChoicesForm(BaseForm):
    """What each column is, and what holds for entries that do not say it."""

    language = SelectField(_("Language, where the file names none"))
    country = SelectField(_("Country, where the file names none"))
    campaign = SelectField(_("Campaign that is to write to them"))

    def __init__(self, campaigns: Sequence[Campaign], *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        here = languages.current()
        self.language.choices = [("", _("none: such entries are faulty")), *language_names(here)]
        self.country.choices = [("", _("none")), *countries.choices(here)]
        self.campaign.choices = _campaigns(campaigns)

    def chosen(self, sheet: Sheet, sent: Mapping[str, str]) -> Choices:
        """From a valid form. A column that is named twice counts where it stands first."""
        fields: list[str] = []
        for n, _heading in enumerate(sheet.header):
            field = sent.get(f"column-{n}", "")
            fields.append(field if field in columns.FIELDS and field not in fields else "")
        return Choices(tuple(fields), self.language.data or "", self.country.data or "", self.campaign.data or "")
