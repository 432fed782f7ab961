"""A desk as it looks after two months: the shipped campaigns with signatures, letters and what waits for a person.

Always the same, so that a picture changes only where a page does.
"""

from __future__ import annotations

import datetime as dt
import math
import random

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign, CampaignState
from actionkit.delivery.models import Lane, Outgoing, State
from actionkit.letters.operations import LETTER, group_key, recipient_key
from actionkit.replies import intake
from actionkit.replies.models import IncomingSource
from actionkit.signing import counting
from actionkit.signing.models import ConsentWording, Measure, Signature, SignatureState, Source, Submission

DAYS = 60
NAMES = "Anna Rossi,Luca Bianchi,Asha Verma,Marie Dubois,Jonas Weber,Lucía Gómez,Grace Wanjiru,Emily Clarke".split(",")
COUNTRIES = "IT IT IT IN IN FR DE ES US GB KE".split()


def fill() -> None:
    """Into a database with the shipped content, in the transaction at hand; signatures are counted by `recount`."""
    chance = random.Random(7)
    wording = ConsentWording(purpose="sign", language="en", version=1, content_hash="sample", text="I agree.")
    db.session.add(wording)
    campaigns = db.session.scalars(
        sa.select(Campaign).where(Campaign.state == CampaignState.OPEN).order_by(Campaign.slug)
    ).all()
    number = 0
    for size, campaign in zip((26, 14), campaigns, strict=True):
        for day in range(DAYS):
            weekly = 1 + 0.6 * math.sin(day / 3.5) + 2.5 * math.exp(-((day - 20) ** 2) / 30)
            for _ in range(int(chance.uniform(0.6, 1.2) * size * weekly)):
                number += 1
                at = db.now() - dt.timedelta(days=day, hours=chance.uniform(0, 20))
                _sign(chance, campaign, number, at, wording)
    intake.store(
        b"From: Office <office@ministry.example>\r\nSubject: Out of office\r\n\r\nUntil Monday.\r\n",
        IncomingSource.PIPE,
    )


def _sign(chance: random.Random, campaign: Campaign, number: int, at: dt.datetime, wording: ConsentWording) -> None:
    state = chance.choices(
        [SignatureState.CONFIRMED, SignatureState.PENDING, SignatureState.WITHDRAWN, SignatureState.HELD],
        [80, 17, 2, 0.6],
    )[0]
    was_confirmed = state in (SignatureState.CONFIRMED, SignatureState.WITHDRAWN)
    address = f"{NAMES[number % len(NAMES)].split()[0].lower()}{number}@mail.example"
    signature = Signature(
        campaign_id=campaign.id,
        canonical_email=address,
        state=state,
        state_reason="many from one address" if state == SignatureState.HELD else "",
        signed_at=at,
        confirmed_at=at if was_confirmed else None,
    )
    db.session.add(signature)
    db.session.flush()
    submission = Submission(
        signature_id=signature.id,
        created_at=at,
        name=NAMES[number % len(NAMES)],
        email=address,
        country=chance.choice(COUNTRIES),
        comment="My sister is why I sign." if number % 9 == 0 else "",
        language=chance.choice(["en", "en", *campaign.languages]),
        source=Source.IMPORT if number % 23 == 0 else Source.WEB,
        consent_wording_id=wording.id or 1,
    )
    db.session.add(submission)
    db.session.flush()
    signature.submission_id = submission.id if was_confirmed else None
    counting.add_to_day(campaign.id, Measure.OPENED, at.date(), "", chance.randint(2, 6))
    if state == SignatureState.CONFIRMED and number % 4 == 0:
        _write(campaign, signature, number, at)


def _write(campaign: Campaign, signature: Signature, number: int, at: dt.datetime) -> None:
    """A letter to each official; a few of them wait for a person, the latest for their turn."""
    for official in campaign.letter_officials:
        state = State.SENT if at < db.now() - dt.timedelta(days=2) else State.QUEUED
        if number % 400 == 0:
            state = State.UNCERTAIN if number % 800 else State.FAILED
        db.session.add(
            Outgoing(
                kind=LETTER,
                subject_id=signature.id,
                recipient_key=recipient_key(official.id),
                group_key=group_key(campaign.id),
                lane=Lane.PACED,
                state=state,
                created_at=at,
                ended_at=at if state != State.QUEUED else None,
                attempts=int(state != State.QUEUED),
                last_answer="550 5.1.1 User unknown" if state == State.FAILED else "",
            )
        )
