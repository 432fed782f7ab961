"""What `doctor` finds in the DNS, asked of a name server on loopback."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from actionkit import doctor
from actionkit.delivery import dkim, dns_records
from tests.conftest import MakeApp

pytestmark = pytest.mark.one_database

Zone = dict[tuple[str, str], list[str]]

GOOD: Zone = {
    ("act.charity.org.", "TXT"): ['"v=spf1 ip4:192.0.2.1 -all"', '"something else"'],
    ("_dmarc.charity.org.", "TXT"): ['"v=DMARC1; p=quarantine"'],
    ("act.charity.org.", "MX"): ["10 mail.charity.org."],
}


class _Server(socketserver.ThreadingUDPServer):
    daemon_threads = True


@contextmanager
def name_server(zone: Zone | None) -> Iterator[dns.resolver.Resolver]:
    """A resolver that asks a server with these records; None = one that is silent."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            raw, sock = self.request
            if zone is None:
                return
            query = dns.message.from_wire(raw)
            (asked,) = query.question
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.RA
            kind = dns.rdatatype.to_text(asked.rdtype)
            name = asked.name.to_text().lower()
            if (name, kind) in zone:
                answer.answer.append(dns.rrset.from_text(asked.name, 60, "IN", kind, *zone[name, kind]))
            elif not any(known == name for known, _kind in zone):
                answer.set_rcode(dns.rcode.NXDOMAIN)
            sock.sendto(answer.to_wire(), self.client_address)

    with _Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.server_address[1]
        yield resolver
        server.shutdown()


def _domains(**changed: str) -> dns_records.Domains:
    own = "act.charity.org"
    return dns_records.Domains(**({"sender": own, "envelope": own, "answers": own, "relay": "mx.host.net"} | changed))


def _found(zone: Zone, key: dkim.Record | None = None, **domains: str) -> list[str]:
    with name_server(zone) as resolver:
        return list(dns_records.faults(_domains(**domains), key, resolver))


KEY = dkim.Record("s1._domainkey.act.charity.org", "v=DKIM1; k=rsa; p=" + "MIIB" * 90)


def test_records_that_are_well() -> None:
    in_two_strings = [f'"{KEY.text[:200]}" "{KEY.text[200:]}"']
    assert _found(GOOD | {(f"{KEY.name}.", "TXT"): in_two_strings}, KEY) == []


def test_nothing_published_names_each_record_to_publish() -> None:
    faults = _found({}, KEY)
    assert len(faults) == 4
    text = "\n".join(faults)
    assert 'act.charity.org. IN TXT ( "v=spf1 a:mx.host.net ~all" )' in text
    assert str(KEY) in text
    assert '_dmarc.act.charity.org. IN TXT ( "v=DMARC1; p=none" )' in text
    assert "act.charity.org. IN MX 10" in text


@pytest.mark.parametrize(
    ("changed", "domains", "says"),
    [
        ({("act.charity.org.", "TXT"): ['"v=spf1 -all"', '"v=spf1 mx -all"']}, {}, "2 SPF records"),
        ({("act.charity.org.", "TXT"): ['"v=spf1 +all"']}, {}, "lets everybody"),
        ({("act.charity.org.", "MX"): ["0 ."]}, {}, "null MX"),
        ({("_dmarc.charity.org.", "TXT"): ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"']}, {}, "2 DMARC records"),
        ({(f"{KEY.name}.", "TXT"): ['"v=DKIM1; p="']}, {}, "taken back"),
        ({(f"{KEY.name}.", "TXT"): ['"v=DKIM1; p=AAAA"']}, {}, "of another key"),
    ],
)
def test_each_fault_is_one_line(changed: Zone, domains: dict[str, str], says: str) -> None:
    good = GOOD | {(f"{KEY.name}.", "TXT"): [f'"{KEY.text[:200]}" "{KEY.text[200:]}"']}
    (fault,) = _found(good | changed, KEY, **domains)
    assert says in fault


def test_a_bounce_address_elsewhere_speaks_for_nobody_unless_we_sign() -> None:
    zone = GOOD | {("bounces.net.", "TXT"): ['"v=spf1 mx -all"'], ("bounces.net.", "A"): ["192.0.2.7"]}
    (fault,) = _found(zone, envelope="bounces.net")
    assert "DMARC fails" in fault
    signed = zone | {(f"{KEY.name}.", "TXT"): [f'"{KEY.text[:200]}" "{KEY.text[200:]}"']}
    assert _found(signed, KEY, envelope="bounces.net") == []


def test_silence_is_unknown_and_no_fault(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_records, "ANSWER_SECONDS", 0.3)
    app = make_app(mail_server="127.0.0.1", mail_port="9", mail_default_sender="Us <us@act.charity.org>")
    with app.app_context(), name_server(None) as silent:
        faults, unknown = doctor.ask_dns(app.config["ACTIONKIT"], silent)
        assert faults == []
        assert "no answer about act.charity.org TXT" in unknown
    with app.app_context(), name_server({}) as empty:
        faults, unknown = doctor.ask_dns(app.config["ACTIONKIT"], empty)
        assert (len(faults), unknown) == (3, "")
    local = make_app(mail_server="127.0.0.1", mail_port="9", mail_default_sender="us@charity.example")
    with local.app_context(), name_server(None) as silent:
        assert doctor.ask_dns(local.config["ACTIONKIT"], silent) == ([], "")
