"""What staff say about a file: its columns, and on what basis its signatures stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask_babel import lazy_gettext as _
from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, DateField, RadioField, SelectField, TextAreaField, ValidationError
from wtforms.fields import Field, SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import DataRequired

from actionkit import countries, db, languages
from actionkit.forms import BaseForm, at_most, clean_prose, prose
from actionkit.imports.choices import BASIS_NAMES, FIELDS, Choices

LONGEST_WORDING = 2_000


class UploadForm(BaseForm):
    file = FileField(
        _("File"), validators=[FileRequired(_("Please choose a file."))], render_kw={"accept": ".csv,.txt,.tsv"}
    )


def _not_to_come(_form: Any, field: Field) -> None:
    if field.data and field.data > db.now().date():
        raise ValidationError(_("This day is still to come."))


def _wording(label: Any, *more: Any) -> TextAreaField:
    return TextAreaField(
        label,
        filters=[prose],
        validators=[
            *more,
            at_most(LONGEST_WORDING, _("This may have at most 2,000 characters.")),
            clean_prose(_("This holds a character that nobody can have typed.")),
        ],
        render_kw={"rows": 4},
    )


class CheckForm(BaseForm):
    """The selects of the columns, `column-0` and so on, are beside these fields: their number is the file's."""

    country = SelectField(
        _("Country of rows that name none"),
        default="",
        choices=lambda: [
            SelectChoice("", _("none: such a row is a fault")),
            *(SelectChoice(code, name) for code, name in countries.choices(languages.current())),
        ],
    )
    language = SelectField(_("Language in which they signed"))
    basis = RadioField(
        _("On what basis do you import them?"),
        choices=[SelectChoice(str(basis), name) for basis, name in BASIS_NAMES.items()],
        validators=[DataRequired(_("Please say on what basis these signatures stand."))],
    )
    wording = _wording(
        _("The words that they agreed to"),
        DataRequired(_("Please copy the words that stood above the list, or beside the tick.")),
    )
    updates_wording = _wording(_("The words beside the tick for updates"))
    signed_on = DateField(
        _("Signed on"), validators=[DataRequired(_("Please give the day on which they signed.")), _not_to_come]
    )
    counts = BooleanField(_("I state that these words allow to count them, as if each had confirmed her signature"))
    letters = BooleanField(
        _("Send a letter in the name of each to the campaign's officials, because the words allow it")
    )

    def __init__(
        self, tags: Iterable[str], header: Sequence[str], sent: Mapping[str, str] | None, choices: Choices
    ) -> None:
        """`sent` is None for a page that shows what was chosen or guessed."""
        values = {**vars(choices), "signed_on": choices.day if choices.signed_on else None}
        super().__init__(**({"data": values} if sent is not None else {"formdata": None, "data": values}))
        self.language.choices = [SelectChoice(tag, tag) for tag in tags]
        self.fields = tuple(
            choices.fields[n] if sent is None else _known(sent.get(f"column-{n}", "")) for n in range(len(header))
        )
        self.columns_error = ""

    def validate(self, **kwargs: Any) -> bool:
        is_valid = super().validate(**kwargs)
        chosen = [field for field in self.fields if field]
        if len(chosen) != len(set(chosen)):
            self.columns_error = _("Two columns are the same. Please choose one of them.")
        elif lacks := self.choices.lacks:
            names = ", ".join(str(FIELDS[name]) for name in lacks)
            self.columns_error = _("Please say which column is: %(names)s.", names=names)
        if self.letters.data and not self.counts.data:
            self.letters.errors = [_("Letters are only sent for signatures that count.")]
            is_valid = False
        return is_valid and not self.columns_error

    def error_summary(self) -> list[tuple[str, str]]:
        found = super().error_summary()
        return [("column-0", str(self.columns_error)), *found] if self.columns_error else found

    @property
    def choices(self) -> Choices:
        day = self.signed_on.data
        return Choices(
            fields=self.fields,
            country=self.country.data or "",
            language=self.language.data or "",
            basis=self.basis.data or "",
            wording=self.wording.data or "",
            updates_wording=self.updates_wording.data or "",
            signed_on=day.isoformat() if day else "",
            counts=bool(self.counts.data),
            letters=bool(self.letters.data),
        )


def _known(field: str) -> str:
    return field if field in FIELDS else ""
