"""A page as a test reads it: its elements in order, each with its attributes and its text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""
    inside: list[Element] = field(default_factory=list, repr=False)
    """The elements around it, the outermost first."""

    def __getitem__(self, name: str) -> str:
        return self.attributes.get(name, "")

    def has(self, name: str) -> bool:
        return name in self.attributes

    @property
    def words(self) -> str:
        """Its text with every run of blanks as one."""
        return " ".join(self.text.split())


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, inside=list(self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        while any(element.tag == tag for element in self._open):
            if self._open.pop().tag == tag:
                return

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        return list(self._found(tag, attributes))

    def one(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} times <{tag} {attributes}> where one is expected"
        return found[0]

    def of_class(self, name: str) -> list[Element]:
        return [element for element in self.elements if name in element["class"].split()]

    def _found(self, tag: str, attributes: dict[str, str]) -> Iterator[Element]:
        for element in self.elements:
            if element.tag == tag and all(element[name] == value for name, value in attributes.items()):
                yield element

    def control(self, name: str) -> Element:
        """The input, select or textarea of a form's field."""
        found = [e for e in self.elements if e["name"] == name and e.tag in ("input", "select", "textarea")]
        assert len(found) == 1, f"{len(found)} controls named {name}"
        return found[0]

    def value(self, name: str) -> str:
        """What a browser would show in a field, and send again."""
        control = self.control(name)
        if control.tag == "textarea":
            return control.text.removeprefix("\r\n").removeprefix("\n")  # HTML drops the first line break
        if control.tag == "select":
            chosen = [e for e in self.all("option") if control in e.inside and e.has("selected")]
            return chosen[0]["value"] if chosen else ""
        if control["type"] == "checkbox":
            return control["value"] if control.has("checked") else ""
        return control["value"]
