"""What mail servers say, as it is kept and shown to staff."""

from __future__ import annotations

import re

LONGEST = 280
_ADDRESS = re.compile(r"\S+@\S+")


def without_addresses(remark: bytes | str) -> str:
    """The remark in one line, with addresses taken out."""
    text = remark.decode("utf-8", "replace") if isinstance(remark, bytes) else remark
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(text.split())
    return (_ADDRESS.sub("<address>", text) if "@" in text else text)[:LONGEST]
