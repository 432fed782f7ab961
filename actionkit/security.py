"""Who may send us what: signed tokens, the origin of posts, readable requests, response headers."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

from flask import Flask, Response, current_app, request
from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode, base64_encode
from werkzeug.exceptions import BadRequest, Forbidden, NotFound, RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from config import LOOPBACK_HOSTS, Config

V = TypeVar("V", bound=Callable[..., Any])

LARGEST_REQUEST = 1_000_000
"""Bytes of a request's body, on every route that does not say otherwise."""
MOST_FIELDS = 1_000
LONGEST_TOKEN = 200

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


# ---------------------------------------------------------------- tokens


@dataclass(frozen=True)
class Token:
    """What a genuine token says."""

    public_id: str
    issued_at: dt.datetime

    def is_older_than(self, age: dt.timedelta, at: dt.datetime) -> bool:
        return at - self.issued_at > age


def _signer(purpose: str) -> Signer:
    keys = [*reversed(current_app.config["SECRET_KEY_FALLBACKS"]), current_app.config["SECRET_KEY"]]
    return Signer(keys, salt=f"actionkit.{purpose}", key_derivation="hmac", digest_method=hashlib.sha256)


def make_token(purpose: str, public_id: str, issued_at: dt.datetime) -> str:
    """A link's secret part: signed over purpose, id and time (whole seconds).

    Nothing is stored, and the same three give the same token, so that a mail rendered twice
    carries the same link.
    """
    return _signer(purpose).sign(f"{public_id}.{int(issued_at.timestamp()):x}").decode()


def read_token(purpose: str, token: str) -> Token:
    """The token's content. Raises `NotFound` for one that is forged or made for another purpose."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise NotFound
    try:
        signature = token.rpartition(".")[2].encode()
        # Base64 has spare bits at its end: without this several spellings would be one signature.
        if base64_encode(base64_decode(signature)) != signature:
            raise NotFound
        public_id, seconds = _signer(purpose).unsign(token).decode().split(".")
        return Token(public_id, dt.datetime.fromtimestamp(int(seconds, 16), dt.UTC))
    except (BadData, ValueError):
        raise NotFound from None


TAG_BYTES = 10
"""80 bits: nobody tries so many addresses by mail, and a local part has to end at 64 octets."""


def make_tag(purpose: str, public_id: str) -> str:
    """The secret part of a mail address: 16 characters that mean the same in any case."""
    return _tag(_signer(purpose), _signer(purpose).secret_keys[-1], public_id)


def is_genuine_tag(purpose: str, public_id: str, tag: str) -> bool:
    """Whether the tag was made for this purpose and id, with the present key or an older one."""
    signer = _signer(purpose)
    return any(hmac.compare_digest(_tag(signer, key, public_id), tag.lower()) for key in signer.secret_keys)


def _tag(signer: Signer, key: bytes, public_id: str) -> str:
    signature = signer.algorithm.get_signature(signer.derive_key(key), public_id.encode())
    return base64.b32encode(signature[:TAG_BYTES]).decode().lower()


# ---------------------------------------------------------------- clients

IPAddress = IPv4Address | IPv6Address


def client_address() -> IPAddress:
    """The client's address; an IPv4 address is one, in whatever notation. Unknown: 0.0.0.0.

    `ProxyFix` has replaced the address of the connection by the one that our own proxies vouch for.
    """
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        return IPv4Address(0)
    return (address.version == 6 and address.ipv4_mapped) or address


def network_of(address: IPAddress) -> bytes:
    """What one person can have at will: an IPv4 address, or the /64 of an IPv6 one."""
    return address.packed if address.version == 4 else address.packed[:8] + bytes(8)


# ---------------------------------------------------------------- requests


def _refuse_unreadable() -> None:
    """400 for bytes that are no UTF-8, and for NUL, in path, query or cookies (RFC 3986, 2.5)."""
    environ = request.environ
    for raw in (
        environ.get("PATH_INFO", "").encode("latin-1", "replace"),
        unquote_to_bytes(environ.get("QUERY_STRING", "").encode("latin-1", "replace")),
        environ.get("HTTP_COOKIE", "").encode("latin-1", "replace"),
    ):
        if not _is_text(raw):
            raise BadRequest


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in raw


def _refuse_foreign_origin() -> None:
    """403 for a post from another site's page.

    `Sec-Fetch-Site` cannot be set by a page's script and needs no list of our names. Where it
    is absent, `Origin` decides; with neither, the client is no browser that another site could
    misuse. See docs/decisions/0001-stateless-public-forms.md.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise Forbidden
        return
    origin = request.headers.get("Origin")
    if origin is None:
        return
    config: Config = current_app.config["ACTIONKIT"]
    ours = urlsplit(config.base_url)
    if origin not in (f"{request.scheme}://{request.host}", f"{ours.scheme}://{ours.netloc}"):
        raise Forbidden


