"""The allow and hold lists of staff: networks, mail domains and addresses.

They are compiled once and remembered for two seconds, so a rule takes effect in every process
within that time, and looking a signature up asks no database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

import sqlalchemy as sa
from flask_babel import gettext
from sqlalchemy.orm import Session

from actionkit import db, remember
from actionkit.addresses import AddressInvalid, canonical
from actionkit.screening.models import RuleAction, RuleKind, ScreeningRule
from actionkit.screening.reasons import LISTED_ADDRESS, LISTED_DOMAIN, LISTED_NETWORK
from actionkit.security import IPAddress

BROADEST = {4: 8, 6: 19}
"""The shortest prefix that a rule may have: an internet registry gives out nothing larger."""

_GLOB = re.compile(r"[a-z0-9*?-]+(\.[a-z0-9*?-]+)+")
_WILD = frozenset("*?")

Line = tuple[str, str, str]
"""(kind, pattern, action)"""


@dataclass(frozen=True)
class Found:
    """What the lists say of a signature: let it through, hold it and why, or nothing."""

    is_allowed: bool = False
    held_because: str = ""


NOTHING = Found()
ALLOWED = Found(is_allowed=True)


@dataclass(frozen=True)
class Rules:
    """The lists, ready to be looked up."""

    networks: Mapping[tuple[int, int], Mapping[int, RuleAction]]
    """(IP version, bits behind the prefix) → prefix → action."""
    domains: Mapping[str, RuleAction]
    globs: tuple[tuple[re.Pattern[str], RuleAction], ...]
    """`*` stands for any characters, dots too, and `?` for one."""
    addresses: Mapping[str, RuleAction]

    def look_up(self, client: IPAddress, address: str) -> Found:
        """`address` is canonical. Where several rules match, one that allows wins."""
        held_because = ""
        for action, reason in self._matching(client, address):
            if action is RuleAction.ALLOW:
                return ALLOWED
            held_because = held_because or reason
        return Found(held_because=held_because) if held_because else NOTHING

    def _matching(self, client: IPAddress, address: str) -> Iterator[tuple[RuleAction, str]]:
        if (action := self.addresses.get(address)) is not None:
            yield action, LISTED_ADDRESS
        domain = address.rpartition("@")[2]
        if (action := self.domains.get(domain)) is not None:
            yield action, LISTED_DOMAIN
        for pattern, action in self.globs:
            if pattern.fullmatch(domain):
                yield action, LISTED_DOMAIN
        if self.networks:
            version, number = client.version, int(client)
            for (of_version, bits), prefixes in self.networks.items():
                if of_version == version and (action := prefixes.get(number >> bits)) is not None:
                    yield action, LISTED_NETWORK


def current() -> Rules:
    """The lists as they were at most two seconds ago."""
    return remember.shortly(("screening rules",), lambda: compiled(db.detached(_lines)))


def _lines(session: Session) -> tuple[Line, ...]:
    rows = session.execute(sa.select(ScreeningRule.kind, ScreeningRule.pattern, ScreeningRule.action))
    return tuple((row.kind, row.pattern, row.action) for row in rows)


@lru_cache(maxsize=4)
def compiled(lines: tuple[Line, ...]) -> Rules:
    networks: dict[tuple[int, int], dict[int, RuleAction]] = {}
    domains: dict[str, RuleAction] = {}
    globs: dict[RuleAction, list[str]] = {}
    addresses: dict[str, RuleAction] = {}
    for kind, pattern, stored_action in lines:
        action = RuleAction(stored_action)
        if kind == RuleKind.NETWORK:
            network = ip_network(pattern)
            bits = network.max_prefixlen - network.prefixlen
            networks.setdefault((network.version, bits), {})[int(network.network_address) >> bits] = action
        elif kind == RuleKind.ADDRESS:
            addresses[pattern] = action
        elif _WILD.isdisjoint(pattern):
            domains[pattern] = action
        else:
            globs.setdefault(action, []).append(translate(pattern))  # which never looks back: no glob is slow
    joined = tuple((re.compile("|".join(expressions)), action) for action, expressions in globs.items())
    return Rules(networks, domains, joined, addresses)


# ---------------------------------------------------------------- what staff write


class PatternInvalid(ValueError):
    """What staff wrote is no pattern of its kind. Its text is the sentence for them."""


def canonical_pattern(kind: RuleKind, text: str) -> str:
    """The pattern as it is stored and compared. Raises `PatternInvalid`."""
    read = {RuleKind.NETWORK: _network, RuleKind.DOMAIN: _domain, RuleKind.ADDRESS: _address}[kind]
    return read(text.strip())


def _network(text: str) -> str:
    try:
        network = _unmapped(ip_network(text, strict=False))
    except ValueError:
        raise PatternInvalid(
            gettext("This is not a network. It looks like 192.0.2.0/24, 2001:db8::/48, or one address: 192.0.2.7.")
        ) from None
    if network.prefixlen < BROADEST[network.version]:
        raise PatternInvalid(
            gettext(
                "This network is too large: it would take in whole countries. Use /%(bits)s or a higher number.",
                bits=BROADEST[network.version],
            )
        )
    is_one = network.prefixlen == network.max_prefixlen
    return str(network.network_address if is_one else network)


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """An IPv4 network that was written as an IPv6 one (::ffff:192.0.2.0/120)."""
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and (v4 := network.network_address.ipv4_mapped):
        return IPv4Network((v4, network.prefixlen - 96))
    return network


def _domain(text: str) -> str:
    text = text.removeprefix("@").removesuffix(".").lower()
    if "@" in text:
        raise PatternInvalid(gettext("This is an address. Choose “one e-mail address”, or leave out what is before @."))
    labels = text.split(".")
    if labels and all(_WILD & set(label) for label in labels):
        raise PatternInvalid(
            gettext("This would match every address. Name the domain, as in *.example.org or example.*.")
        )
    try:
        text = ".".join(label if _WILD & set(label) or not label else _as_a_label(label) for label in labels)
    except AddressInvalid:
        text = ""
    if not _GLOB.fullmatch(text) or len(text) > 253:
        raise PatternInvalid(
            gettext("This is not a domain. It looks like example.org, or *.example.org for all that lies below it.")
        )
    return text


def _as_a_label(label: str) -> str:
    """One part of a domain as addresses have it behind their @ ("bücher" → "xn--bcher-kva")."""
    return canonical(f"name@{label}.org").rpartition("@")[2].removesuffix(".org")


def _address(text: str) -> str:
    if "*" in text:
        raise PatternInvalid(gettext("An address has no *. For all addresses of a domain choose “a mail domain”."))
    try:
        return canonical(text)
    except AddressInvalid:
        raise PatternInvalid(
            gettext("This is not a complete e-mail address. It looks like name@example.org.")
        ) from None
