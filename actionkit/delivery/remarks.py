"""What mail servers say, as it is kept and shown to staff."""

from __future__ import annotations

import re

LONGEST = 280


def without_addresses(remark: bytes | str) -> str:
    """The remark in one line, with addresses taken out."""
    text = remark.decode("utf-8", "replace") if isinstance(remark, bytes) else remark
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return re.sub(r"\S+@\S+", "<address>", text)[:LONGEST]
