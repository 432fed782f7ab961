"""Signing what leaves, in the name of a domain (DKIM, RFC 6376), and the keys for it.

For those whose mail server does not sign itself. dkimpy brings the bytes into the one form in which they
are compared, `cryptography` signs: with RSA ten times as fast as dkimpy would, and Ed25519 (RFC 8463).
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import dkim as dkimpy
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from dkim.canonicalization import CanonicalizationPolicy
from flask import current_app

from config import Config, DkimKey, read_dkim_key

RSA_BITS = 2048
_POLICY = b"relaxed/relaxed"
"""Blanks and folding may change under way, as some mail servers do it; no word may."""
_TWICE = (b"from", b"to", b"subject", b"date", b"reply-to", b"message-id")
"""Named once more than they are there, so that nobody can add another one (RFC 6376 8.15)."""
_SIGNED = (
    *_TWICE,
    *(b"mime-version", b"content-type", b"content-transfer-encoding", b"content-language"),
    *(b"auto-submitted", b"list-unsubscribe", b"list-unsubscribe-post"),  # RFC 8058 4
)


class CannotSign(Exception):
    """The message cannot be signed, for a reason of ours that never holds anything of the message."""


def is_on() -> bool:
    """Whether what leaves is signed here."""
    config: Config = current_app.config["ACTIONKIT"]
    return config.dkim_key_file is not None


def signed(raw: bytes) -> bytes:
    """The message with its signature on top, over these bytes as they leave; as it is where nothing is set.

    Raises `CannotSign`.
    """
    config: Config = current_app.config["ACTIONKIT"]
    if config.dkim_key_file is None:
        return raw
    try:
        key = _kept(config.dkim_key_file, config.dkim_key_file.stat().st_mtime_ns)
        return _signature(raw, key, config.dkim_domain.encode(), config.dkim_selector.encode()) + raw
    except OSError as error:
        raise CannotSign(f"the DKIM key cannot be read ({error.strerror})") from None
    except Exception as error:
        raise CannotSign(f"the DKIM signature fails ({type(error).__name__}: see ACTIONKIT_DKIM_KEY_FILE)") from None


@lru_cache(4)
def _kept(file: Path, _changed: int) -> DkimKey:
    return read_dkim_key(file)


def _signature(raw: bytes, key: DkimKey, domain: bytes, selector: bytes) -> bytes:
    """The header `DKIM-Signature`, with its CRLF."""
    headers, body = dkimpy.rfc822_parse(raw)
    policy = CanonicalizationPolicy.from_c_value(_POLICY)
    there = [name.lower() for name, _value in headers]
    names = [name for name in _SIGNED for _ in range(there.count(name) + (name in _TWICE))]
    fields = {
        b"v": b"1",
        b"a": b"rsa-sha256" if isinstance(key, rsa.RSAPrivateKey) else b"ed25519-sha256",
        b"c": _POLICY,
        b"d": domain,
        b"s": selector,
        b"t": str(int(time.time())).encode(),
        b"h": b" : ".join(names),
        b"bh": base64.b64encode(hashlib.sha256(policy.canonicalize_body(body)).digest()),
        b"b": b"",
    }
    value = b"; ".join(b"=".join(field) for field in fields.items())
    value = dkimpy.fold(value, namelen=len(b"DKIM-Signature"), linesep=b"\r\n")
    said = _Said()
    header = (b"DKIM-Signature", b" " + value)
    dkimpy.hash_headers(said, policy, policy.canonicalize_headers(headers), names, header, fields)
    if isinstance(key, rsa.RSAPrivateKey):
        written = key.sign(bytes(said), padding.PKCS1v15(), hashes.SHA256())
    else:
        written = key.sign(hashlib.sha256(bytes(said)).digest())  # RFC 8463 3
    text = base64.b64encode(written)
    lines = b"\r\n\t".join(text[at : at + 70] for at in range(0, len(text), 70))
    return b"DKIM-Signature: " + value + b"\r\n\t" + lines + b"\r\n"


class _Said(bytearray):
    """What dkimpy would hash, kept as it is: `cryptography` hashes it."""

    update = bytearray.extend


# ---------------------------------------------------------------- keys


@dataclass(frozen=True)
class Record:
    """What a name server has to say, in a TXT record."""

    name: str
    text: str

    def __str__(self) -> str:
        """As a line of a zone file: in strings of 255 characters at most (RFC 1035 3.3.14)."""
        parts = " ".join(f'"{self.text[at : at + 250]}"' for at in range(0, len(self.text), 250))
        return f"{self.name}. IN TXT ( {parts} )"


def record_of(key: DkimKey, domain: str, selector: str) -> Record:
    """The public half of a key, as receivers look it up (RFC 6376 3.6.1, RFC 8463 4)."""
    public: Any = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        kind = "rsa"
        raw = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    else:
        kind = "ed25519"
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return Record(f"{selector}._domainkey.{domain}", f"v=DKIM1; k={kind}; p={base64.b64encode(raw).decode()}")


def own_record() -> Record | None:
    """The record of this installation's key; None where it signs nothing. Raises `ValueError`, `OSError`."""
    config: Config = current_app.config["ACTIONKIT"]
    if config.dkim_key_file is None:
        return None
    return record_of(read_dkim_key(config.dkim_key_file), config.dkim_domain, config.dkim_selector)


def make_key(file: Path, *, is_ed25519: bool = False) -> DkimKey:
    """Make a key pair and keep it in a new file that only its owner can read. Raises `OSError`."""
    key: DkimKey
    key = ed25519.Ed25519PrivateKey.generate() if is_ed25519 else rsa.generate_private_key(65537, RSA_BITS)
    raw = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(raw)
    return key
