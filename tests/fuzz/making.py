"""Making requests that no browser would send, and some that one would. The same seed, the same requests."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from urllib.parse import quote

ODD = (
    "", "0", "-1", "1e3", str(2**63), "abc", "1 OR 1=1--", "' OR '1'='1", "%", "_", "\\", "../../etc/passwd", "..\\",
    "%2e%2e%2f", "%00", "%ff%fe", "\0", "a" * 300, "a" * 9_000, "{{7*7}}", "{{config}}", "${7*7}", "<script>", "🎉",
    "‮abc", "ı", "İ", "é", "é", "\r\nSet-Cookie: a=b", "%0d%0aX: y", "admin", "static", "italy-water?x", "..;/", ".",
    "//evil.example", "javascript:alert(1)", "true", "null", "[]", "nan", "\ud7ff", "\x1b[31m", "IT", "XK", "zz",
    "yes", "ann@example.org", "ANN@EXÄMPLE.org", "ann@", "@", "\"a b\"@example.org", "ann+x@gmail.com", "=1+1", "@SUM",
)  # fmt: skip
FIELDS = (
    *("name", "email", "country", "postcode", "comment", "letter", "show_name", "updates", "consent", "website"),
    *("letter_version", "seconds", "altcha", "decision", "List-Unsubscribe", "unknown"),
)
QUERY = ("lang", "program", "country", "year", "outcome", "page", "per_page", "q", "state", "next", "id", "utm_source")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "get")
POSTED = ("/sign", "/preview", "/<token>")
"""Ends of rules that take forms; they are posted to more often than anything else."""
TYPES = (
    *("application/x-www-form-urlencoded", "multipart/form-data; boundary=xx", "multipart/form-data"),
    *("application/json", "text/xml", "text/plain; charset=utf-16", "", "application/x-www-form-urlencoded; charset=x"),
)
HEADERS = {
    "Host": ("127.0.0.1", "evil.example", "", "a b", "[::1]", "xn--a"),
    "Origin": ("null", "https://evil.example", "http://127.0.0.1", "é"),
    "Sec-Fetch-Site": ("same-origin", "cross-site", "none", "x"),
    "Accept-Language": ("it", "x" * 5_000, "*;q=0", "it;q=abc"),
    "Accept-Encoding": ("gzip", "gzip;q=0", "*", "br", "gzip;q=x", ",,"),
    "If-None-Match": ('W/"x"', "*", '"', "x" * 3_000, 'W/"a", "b'),
    "If-Modified-Since": ("yesterday", "Tue, 32 Foo 2026 99:00:00 GMT"),
    "Range": ("bytes=0-1", "bytes=-", "x"),
    "Cookie": ("actionkit=x", "a=\xff", "=;=;", "x" * 4_000, "actionkit=.eJw; b"),
    "X-Forwarded-For": ("1.2.3.4", "::1, x", "é", ","),
    "X-Forwarded-Host": ("evil.example",),
    "X-HTTP-Method-Override": ("DELETE",),
    "Content-Encoding": ("gzip", "identity", "x"),
    "Transfer-Encoding": ("chunked", "gzip, chunked"),
}
_ARGUMENT = re.compile(r"<(?:\w+(?:\([^)]*\))?:)?\w+>")


@dataclass(frozen=True)
class Made:
    """A request in bytes; `is_wellformed` where HTTP itself leaves no doubt about it."""

    raw: bytes
    rule: str
    is_wellformed: bool


@dataclass
class Maker:
    """Makes requests to `rules`; `values` are words that are right somewhere: slugs, tokens."""

    rules: list[str]
    values: list[str]
    chance: random.Random
    _left: list[str] = field(default_factory=list)

    def odd(self) -> str:
        pick = self.chance.random()
        if pick < 0.4:
            return self.chance.choice(self.values)
        if pick < 0.9:
            return self.chance.choice(ODD)
        return "".join(
            chr(self.chance.choice((self.chance.randrange(32, 127), self.chance.randrange(1, 0xD7FF))))
            for _ in range(8)
        )

    def request(self) -> Made:
        # Each once, in an order of chance, before any comes again: so a short run asks all of them.
        self._left = self._left or self.chance.sample(self.rules, len(self.rules))
        rule = self._left.pop()
        target = _ARGUMENT.sub(lambda _m: self._in_path(), rule)
        if self.chance.random() < 0.05:
            target += self.chance.choice(("/", "//", ";x", "%", "?", "#x", "/.git", "\x7f"))
        if self.chance.random() < 0.4:
            target += "?" + "&".join(
                f"{self.chance.choice(QUERY)}={self._in_query()}" for _ in range(self.chance.randrange(1, 4))
            )
        usual = "POST" if rule.endswith(POSTED) else "GET"
        method = usual if self.chance.random() < 0.7 else self.chance.choice(METHODS)
        headers = {"Host": "127.0.0.1"}
        for _ in range(self.chance.randrange(0, 4)):
            name = self.chance.choice(list(HEADERS))
            headers[name] = self.chance.choice(HEADERS[name])
        body = b""
        if method in ("POST", "PUT", "PATCH"):
            headers["Content-Type"] = self.chance.choice(TYPES[:1] * 6 + TYPES)
            body = self._body(headers["Content-Type"])
            headers["Content-Length"] = str(len(body))
        is_wellformed = "Transfer-Encoding" not in headers
        if self.chance.random() < 0.02:
            headers["Content-Length"] = self.chance.choice(("-1", "x", "0", "99", "1e3"))
            is_wellformed = False
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        raw = head.encode("utf-8", "surrogatepass") + b"Connection: close\r\n\r\n" + body
        return Made(raw, rule, is_wellformed and target.isprintable() and " " not in target and len(target) < 4_000)

    def _in_path(self) -> str:
        word = self.odd()
        return word if self.chance.random() < 0.1 else quote(word.encode("utf-8", "surrogatepass"), safe="%")

    def _in_query(self) -> str:
        return quote(self.odd().encode("utf-8", "surrogatepass"), safe="%" if self.chance.random() < 0.5 else "")

    def _body(self, content_type: str) -> bytes:
        fields = {name: self.odd() for name in self.chance.sample(FIELDS, self.chance.randrange(0, len(FIELDS)))}
        if self.chance.random() < 0.5:
            fields |= {
                "name": "Ann",
                "email": f"a{self.chance.randrange(10**6)}@example.org",
                "country": "IT",
                "consent": "yes",
            }
        pairs = [(name, value.encode("utf-8", "surrogatepass")) for name, value in fields.items()]
        if self.chance.random() < 0.1:
            pairs += pairs[:1]
        if "json" in content_type:
            return json.dumps({name: value.decode("utf-8", "replace") for name, value in pairs}).encode()
        if "multipart" in content_type:
            parts = b"".join(
                b'--xx\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (n.encode(), v) for n, v in pairs
            )
            return parts + (b"--xx--\r\n" if self.chance.random() < 0.8 else b"")
        if self.chance.random() < 0.1:
            return self.chance.randbytes(self.chance.randrange(2_000))
        safe = "%" if self.chance.random() < 0.2 else ""
        return "&".join(f"{name}={quote(value, safe=safe)}" for name, value in pairs).encode()
