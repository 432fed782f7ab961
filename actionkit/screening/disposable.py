"""Addresses that are made for one use: whoever has one can have a thousand.

The list is a package of its own, loaded once per process. See docs/decisions/0011-screening.md.
"""

from __future__ import annotations

from disposable_email_domains import blocklist

DOMAINS = frozenset(blocklist)


def is_disposable(domain: str) -> bool:
    """Whether a domain (A-labels, lower case) is on the list, or lies below one that is."""
    while "." in domain:
        if domain in DOMAINS:
            return True
        domain = domain.partition(".")[2]
    return False