def read_form() -> None:
    """Refuse a body that is no form in UTF-8, before anything parses it.

    Werkzeug would keep bytes that are no UTF-8 as percent codes; a name must not be stored so.
    Raises 415 for another type, 413 for too much, 400 for what cannot be read.
    """
    mimetype, length = request.mimetype, request.content_length
    is_empty = not mimetype and not length  # which is a form without fields
    if mimetype not in FORM_TYPES and not is_empty:
        raise UnsupportedMediaType
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType
    try:
        raw = request.get_data(cache=True)
    except OSError:  # the server's, for a chunked body that is garbage
        raise BadRequest from None
    if length is None and len(raw) >= LARGEST_REQUEST:
        raise RequestEntityTooLarge
    if length is not None and len(raw) != length:
        raise BadRequest  # cut off on its way: half a comment is not what she wrote
    if mimetype == "application/x-www-form-urlencoded":
        if raw.count(b"&") >= MOST_FIELDS:
            raise RequestEntityTooLarge
        raw = unquote_to_bytes(raw)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest from None


def _refuse_foreign_host() -> None:
    """400 for a Host that is none of ours, in production: no page or cache should speak for it.

    (Flask's own TRUSTED_HOSTS refuses before there is a URL map to draw the error page with.)
    """
    config: Config = current_app.config["ACTIONKIT"]
    if config.is_production and not host_is_trusted(request.environ.get("HTTP_HOST"), our_hosts(config)):
        raise BadRequest


def our_hosts(config: Config) -> list[str]:
    """The names under which a browser may ask for us in production."""
    return [urlsplit(config.base_url).hostname or "", *LOOPBACK_HOSTS]


def takes(most_bytes: int) -> Callable[[V], V]:
    """The view takes bodies of so many bytes: files. It stands nearest to the function, below its rule."""

    def decorate(view: V) -> V:
        view.largest_request = most_bytes  # type: ignore[attr-defined]
        return view

    return decorate


def largest_request() -> int:
    """Bytes that the view of this request takes."""
    view = current_app.view_functions.get(request.endpoint or "")
    return int(getattr(view, "largest_request", LARGEST_REQUEST))


def _guard_request() -> None:
    request.max_content_length = largest_request()
    _refuse_foreign_host()
    _refuse_unreadable()
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        _refuse_foreign_origin()


# ---------------------------------------------------------------- responses


_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
_HTTPS_ALONE = ("Strict-Transport-Security", "max-age=31536000")


def _add_headers(response: Response) -> Response:
    """What every answer says, where the view has not said it in its own way."""
    is_https = current_app.config["ACTIONKIT"].base_url.startswith("https://")
    said = {name.lower() for name, _value in response.headers}
    for name, value in (*_HEADERS, _HTTPS_ALONE) if is_https else _HEADERS:
        if name.lower() not in said:
            response.headers.add(name, value)
    return response


def keep_private(response: Response) -> Response:
    """For pages with a token in their address or a person's data in them: no cache, no leak.

    `same-origin` and not `no-referrer`: with the latter Chromium posts `Origin: null`.
    """
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def init_app(app: Flask) -> None:
    config: Config = app.config["ACTIONKIT"]
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.config["MAX_FORM_MEMORY_SIZE"] = LARGEST_REQUEST
    app.config["MAX_FORM_PARTS"] = MOST_FIELDS
    if config.trusted_proxies:
        # Only the address and the scheme: the host is the configured one, whatever a header says.
        n = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=n, x_proto=n, x_host=0)  # type: ignore[method-assign]
    app.before_request(_guard_request)
    app.after_request(_add_headers)


def path_of(endpoint: str, **values: str) -> str:
    """The path of a view, in a request or, for a mail, outside of one."""
    return str(current_app.url_map.bind("localhost").build(endpoint, values))


def absolute_url(path: str) -> str:
    """The public address of one of our paths. The Host header has no part in it."""
    base: Any = current_app.config["ACTIONKIT"].base_url
    return f"{base}{path}"
