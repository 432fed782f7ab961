"""E-mail addresses: email-validator behind one door.

No look-up leaves the machine: a name server that is down must not stop a signature.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_IS_ITS_OWN_ENVELOPE = re.compile(rf"{_ATOM}(\.{_ATOM})*@[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII)
"""A dot-atom at a domain in lower case (RFC 5321 4.1.2): what nearly every stored address is."""
LONGEST = 254
"""Characters of an address (RFC 5321 4.5.3.1.3, less the two angle brackets)."""


class AddressInvalid(ValueError):
    """The text is no e-mail address that mail can be sent to. Its text never holds the address."""


def _parse(text: str) -> ValidatedEmail:
    if len(text) > LONGEST:
        raise AddressInvalid("too long")
    try:
        return validate_email(text, check_deliverability=False, strict=True)
    except EmailNotValidError:
        raise AddressInvalid("not an address") from None


@dataclass(frozen=True)
class Address:
    """An address as it is stored and shown, and what makes two spellings one person."""

    normal: str
    canonical: str


def read(text: str) -> Address:
    """Both forms at once: see `normalise` and `canonical`. Raises `AddressInvalid`."""
    parsed = _parse(text)
    return Address(parsed.normalized, _canonical(parsed))


def normalise(text: str) -> str:
    """The address as it is stored and shown: NFC, domain in lower case and in its own script.

    Raises `AddressInvalid`: display names, quoted local parts, comments, address literals,
    control characters and several addresses are none.
    """
    return _parse(text).normalized


def canonical(address: str) -> str:
    """What makes two spellings one person: lower case, NFC, the domain as A-labels (RFC 5890)."""
    return _canonical(_parse(address))


def _canonical(parsed: ValidatedEmail) -> str:
    return f"{unicodedata.normalize('NFC', parsed.local_part.lower())}@{parsed.ascii_domain.lower()}"


def for_envelope(address: str) -> str:
    """The address as SMTP takes it: the domain as A-labels, the local part as it is.

    What is still not ASCII needs a relay with SMTPUTF8 (RFC 6531).
    """
    if len(address) <= LONGEST and _IS_ITS_OWN_ENVELOPE.fullmatch(address):
        return address
    parsed = _parse(address)
    return f"{parsed.local_part}@{parsed.ascii_domain}"
