"""Bad and unusual input, case by case; the rules stand in the contract ("What names ... may hold").

`tests/data/bad_inputs.json` holds cases that others wrote, in the same form as these.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import sign_form

CORPUS = Path(__file__).parents[1] / "data" / "bad_inputs.json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Case:
    id: str
    fields: dict[str, Any]
    expect: str = "reject"
    why: str = ""
    repeat: dict[str, dict[str, Any]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    raw_body: str = ""
    content_type: str = ""
    status: tuple[int, ...] = ()
    stored: int | None = None
    after: str = ""
    store: dict[str, Any] = field(default_factory=dict)
    export: dict[str, str] = field(default_factory=dict)
    field_name: str = ""
    """The field that must carry the message."""

    @property
    def is_accepted(self) -> bool:
        return self.expect == "accept"

    @property
    def statuses(self) -> tuple[int, ...]:
        return self.status or ((303,) if self.is_accepted else (422,))

    @property
    def rows(self) -> int:
        return self.stored if self.stored is not None else int(self.is_accepted)

    @property
    def faulty_field(self) -> str:
        """By its id: "name-bad-rlo" is about the name."""
        start = self.id.partition("-")[0]
        return self.field_name or (start if start in ("name", "email", "country", "postcode", "comment") else "")

    def values(self) -> dict[str, Any]:
        long = {name: _repeated(how) for name, how in self.repeat.items() if name != "raw_body"}
        return {**self.fields, **long}

    def body(self) -> bytes:
        """The raw body, where the case has one. Whoever reads it undoes the percent codes."""
        text = _repeated(self.repeat["raw_body"]) if "raw_body" in self.repeat else self.raw_body
        return text.encode()


def _repeated(how: dict[str, Any]) -> str:
    return str(how.get("prefix", "") + how["unit"] * how["times"] + how.get("suffix", ""))


def corpus() -> list[Case]:
    return [_read(raw) for raw in json.loads(CORPUS.read_text(encoding="utf-8"))]


def _read(raw: dict[str, Any]) -> Case:
    raw = dict(raw)
    status = raw.pop("status", ())
    return Case(**raw, status=tuple(status) if isinstance(status, list) else (status,) if status else ())


# ---------------------------------------------------------------- our own


def ok(id: str, why: str, *, store: dict[str, Any] | None = None, **fields: Any) -> Case:
    return Case(f"{id}-ok", _fields(id, fields), "accept", why, store=store or {})


def bad(id: str, why: str, *, at: str = "", **fields: Any) -> Case:
    return Case(f"{id}-bad", _fields(id, fields), "reject", why, field_name=at)


def _fields(id: str, fields: dict[str, Any]) -> dict[str, Any]:
    return sign_form(**{"email": f"{id.lower().replace(' ', '-')}@own.example.org", **fields})


CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
LINE_BREAKS = (0x2028, 0x2029)
EMBEDDINGS = range(0x202A, 0x202F)
ISOLATES = range(0x2066, 0x206A)
JOINERS = range(0x200C, 0x2010)
FORMULAS = "=+-@＝＋－＠"


def refused_in_lines() -> list[Case]:
    """Every character that neither a name nor a postcode may hold, inside it and at its beginning."""
    inside = [*map(chr, [*CONTROLS, *LINE_BREAKS, *EMBEDDINGS, *ISOLATES]), *"<>{}\ufffd", "://"]
    return [
        *(bad(f"name-{_code(c)}", "refused inside a name", name=f"An{c}n") for c in inside),
        *(bad(f"postcode-{_code(c)}", "refused inside a postcode", postcode=f"00{c}1") for c in inside),
        *(bad(f"name-start-{_code(c)}", "refused at the beginning", name=f"{c}Ann") for c in FORMULAS),
        *(bad(f"postcode-start-{_code(c)}", "refused at the beginning", postcode=f"{c}1") for c in FORMULAS),
        *(bad(f"name-blank-{_code(c)}", "still first once trimmed", name=f"\u00a0 {c}Ann") for c in FORMULAS),
    ]


def refused_in_prose() -> list[Case]:
    controls = [code for code in CONTROLS if chr(code) not in "\n\t"]
    return [
        bad(f"{where}-{_code(c)}", "refused in prose", **{where: f"one{c}two"}, at=where)
        for where in ("comment", "letter")
        for c in (*map(chr, [*controls, *EMBEDDINGS]), "\ufffd")
    ]


def _code(text: str) -> str:
    return "+".join(f"U{ord(c):04X}" for c in text)


ACCEPTED = [
    *(ok(f"name-{code:04X}", "joiners and marks are needed", name=f"An{chr(code)}n") for code in JOINERS),
    *(ok(f"name-inside-{_code(c)}", "only refused as the first", name=f"An{c}n") for c in FORMULAS),
    ok("name-one", "one letter is a name", name="X"),
    ok("name-200", "as long as a name may be", name="a" * 200, store={"name": "a" * 200}),
    ok("name-200-astral", "characters are counted, not bytes or surrogates", name="𐍈" * 200, store={"name": "𐍈" * 200}),
    ok("name-200-nfd", "counted once composed", name="e\u0301" * 200, store={"name": "é" * 200}),
    ok("name-nfc", "stored composed", name="Jose\u0301", store={"name": "José"}),
    ok("name-trim", "trimmed of blanks of every width", name="\u3000 Ann\u00a0B \t", store={"name": "Ann\u00a0B"}),
    ok("name-inner", "inner blanks are kept as typed", name="Ann  B", store={"name": "Ann  B"}),
    ok("name-quotes", "quotes and entities are text", name="O'Neil \"&amp;\"", store={"name": "O'Neil \"&amp;\""}),
    ok("name-colon", "a colon and a slash are no link", name="Ann c/o Bob: x", store={"name": "Ann c/o Bob: x"}),
    ok("postcode-16", "as long as it may be", postcode="1234567890123456", store={"postcode": "1234567890123456"}),
    ok("postcode-trim", "trimmed", postcode=" 00184 ", store={"postcode": "00184"}),
    ok("postcode-zero", "a leading zero is kept", postcode="01067", store={"postcode": "01067"}),
    ok("postcode-none", "it is optional", postcode=None, store={"postcode": ""}),
    ok("comment-none", "it is optional", comment=None, store={"comment": ""}),
    ok("comment-2000", "as long as it may be", comment="c" * 2000, store={"comment": "c" * 2000}),
    ok("comment-crlf", "CRLF counts as one", comment="c\r\n" * 1000, store={"comment": "c\n" * 1000}),
    ok("comment-tab", "tab and line feed are text", comment="\ta\n\n b ", store={"comment": "\ta\n\n b "}),
    ok("comment-html", "markup is text", comment="<b>x</b> {{config}}", store={"comment": "<b>x</b> {{config}}"}),
    ok("comment-formula", "a formula is text", comment="=1+1", store={"comment": "=1+1"}),
    ok("comment-isolate", "isolates belong to bidirectional prose", comment="\u2067שלום\u2069"),
    ok("comment-blank", "only blanks are nothing", comment=" \r\n\t ", store={"comment": ""}),
    ok("letter-10000", "as long as it may be", letter="l" * 10_000, store={"letter": "l" * 10_000}),
    ok("letter-crlf", "CRLF counts as one", letter="l\r\n" * 5000, store={"letter": "l\n" * 5000}),
    ok("letter-blank", "only blanks are the standard letter", letter=" \r\n ", store={"letter": ""}),
    ok("country-lower", "any case", country="it", store={"country": "IT"}),
    ok("country-mixed", "any case", country="nO", store={"country": "NO"}),
    ok("country-kosovo", "XK is on the list, in any case", country="xk", store={"country": "XK"}),
    ok("email-trim", "trimmed", email="  trimmed@own.example.org ", store={"email": "trimmed@own.example.org"}),
    ok("email-case", "kept as typed", email="Ann.B@OWN.example.org", store={"email": "Ann.B@own.example.org"}),
    ok("email-idn", "a domain in its own script", email="ann@пример.example", store={"email": "ann@пример.example"}),
    ok("email-utf8", "in its own script", email="анна@own.example.org", store={"email": "анна@own.example.org"}),
    ok("tick-both", "both ticks", show_name="yes", updates="yes", store={"show_name": True, "updates": True}),
    ok("tick-none", "no tick", store={"show_name": False, "updates": False}),
    ok("unknown", "unknown fields are ignored", role="admin", state="confirmed", public_id="1", _method="DELETE"),
    ok("website-empty", "an empty trap catches nobody", website=""),
    ok("version-junk", "a version that is none is the current one", letter_version="1e9"),
    ok("version-huge", "a version that is none is the current one", letter_version="9" * 400),
]  # fmt: skip

REFUSED = [
    bad("name-missing", "required", name=None),
    bad("name-blank", "blanks are no name", name=" \u3000\t "),
    bad("name-digits", "at least one letter", name="12345"),
    bad("name-joiner", "at least one letter", name="\u200d\u200d"),
    bad("name-emoji", "at least one letter", name="🕊️"),
    bad("name-201", "one too long", name="a" * 201),
    bad("name-100k", "answered in under a second", name="a " * 50_000),
    bad("postcode-17", "one too long", postcode="1" * 17),
    bad("comment-2001", "one too long", comment="c" * 2001),
    bad("comment-crlf-2001", "one too long when CRLF is one", comment="c\r\n" * 1000 + "c"),
    bad("comment-cr", "a bare CR is a control", comment="a\rb"),
    bad("letter-10001", "one too long", letter="l" * 10_001, at="letter"),
    bad("letter-300k", "far too long", letter="l" * 300_000, at="letter"),
    bad("country-uk", "the code is GB", country="UK"),
    bad("country-eu", "no country", country="EU"),
    bad("country-none", "required", country=None),
    bad("country-full-width", "the form sends codes", country="ＩＴ"),
    bad("country-dotless", "no other letter becomes one of a code", country="ıt"),
    bad("country-ligature", "no other letter becomes one of a code", country="ﬁ"),
    bad("email-none", "required", email=None),
    bad("email-blank", "required", email="  "),
    bad("email-no-at", "no address", email="ann.example.org"),
    bad("email-display", "no display name", email="Ann <ann@own.example.org>"),
    bad("email-literal", "no address literal", email="ann@[127.0.0.1]"),
    bad("email-no-dot", "no host name", email="ann@localhost"),
    bad("email-long-local", "64 at most", email="a" * 65 + "@own.example.org"),
    bad("email-long", "254 at most", email="a" * 60 + "@" + ("d" * 60 + ".") * 3 + "g" * 20),
    bad("email-two", "one address", email="a@own.example.org b@own.example.org"),
    bad("email-tab", "no control", email="a\tb@own.example.org"),
    bad("email-100k", "answered in under a second", email="@" * 100_000),
    bad("consent-missing", "no consent, no signature", consent=None, at="consent"),
    bad("consent-on", "only `yes` is a yes", consent="on", at="consent"),
    bad("consent-true", "only `yes` is a yes", consent="true", at="consent"),
    bad("consent-empty", "only `yes` is a yes", consent="", at="consent"),
    bad("consent-no", "only `yes` is a yes", consent="no", at="consent"),
    *(
        bad(f"{name}-twice", "a known field sent twice", **{name: [value, value]}, at=name)
        for name, value in (
            ("name", "Ann"),
            ("email", "twice@own.example.org"),
            ("country", "IT"),
            ("postcode", "1"),
            ("comment", "x"),
            ("letter", "x"),
            ("show_name", "yes"),
            ("updates", "yes"),
            ("consent", "yes"),
        )
    ),
]  # fmt: skip
