"""A member at the desk who fills in forms as a browser without scripts does."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from tests.signing.site import Site
from tests.structure.conftest import sign_in

__all__ = ["sign_in"]


@pytest.fixture
def site(app: Flask) -> Site:
    return Site(app)


class _Forms(HTMLParser):
    """What each form of a page would send if its first button were pressed, by its action."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: dict[str, MultiDict[str, str]] = {}
        self._form: MultiDict[str, str] | None = None
        self._select, self._first, self._area = "", "", ""
        self._text: list[str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = self.forms.setdefault(given["action"], MultiDict())
        if self._form is None or "disabled" in given:
            return
        if tag == "input" and given.get("name"):
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self._form.add(given["name"], given.get("value", "y"))
        elif tag == "select":
            self._select, self._first = given["name"], ""
        elif tag == "option":
            if "selected" in given:
                self._form[self._select], self._first = given["value"], "chosen"
            elif not self._first and self._select not in self._form:
                self._form[self._select], self._first = given["value"], "first"
        elif tag == "textarea":
            self._area, self._text = given["name"], []

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea" and self._form is not None and self._text is not None:
            text = "".join(self._text).replace("\r\n", "\n").removeprefix("\n")
            self._form.add(self._area, text.replace("\n", "\r\n"))
            self._text = None

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)


@dataclass
class Editor:
    """One member's browser."""

    client: FlaskClient

    def form(self, path: str, action: str = "") -> MultiDict[str, str]:
        """What the form that goes to `action` would send, as the page at `path` draws it."""
        page = self.client.get(path)
        assert page.status_code == 200, page.status_code
        return form_in(page, action or path)

    def send(self, path: str, form: MultiDict[str, str], **changed: str) -> TestResponse:
        sent = MultiDict(form)
        for name, value in changed.items():
            sent[name.replace("__", "-")] = value
        return self.client.post(path, data=sent)

    def change(self, path: str, action: str = "", **changed: str) -> TestResponse:
        """Open the page, change these fields ("__" in a name is "-") and send the form; it must be taken."""
        answer = self.send(action or path, self.form(path, action), **changed)
        assert answer.status_code == 303, answer.text[:4000]
        return answer


def form_in(page: TestResponse, action: str) -> MultiDict[str, str]:
    forms = _Forms(page.text).forms
    assert action in forms, f"no form goes to {action}: {list(forms)}"
    return forms[action]
