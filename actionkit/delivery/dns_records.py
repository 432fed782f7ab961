"""What the DNS says of the domains that our mails come from, and what it should say.

Asked by `actionkit doctor` alone. A name server that gives no answer says nothing about a domain, so that
is `Unknown` and no fault; after the first silence nobody is asked any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import dns.exception
import dns.rdatatype
import dns.resolver

from actionkit.delivery.dkim import Record

ANSWER_SECONDS = 3.0
"""For one question, all name servers and repetitions together."""
_RESERVED = frozenset({"test", "example", "invalid", "localhost", "local", "internal"})
"""Of no use in the DNS of the world (RFC 2606, 6761, 6762)."""


class Unknown(Exception):
    """No answer: nothing is known. Its text says what was asked."""


@dataclass(frozen=True)
class Domains:
    """The domains that count for one installation; "" = there is none."""

    sender: str
    envelope: str
    """That of the envelope's sender, where reports of what was not delivered go."""
    answers: str
    """That of the address to which answers come."""
    relay: str
    """The host that mails are handed to."""


def is_public(domain: str) -> bool:
    """Whether the world's DNS can know the domain."""
    return "." in domain and domain.rpartition(".")[2] not in _RESERVED


def make_resolver() -> dns.resolver.Resolver:
    """This machine's, with a short patience. Raises `Unknown` where it has none."""
    try:
        return dns.resolver.Resolver()
    except dns.exception.DNSException:
        raise Unknown("this machine knows no name server") from None


def faults(domains: Domains, key: Record | None, resolver: dns.resolver.Resolver) -> Iterator[str]:
    """A line for each fault, with the record to publish. Raises `Unknown`."""
    dns_of = _Dns(resolver)
    yield from _spf(dns_of, domains)
    if key is not None:
        yield from _dkim(dns_of, key)
    yield from _dmarc(dns_of, domains, key)
    for domain in dict.fromkeys([domains.envelope, domains.answers, domains.sender]):
        if domain:
            yield from _mx(dns_of, domain)


@dataclass(frozen=True)
class _Dns:
    resolver: dns.resolver.Resolver

    def texts(self, name: str, tag: str) -> list[str]:
        """The TXT records of a name that begin with a tag."""
        answer = self._ask(name, "TXT")
        found = [b"".join(record.strings).decode("utf-8", "replace") for record in answer]
        return [text for text in found if text.lower().replace(" ", "").startswith(tag)]

    def exchangers(self, name: str) -> list[str]:
        return [str(record.exchange) for record in self._ask(name, "MX")]

    def has_address(self, name: str) -> bool:
        return bool(self._ask(name, "A") or self._ask(name, "AAAA"))

    def _ask(self, name: str, kind: str) -> list[dns.resolver.Answer]:
        """[] where the DNS says that there is none."""
        try:
            return list(self.resolver.resolve(f"{name}.", kind, lifetime=ANSWER_SECONDS, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise Unknown(f"no answer about {name} {kind} ({type(error).__name__})") from None


def _spf(dns_of: _Dns, domains: Domains) -> Iterator[str]:
    """RFC 7208: one record, which does not let everybody in."""
    domain = domains.envelope
    found = dns_of.texts(domain, "v=spf1")
    wanted = Record(domain, f"v=spf1 a:{domains.relay} ~all" if is_public(domains.relay) else "v=spf1 mx ~all")
    if not found:
        yield f"dns: {domain} has no SPF record, so anybody may send for it; publish: {wanted}"
    elif len(found) > 1:
        yield f"dns: {domain} has {len(found)} SPF records, of which receivers take none; leave one of them"
    elif found[0].lower().split()[-1] in ("+all", "all"):
        yield f"dns: the SPF record of {domain} lets everybody send for it; end it with ~all or -all"


def _dkim(dns_of: _Dns, key: Record) -> Iterator[str]:
    """RFC 6376: the public half of the key that signs."""
    found = [_tag(text, "p") for text in dns_of.texts(key.name, "")]
    if not any(found):
        what = "is taken back (an empty p=)" if found else "is missing"
        yield f"dns: the DKIM record {what}, so our signatures are not believed; publish: {key}"
    elif _tag(key.text, "p") not in found:
        yield f"dns: the DKIM record at {key.name} is of another key than ACTIONKIT_DKIM_KEY_FILE; publish: {key}"


def _dmarc(dns_of: _Dns, domains: Domains, key: Record | None) -> Iterator[str]:
    """RFC 7489: one record, of the domain or one above it, and something that speaks for the sender's domain."""
    domain = domains.sender
    labels = domain.split(".")
    for start in range(len(labels) - 1):
        name = "_dmarc." + ".".join(labels[start:])
        if found := dns_of.texts(name, "v=dmarc1"):
            if len(found) > 1:
                yield f"dns: {name} has {len(found)} DMARC records, of which receivers take none; leave one of them"
            break
    else:
        yield f"dns: {domain} has no DMARC record; publish: {Record(f'_dmarc.{domain}', 'v=DMARC1; p=none')}"
    signer = key.name.partition("._domainkey.")[2] if key else ""
    if not _are_related(domain, domains.envelope) and not _are_related(domain, signer):
        yield (
            f"dns: neither the envelope's sender at {domains.envelope} nor a signature of ours speaks for {domain}, "
            "so DMARC fails unless the mail server signs for it; use one domain, or set ACTIONKIT_DKIM_DOMAIN"
        )


def _mx(dns_of: _Dns, domain: str) -> Iterator[str]:
    """RFC 5321 5.1, RFC 7505: somebody takes mail for it."""
    found = dns_of.exchangers(domain)
    if found == ["."]:
        yield f"dns: {domain} says that it takes no mail (null MX), so reports and answers are lost"
    elif not found and not dns_of.has_address(domain):
        yield f"dns: nobody takes mail for {domain}, so answers are lost; publish: {domain}. IN MX 10 (host)"


def _are_related(one: str, other: str) -> bool:
    """The same domain, or one below the other; what registries own apart is not told apart here."""
    return bool(one and other) and (one == other or one.endswith(f".{other}") or other.endswith(f".{one}"))


def _tag(text: str, name: str) -> str:
    for part in text.split(";"):
        key, _equals, value = part.partition("=")
        if key.strip() == name:
            return "".join(value.split())
    return ""
