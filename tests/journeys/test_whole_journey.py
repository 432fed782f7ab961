"""The whole journey with the product's own processes: content, signatures, letters, CSV.

80 supporters sign two campaigns, 60 of them confirm both; the worker is killed in the middle
of the letters. Nobody is written to twice without a mark, nobody is forgotten.
"""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import CONTENT, Postgres
from tests.journeys.product import Product, in_threads, link_in, product, wait_until
from tests.sink import Sink

SUPPORTERS, CONFIRMING = 80, 60
SENDERS = 4
OFFICIALS = {
    "italy-water": ("acqua@governo.example", "salute@governo.example", "towns@comuni.example"),
    "india-water": ("water@gov.example", "health@gov.example"),
}
LETTERS = CONFIRMING * sum(map(len, OFFICIALS.values()))


@pytest.fixture(params=["sqlite", "postgresql"])
def journey_database(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "sqlite":
        return {}
    postgres: Postgres = request.getfixturevalue("postgres")
    return {"DATABASE_URL": postgres.url(postgres.create())}


def _sign_all(site: Product) -> None:
    def sign(n: int, slug: str) -> None:
        status, _headers, _body = site.post(
            f"/campaigns/{slug}/sign",
            {"name": f"Supporter {n}", "email": f"s{n}@example.org", "country": "IT", "consent": "yes"},
        )
        assert status == 303

    in_threads([lambda n=n, slug=slug: sign(n, slug) for n in range(SUPPORTERS) for slug in OFFICIALS])  # type: ignore[misc]


def _confirm_most(site: Product, sink: Sink) -> None:
    confirmations = [mail for mail in sink.received if mail.rcpt.endswith("@example.org")]
    wanted = {f"s{n}@example.org" for n in range(CONFIRMING)}
    links = [link_in(mail.text, site.base_url) for mail in confirmations if mail.rcpt in wanted]
    assert len(links) == 2 * CONFIRMING

    def confirm(path: str) -> None:
        assert site.get(path)[0] == 200
        assert site.post(path)[0] == 200

    in_threads([lambda path=path: confirm(path) for path in links])  # type: ignore[misc]


@pytest.mark.processes
def test_from_content_to_letters_with_a_killed_worker(tmp_path: Path, journey_database: dict[str, str]) -> None:
    with Sink().running() as sink:
        mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(sink.port), "MAIL_DEFAULT_SENDER": "us@sender.example"}
        pace = {"LETTERS_PER_OFFICIAL_PER_HOUR": "0", "WORKER_SENDERS": str(SENDERS), "LEASE_SECONDS": "4"}
        with product(tmp_path / "site", **mail, **pace, **journey_database) as site:
            assert site.command("content", "load", str(CONTENT)) == site.command("content", "load", str(CONTENT))
            site.start_web()
            _sign_all(site)
            worker = site.start_worker()
            wait_until(lambda: len(sink.received) == 2 * SUPPORTERS, 60, "the confirmations")
            time.sleep(1.5)
            assert len(sink.received) == 2 * SUPPORTERS, "one confirmation for each signature, and no more"

            _confirm_most(site, sink)
            wait_until(lambda: len(sink.received) > 2 * SUPPORTERS + LETTERS // 3, 60, "a third of the letters")
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            at_kill = len(sink.received) - 2 * SUPPORTERS
            assert at_kill < LETTERS, "the kill came in the middle"
            worker = site.start_worker()

            def arrived() -> Counter[tuple[str, str]]:
                return Counter((m.rcpt, m.message_id) for m in sink.received if not m.rcpt.endswith("@example.org"))

            wait_until(lambda: len(arrived()) == LETTERS, 90, "every letter")
            time.sleep(6)  # a lease and more: whatever would come twice has come
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0

            letters = arrived()
            twins = [key for key, n in letters.items() if n > 1]
            assert max(letters.values()) <= 2
            assert len(twins) <= SENDERS, "one for each sender in flight at most"
            per_official = Counter(rcpt for rcpt, _id in letters)
            assert per_official == Counter({a: CONFIRMING for who in OFFICIALS.values() for a in who})
            assert all(
                str(m.message["Content-Language"]) == ("it" if m.rcpt.endswith("@governo.example") else "en")
                for m in sink.received
                if not m.rcpt.endswith("@example.org")
            )
            _check_marks(site, twins)

            for slug in OFFICIALS:
                rows = list(csv.DictReader(io.StringIO(site.command("export", "signatures", slug))))
                assert len(rows) == CONFIRMING
                assert len({row["email"] for row in rows}) == CONFIRMING
                assert json.loads(site.get(f"/campaigns/{slug}/count.json")[2])["signatures"] == CONFIRMING
            assert site.command("recount") == "no difference\n"


def _check_marks(site: Product, twins: list[tuple[str, str]]) -> None:
    """Each letter that came twice is marked so, and was uncertain in its history."""
    from actionkit import create_app, db
    from actionkit.delivery.models import Outgoing, OutgoingAttempt
    from config import Config

    app = create_app(Config.from_env(site.environ))
    with app.app_context():
        for _rcpt, message_id in twins:
            public_id = message_id.strip("<>").partition("@")[0]
            row = db.session.query(Outgoing).filter_by(public_id=public_id).one()
            assert row.is_maybe_twice
            tries = db.session.query(OutgoingAttempt).filter_by(outgoing_id=row.id).all()
            assert "uncertain" in {attempt.outcome for attempt in tries}
        assert db.session.query(Outgoing).filter(Outgoing.state != "sent").count() == 0
    db.close(app)
