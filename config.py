"""Every setting of actionkit, named once, typed and checked.

Settings come from environment variables that begin with ``ACTIONKIT_``, or from a
``.env`` file in the working directory; the environment wins. `Config.from_env` refuses
what it cannot read with a `SettingError` that names the variable.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from email.utils import parseaddr
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from dotenv import dotenv_values

T = TypeVar("T")

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
MODES = ("development", "production")
SECOND_FACTOR_FOR = ("nobody", "admins", "everyone")
SHORTEST_SECRET = 32
"""Characters. 256 bits in hexadecimal are 64; half of that is the least we accept."""

SHORTEST_RSA_KEY = 2048
"""Bits. Large receivers take less for no signature at all."""

DkimKey = RSAPrivateKey | Ed25519PrivateKey

_DOMAIN = re.compile(r"([A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]+")
_LIMIT = re.compile(r"(\d+) per (?:(\d+) )?(second|minute|hour|day)s?")
_MAILBOX = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,12}[A-Za-z0-9])?@([A-Za-z0-9-]+\.)*[A-Za-z0-9-]+")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


class SettingError(ValueError):
    """A setting that cannot be read, or that production refuses. One line, for people."""


@dataclass(frozen=True)
class Limit:
    """At most `count` in `seconds`."""

    count: int
    seconds: int


@dataclass(frozen=True)
class Config:
    """The settings. Field names are those of the variables, without the prefix."""

    mode: str = "development"
    instance: Path = Path("instance")
    database_url: str = ""
    broker_url: str = "memory://"
    secret_key: str = field(default="", repr=False)
    secret_key_fallbacks: tuple[str, ...] = field(default=(), repr=False)
    base_url: str = ""
    mail_server: str = ""
    mail_port: int = 25
    mail_use_tls: bool = False
    mail_use_ssl: bool = False
    mail_ca_file: str = ""
    mail_username: str = ""
    mail_password: str = field(default="", repr=False)
    mail_default_sender: str = ""
    mail_bounce_address: str = ""
    mail_reply_address: str = ""
    dkim_domain: str = ""
    dkim_selector: str = ""
    dkim_key_file: Path | None = None
    incoming_maildir: Path | None = None
    incoming_imap_server: str = ""
    incoming_imap_port: int = 993
    incoming_imap_use_ssl: bool = True
    incoming_imap_username: str = ""
    incoming_imap_password: str = field(default="", repr=False)
    incoming_imap_folder: str = "INBOX"
    incoming_days: int = 30
    trusted_proxies: int = 0
    sign_limit: Limit | None = Limit(30, 300)
    sign_limit_sustained: Limit | None = Limit(300, 86_400)
    letters_per_official_per_hour: int = 30
    worker_senders: int = 4
    require_second_factor: str = ""
    lease_seconds: int = 60
    page_cache_seconds: int = 5
    memory_seconds: int = 2
    port: int = 8000
    """Where `actionkit run` listens: the variable PORT, without a prefix, as hosts set it."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Read the settings; `environ` replaces the process's environment and ``.env``.

        Makes the instance folder, and in development the secret key in it. Raises
        `SettingError` for a value that cannot be read. Does not judge whether the
        settings are safe: see `unsafe`.
        """
        if environ is None:
            environ = {**{k: v or "" for k, v in dotenv_values(".env").items()}, **os.environ}
        given = {f.name: environ.get(f"ACTIONKIT_{f.name.upper()}", "").strip() for f in fields(cls)}
        given["port"] = environ.get("PORT", "").strip()
        values: dict[str, Any] = {k: _read(k, v) for k, v in given.items() if v}

        mode = values.get("mode", cls.mode)
        instance = Path(values.get("instance", cls.instance)).resolve()
        values["instance"] = instance
        values.setdefault("database_url", f"sqlite:///{instance / 'actionkit.db'}")
        values.setdefault("base_url", f"http://127.0.0.1:{values.get('port', cls.port)}")
        if mode == "development":
            values.setdefault("mail_default_sender", "noreply@localhost")
            if "secret_key" not in values:
                values["secret_key"] = _kept_secret(instance / "secret_key")
        return cls(**values)

    @property
    def is_production(self) -> bool:
        return self.mode == "production"

    @property
    def second_factor_for(self) -> str:
        """Who must have a second factor behind the desk: "nobody", "admins" or "everyone"."""
        return self.require_second_factor or ("admins" if self.is_production else "nobody")

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def database_file(self) -> Path:
        """The file of a SQLite database."""
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def mail_folder(self) -> Path | None:
        """Where mails are written as files, or None when a relay sends them."""
        return None if self.mail_server else self.instance / "mail"

    def unsafe(self) -> list[str]:
        """What production must not run with, a line each; empty when all is well."""
        if not self.is_production:
            return []
        faults = []
        if len(self.secret_key) < SHORTEST_SECRET:
            faults.append(
                f"ACTIONKIT_SECRET_KEY must be set to at least {SHORTEST_SECRET} random characters "
                "(python3 -c 'import secrets; print(secrets.token_hex(32))' makes one)"
            )
        base = urlsplit(self.base_url)
        if base.scheme != "https" and base.hostname not in LOOPBACK_HOSTS:
            faults.append("ACTIONKIT_BASE_URL must begin with https:// unless its host is this machine")
        if not self.mail_default_sender:
            faults.append("ACTIONKIT_MAIL_DEFAULT_SENDER must be set: letters need a sender of your own domain")
        is_encrypted = self.mail_use_tls or self.mail_use_ssl or self.mail_server in LOOPBACK_HOSTS
        if self.mail_password and not is_encrypted:
            faults.append("ACTIONKIT_MAIL_USE_TLS must be set: the password would cross the network in clear")
        is_mailbox_safe = self.incoming_imap_use_ssl or self.incoming_imap_server in ("", *LOOPBACK_HOSTS)
        if not is_mailbox_safe:
            faults.append("ACTIONKIT_INCOMING_IMAP_USE_SSL must be on: the password would cross the network in clear")
        faults += self.dkim_faults()
        if self.is_sqlite:
            file = self.database_file
            if file.exists() and file.stat().st_mode & 0o007:
                faults.append(f"the database file {file.name} can be read by every user of this machine (chmod 640)")
        return faults

    def dkim_faults(self) -> list[str]:
        """Why mails could not be signed, or not so that others believe it; one line at most."""
        if not (self.dkim_domain or self.dkim_selector or self.dkim_key_file):
            return []
        if not (self.dkim_domain and self.dkim_selector and self.dkim_key_file):
            return ["ACTIONKIT_DKIM_DOMAIN, _SELECTOR and _KEY_FILE go together: set all of them or none"]
        try:
            if self.dkim_key_file.stat().st_mode & 0o007:
                return ["ACTIONKIT_DKIM_KEY_FILE can be read by every user of this machine (chmod 600)"]
            read_dkim_key(self.dkim_key_file)
        except OSError as error:
            return [f"ACTIONKIT_DKIM_KEY_FILE cannot be read ({error.strerror})"]
        except ValueError as fault:
            return [f"ACTIONKIT_DKIM_KEY_FILE {fault} (actionkit dkim key makes one)"]
        return []

    def refuse_unsafe(self) -> None:
        """Raise `SettingError` with all of `unsafe` in one line."""
        if faults := self.unsafe():
            raise SettingError("unsafe settings: " + "; ".join(faults))

    def to_flask(self) -> dict[str, Any]:
        """The same settings under the names that Flask and its extensions know."""
        return {
            "ACTIONKIT": self,
            "SECRET_KEY": self.secret_key or secrets.token_hex(32),
            "SECRET_KEY_FALLBACKS": list(self.secret_key_fallbacks),
            "MAIL_SERVER": self.mail_server,
            "MAIL_PORT": self.mail_port,
            "MAIL_USE_TLS": self.mail_use_tls,
            "MAIL_USE_SSL": self.mail_use_ssl,
            "MAIL_USERNAME": self.mail_username or None,
            "MAIL_PASSWORD": self.mail_password or None,
            "MAIL_DEFAULT_SENDER": self.mail_default_sender,
        }


def _read(name: str, text: str) -> Any:
    reader: Callable[[str], Any] = _READERS.get(name, str)
    try:
        return reader(text)
    except ValueError as fault:
        variable = "PORT" if name == "port" else f"ACTIONKIT_{name.upper()}"
        raise SettingError(f"{variable}: {fault}") from None


def _whole(least: int, most: int = 10**6) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most} is needed, not {text!r}")
        return int(text)

    return read


def _yes_no(text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in known:
        raise ValueError(f"yes or no is needed, not {text!r}")
    return known[text.lower()]


def _mode(text: str) -> str:
    if text not in MODES:
        raise ValueError(f"one of {', '.join(MODES)} is needed, not {text!r}")
    return text


def _second_factor(text: str) -> str:
    if text not in SECOND_FACTOR_FOR:
        raise ValueError(f"one of {', '.join(SECOND_FACTOR_FOR)} is needed, not {text!r}")
    return text


def _base_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"an http:// or https:// address is needed, not {text!r}")
    return text.rstrip("/")


def _database_url(text: str) -> str:
    if not text.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("a URL that begins with sqlite:/// or postgresql+psycopg:// is needed")
    return text


def _limit(text: str) -> Limit | None:
    if text == "off":
        return None
    if not (found := _LIMIT.fullmatch(text)):
        raise ValueError(f"'off' or a limit such as '30 per 5 minutes' is needed, not {text!r}")
    count, times, unit = found.groups()
    limit = Limit(int(count), int(times or 1) * _SECONDS[unit])
    if not 0 < limit.seconds <= _SECONDS["day"]:
        raise ValueError("the limit must be for a day at most: networks are told apart by a key of the day")
    return limit


def _sender(text: str) -> str:
    if "@" not in parseaddr(text)[1] or "\n" in text or "\r" in text:
        raise ValueError(f"an address such as 'Our campaign <noreply@example.org>' is needed, not {text!r}")
    return text


def _domain(text: str) -> str:
    if not _DOMAIN.fullmatch(text):
        raise ValueError(f"a domain such as 'example.org' is needed, not {text!r}")
    return text.lower()


def read_dkim_key(file: Path) -> DkimKey:
    """The private key in a PEM file. Raises `OSError`, and `ValueError` for what is no key or one too short."""
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("holds no private key in PEM, without a password") from None
    if isinstance(key, RSAPrivateKey):
        if key.key_size < SHORTEST_RSA_KEY:
            raise ValueError(f"is an RSA key of {key.key_size} bits; at least {SHORTEST_RSA_KEY} are needed")
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise ValueError("holds neither an RSA nor an Ed25519 key")


def _mailbox(text: str) -> str:
    """A mailbox that takes `name+whatever@domain`; 50 octets of the local part are ours (RFC 5321 4.5.3.1.1)."""
    if not _MAILBOX.fullmatch(text):
        raise ValueError(
            "an address such as 'bounces@example.org' is needed, with at most 14 ASCII letters, digits, "
            f"dots or dashes before the @, not {text!r}"
        )
    return text.lower()


_READERS: dict[str, Callable[[str], Any]] = {
    "mode": _mode,
    "instance": Path,
    "database_url": _database_url,
    "base_url": _base_url,
    "require_second_factor": _second_factor,
    "secret_key_fallbacks": lambda text: tuple(k for k in map(str.strip, text.split(",")) if k),
    "mail_port": _whole(1, 65535),
    "mail_use_tls": _yes_no,
    "mail_use_ssl": _yes_no,
    "mail_default_sender": _sender,
    "mail_bounce_address": _mailbox,
    "mail_reply_address": _mailbox,
    "dkim_domain": _domain,
    "dkim_selector": _domain,
    "dkim_key_file": Path,
    "incoming_maildir": Path,
    "incoming_imap_port": _whole(1, 65535),
    "incoming_imap_use_ssl": _yes_no,
    "incoming_days": _whole(1, 3650),
    "trusted_proxies": _whole(0, 10),
    "sign_limit": _limit,
    "sign_limit_sustained": _limit,
    "letters_per_official_per_hour": _whole(0),
    "worker_senders": _whole(1, 64),
    "lease_seconds": _whole(2, 3600),
    "page_cache_seconds": _whole(0, 3600),
    "memory_seconds": _whole(0, 60),
    "port": _whole(1, 65535),
}


def _kept_secret(file: Path) -> str:
    """The development key: made once, by whichever process comes first, readable by its owner."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".secret_key.{os.getpid()}.{secrets.token_hex(4)}")
    if not file.exists():
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(secrets.token_hex(32) + "\n")
        try:
            os.link(draft, file)  # atomic, and fails where another process was quicker
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text().strip()
