"""Addresses of ours that name a row of the ledger: where reports and answers about it come in.

A mailbox `bounces@example.org` receives for `bounces+<public id>.<tag>@example.org` too (RFC 5233).
As the envelope's sender of a mail it gets whatever report there is about it, from whichever server and
in whatever format (VERP); as its Reply-To it gets the answer. The tag is keyed, so that nobody can
report or answer what was not sent to him.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from flask import current_app

from actionkit.security import is_genuine_tag, make_tag


class Use(StrEnum):
    """What an address is for, which is also the purpose of its tag."""

    BOUNCE = "bounce"
    REPLY = "reply"


@dataclass(frozen=True)
class Found:
    """An address of ours that a mail came to. Where the tag is no genuine one `is_genuine` is False."""

    use: Use
    public_id: str
    is_genuine: bool


def of(public_id: str) -> str:
    """The envelope's sender of this mail, or "" where no bounce address is set."""
    return _address(Use.BOUNCE, public_id)


def reply_address(public_id: str) -> str:
    """Where an answer to this mail reaches us, or "" where no reply address is set."""
    return _address(Use.REPLY, public_id)


def takes_bounces() -> bool:
    """Whether reports come to addresses that name the mail."""
    return bool(_mailbox(Use.BOUNCE))


def takes_replies() -> bool:
    """Whether answers can come through us."""
    return bool(_mailbox(Use.REPLY))


def _mailbox(use: Use) -> str:
    config = current_app.config["ACTIONKIT"]
    return str(config.mail_bounce_address if use is Use.BOUNCE else config.mail_reply_address)


def _address(use: Use, public_id: str) -> str:
    local, _at, domain = _mailbox(use).rpartition("@")
    return f"{local}+{public_id}.{make_tag(use, public_id)}@{domain}" if local else ""


def find(texts: Iterable[str]) -> list[Found]:
    """The tagged addresses of ours in these texts (headers, an envelope's recipient), in any case."""
    known = list(texts)
    found: dict[tuple[Use, str], Found] = {}
    for use in Use:
        local, _at, domain = _mailbox(use).rpartition("@")
        if not local:
            continue
        mailbox, host = re.escape(local), re.escape(domain)
        ours = re.compile(rf"\b{mailbox}\+([0-9a-f]{{32}})\.([a-z2-7]{{16}})@{host}(?![\w.-])", re.IGNORECASE)
        for text in known:
            for match in ours.finditer(text):
                public_id = match[1].lower()
                is_genuine = is_genuine_tag(use, public_id, match[2])
                # A genuine one wins over a forged one for the same mail.
                if is_genuine or (use, public_id) not in found:
                    found[use, public_id] = Found(use, public_id, is_genuine)
    return list(found.values())
