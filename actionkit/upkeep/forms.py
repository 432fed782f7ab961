"""Whom to erase."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import BooleanField

from actionkit.forms import BaseForm, EmailField, an_address, line, required


class EraseForm(BaseForm):
    """The address, and whether she takes her signatures back too."""

    email = EmailField(
        _("E-mail address of the person"),
        filters=[line],
        validators=[required(_("Please enter the address.")), an_address],
        render_kw={"autocomplete": "off", "type": "email", "inputmode": "email"},
    )
    uncount = BooleanField(_("She takes her signatures back too: they no longer count"))
