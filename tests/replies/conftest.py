"""A site whose mail comes back: with addresses for reports and answers, a relay that is a sink, and a way in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from actionkit import db, jobs
from actionkit.delivery import return_path
from actionkit.delivery.models import Outgoing, State
from actionkit.replies import intake
from actionkit.replies.models import IncomingMail, IncomingSource
from tests.conftest import MakeApp
from tests.signing.clock import Clock
from tests.signing.site import Site
from tests.sink import Sink
from tests.structure.conftest import sign_in

__all__ = ["sign_in"]

OURS = {
    "mail_default_sender": "Us <us@sender.example>",
    "mail_bounce_address": "bounces@sender.example",
    "mail_reply_address": "replies@sender.example",
}


class MailSite(Site):
    """A site that gets mail as well."""

    sink: Sink

    def comes_in(self, *raws: bytes, recipient: str = "") -> list[IncomingMail]:
        """Mails come in and are handled; all that have come so far."""
        with self.app.app_context():
            for raw in raws:
                intake.store(raw, IncomingSource.PIPE, recipient)
            db.session.commit()
        return self.handled()

    def handled(self) -> list[IncomingMail]:
        with self.app.app_context():
            jobs.handle_mail(self.app.extensions["delivery_worker"])
        return self.stored(IncomingMail)

    def bounce_address(self, row: Outgoing) -> str:
        with self.app.app_context():
            return return_path.of(row.public_id)

    def reply_address(self, row: Outgoing) -> str:
        with self.app.app_context():
            return return_path.reply_address(row.public_id)

    def row(self, row: Outgoing) -> Outgoing:
        """The row as it is now."""
        return self.one(Outgoing, Outgoing.id == row.id)

    def sent_letter(self, **form: str) -> Outgoing:
        """A letter to an official that the relay has taken; nothing was spoken, which takes its time."""
        self.confirmed(**form)
        self.change(Outgoing, state=State.SENT, ended_at=db.now(), first_tried_at=db.now())
        return self.letters()[0]


@pytest.fixture
def site(make_app: MakeApp) -> Iterator[MailSite]:
    with Sink().running() as sink:
        site = MailSite(make_app(mail_server="127.0.0.1", mail_port=str(sink.port), **OURS))
        site.sink = sink
        yield site


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def hide_addresses(site: Site) -> None:
    """All campaigns hide their supporters' addresses from officials."""
    with site.app.app_context():
        db.session.execute(sa.text("UPDATE campaigns SET reply_to = 'none'"))
        db.session.commit()
