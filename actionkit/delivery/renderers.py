"""What a feature hands over for a row of the ledger: a mail, or the reason why there is none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Item:
    """A claimed row of the ledger, as its renderer sees it.

    `first_tried_at` is the same at every try: what counts from the mail's date counts from it.
    """

    id: int
    public_id: str
    kind: str
    subject_id: int
    recipient_key: str
    group_key: str
    created_at: dt.datetime
    first_tried_at: dt.datetime
    attempts: int
    is_maybe_twice: bool
    give_up_at: dt.datetime | None = None
    """Put off after this moment, it fails; None = it has not been put off yet."""


@dataclass(frozen=True)
class Attachment:
    """A file that goes with a mail."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Mail:
    """A finished message to one recipient.

    `to` and `reply_to` are (name or "", address) as stored; delivery makes headers and
    envelopes of them. `text` uses LF; `headers` holds what goes beyond the usual ones.
    """

    to: tuple[str, str]
    subject: str
    text: str
    language: str
    html: str = ""
    reply_to: tuple[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()


class NotToBeSent(Exception):
    """The cause is gone (withdrawn, erased, already done): the row is cancelled, with this reason."""


class CannotBeSent(Exception):
    """Something is missing that a person can mend: the row is frozen, with this reason."""


Renderer = Callable[[Item], Mail]
"""Renders an item. Reads the database, never writes it, and gives the same mail at every try."""
