"""The forms of the door. Flask-Security checks what they hold; the words and the marks are ours."""

from __future__ import annotations

from typing import Any

from flask import g
from flask_babel import lazy_gettext as _
from flask_security import ChangePasswordForm, LoginForm
from wtforms import EmailField, HiddenField, PasswordField, StringField, ValidationError

from actionkit.forms import BaseForm, at_most, clean_line, line, required
from actionkit.staff import operations, passwords


class SignInForm(BaseForm, LoginForm):
    """Address and password. It says one and the same sentence for every way of being wrong.

    Who asks cannot tell an unknown address from a wrong password, a closed account or one
    that has no password: neither by the text nor by the time it takes.
    """

    email = EmailField(
        _("E-mail address"),
        filters=[line],
        validators=[required(_("Please enter your e-mail address."))],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        _("Password"),
        validators=[required(_("Please enter your password."))],
        render_kw={"autocomplete": "current-password"},
    )
    # No cookie outlives the working day, and the template draws its own button.
    remember = None  # type: ignore[assignment]
    submit = None  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.next.data = g.get("next_path", "")

    def validate(self, **kwargs: Any) -> bool:
        if not (self.email.data and self.password.data):
            BaseForm.validate(self, **kwargs)  # names the empty field, and goes no further
            return False
        if not passwords.can_be_one(self.password.data):
            self.password.data = "\ufffd"  # as wrong as it was, and no burden
        # Found here and not by Flask-Security, so that a text that is no address takes as long.
        self.user = operations.find_staff(self.email.data)
        self.ifield = self.email
        if super().validate(**kwargs):
            return True
        if not self.csrf_token.errors:
            self.password.errors = []
            self.email.errors = [_("This e-mail address and this password do not belong together.")]
        return False


class NewPasswordForm(BaseForm, ChangePasswordForm):
    """The present password, where there is one, and a new one twice."""

    password = PasswordField(_("Present password"), render_kw={"autocomplete": "current-password"})
    new_password = PasswordField(
        _("New password"),
        validators=[required(_("Please enter a new password."))],
        render_kw={"autocomplete": "new-password"},
    )
    new_password_confirm = PasswordField(
        _("New password, once more"),
        validators=[required(_("Please enter the new password once more."))],
        render_kw={"autocomplete": "new-password"},
    )
    submit = None  # type: ignore[assignment]

    def validate_new_password_confirm(self, field: PasswordField) -> None:
        if field.data != self.new_password.data:
            raise ValidationError(_("The new password was not the same both times."))

    def validate(self, **kwargs: Any) -> bool:
        if self.password.data and not passwords.can_be_one(self.password.data):
            self.password.data = "\ufffd"
        return super().validate(**kwargs)


class ChoosePasswordForm(BaseForm):
    """A password twice, for who comes by a link."""

    new_password = PasswordField(
        _("New password"),
        validators=[required(_("Please enter a new password."))],
        render_kw={"autocomplete": "new-password"},
    )
    new_password_confirm = PasswordField(
        _("New password, once more"),
        validators=[required(_("Please enter the new password once more."))],
        render_kw={"autocomplete": "new-password"},
    )

    def __init__(self, *args: Any, email: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = email

    def validate_new_password(self, field: PasswordField) -> None:
        if found := passwords.faults(field.data or "", self.account):
            raise ValidationError(found[0])

    def validate_new_password_confirm(self, field: PasswordField) -> None:
        if field.data != self.new_password.data:
            raise ValidationError(_("The new password was not the same both times."))


class ForgottenForm(BaseForm):
    """The address of an account whose password is forgotten."""

    email = EmailField(
        _("E-mail address"),
        filters=[line],
        validators=[required(_("Please enter your e-mail address.")), at_most(254, _("This is too long."))],
        render_kw={"autocomplete": "username"},
    )


class CodeForm(BaseForm):
    """A code of the app, or a recovery code."""

    code = StringField(
        _("Code"),
        filters=[line],
        validators=[required(_("Please enter the code.")), at_most(40, _("This is too long for a code."))],
        render_kw={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"},
    )


class PasskeyAnswerForm(BaseForm):
    """What the browser brings back from a passkey, as JSON."""

    credential = HiddenField()


class PasskeyForm(PasskeyAnswerForm):
    """The same, with a name for a new one."""

    name = StringField(
        _("What do you call this device?"),
        filters=[line],
        validators=[
            required(_("Please give it a name, such as “my telephone”.")),
            at_most(64, _("A name may have at most 64 characters.")),
            clean_line(_("The name holds a character that we cannot take.")),
        ],
        render_kw={"autocomplete": "off"},
    )
