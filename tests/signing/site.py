"""A site as its supporters and its owner use it: sign, read the mail, follow the link, look into the tables."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.delivery.models import Outgoing
from actionkit.drain import do_what_is_due
from actionkit.security import make_token
from actionkit.signing.models import Signature, Submission
from actionkit.signing.operations import CONFIRMATION
from tests.conftest import sign_form

ITALY = "italy-water"

M = TypeVar("M")


@dataclass
class Site:
    app: Flask
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    # ------------------------------------------------------------ what people do

    def sign(
        self, slug: str = ITALY, *, lang: str = "", client: FlaskClient | None = None, **form: Any
    ) -> TestResponse:
        """Send the form; `form` replaces fields, None leaves one out."""
        query = {"lang": lang} if lang else {}
        return (client or self.client).post(f"/campaigns/{slug}/sign", data=sign_form(**form), query_string=query)

    def signed(self, slug: str = ITALY, **form: Any) -> Submission:
        """Sign, and the submission that this made."""
        assert self.sign(slug, **form).status_code == 303
        return self.stored(Submission)[-1]

    def confirmed(self, slug: str = ITALY, **form: Any) -> Submission:
        """Sign and confirm; the submission that counts."""
        submission = self.signed(slug, **form)
        answer = self.client.post(self.confirm_path(submission))
        assert answer.status_code == 200, answer.text
        return submission

    def confirm_path(self, submission: Submission, issued_at: dt.datetime | None = None) -> str:
        return f"/confirm/{self.token('confirm', submission.public_id, issued_at)}"

    def withdraw_path(self, signature: Signature) -> str:
        return f"/withdraw/{self.token('withdraw', signature.public_id)}"

    def token(self, purpose: str, public_id: str, issued_at: dt.datetime | None = None) -> str:
        with self.app.app_context():
            return make_token(purpose, public_id, issued_at or db.now())

    def at_once(self, what: Callable[[FlaskClient, int], TestResponse], times: int = 20) -> list[TestResponse]:
        """Do the same from many threads, all let go at one moment."""
        answers: list[TestResponse] = []
        start = threading.Barrier(times)

        def run(number: int) -> None:
            client = self.app.test_client()
            start.wait()
            answers.append(what(client, number))

        threads = [threading.Thread(target=run, args=(number,)) for number in range(times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == times, "a request ended with an exception"
        return answers

    # ------------------------------------------------------------ what is stored

    def stored(self, model: type[M], *where: sa.ColumnElement[bool]) -> list[M]:
        with self.app.app_context():
            db.reading()
            key: Any = sa.inspect(model).primary_key[0]
            return list(db.session.scalars(sa.select(model).where(*where).order_by(key)))

    def one(self, model: type[M], *where: sa.ColumnElement[bool]) -> M:
        found = self.stored(model, *where)
        assert len(found) == 1, f"{len(found)} rows of {model.__name__} where one is expected"
        return found[0]

    def change(self, model: type[Any], *where: sa.ColumnElement[bool], **values: Any) -> None:
        """Set columns: how a test moves the clock, or stands in for staff."""
        with self.app.app_context():
            db.session.execute(sa.update(model).where(*where).values(values))
            db.session.commit()

    def campaign(self, slug: str = ITALY) -> Campaign:
        return self.one(Campaign, Campaign.slug == slug)

    def state(self) -> str:
        """The state of the only signature."""
        return self.one(Signature).state

    def confirmations(self) -> list[Outgoing]:
        return self.stored(Outgoing, Outgoing.kind == CONFIRMATION)

    def letters(self) -> list[Outgoing]:
        return self.stored(Outgoing, Outgoing.kind == "letter")

    def ten_minutes_later(self) -> None:
        self.change(Signature, mailed_at=db.now() - dt.timedelta(minutes=10, seconds=1))

    # ------------------------------------------------------------ what leaves

    def drain(self) -> Counter[str]:
        """Send what is due and count what was confirmed."""
        with self.app.app_context():
            return do_what_is_due(self.app)

    def mails(self) -> list[EmailMessage]:
        """All mails that have left, in their order."""
        folder = self.app.config["ACTIONKIT"].mail_folder
        files = sorted(folder.glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)
        return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]  # type: ignore[misc]

    def sent_to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails() if mail["To"].addresses[0].addr_spec == address]

    def links(self) -> list[str]:
        """The paths of the confirmation links in the mails that have left, in their order."""
        base = self.app.config["ACTIONKIT"].base_url
        lines = [line for mail in self.mails() for line in text_of(mail).splitlines()]
        return [line.removeprefix(base) for line in lines if line.startswith(f"{base}/confirm/")]

    def total(self, slug: str = ITALY) -> int:
        """The public number."""
        answer = self.client.get(f"/campaigns/{slug}/count.json")
        assert answer.json is not None
        return int(answer.json["signatures"])


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(preferencelist=("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")
