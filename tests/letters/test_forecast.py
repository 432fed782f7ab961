"""What the desk says about when letters will have left."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, render_template

from actionkit import db
from actionkit.campaigns.operations import find_campaign
from actionkit.delivery import groups, outbox
from actionkit.delivery.models import Lane
from actionkit.letters import forecast
from actionkit.letters.operations import LETTER, group_key, recipient_key
from tests.conftest import MakeApp


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(letters_per_official_per_hour="30")


def test_letters_of_other_campaigns_take_their_turns(app: Flask) -> None:
    with app.test_request_context("/staff/"):
        db.writing()
        campaign = find_campaign("italy-water")
        first, second, third = (recipient_key(seat.official_id) for seat in campaign.seats)
        for subject in range(60):
            outbox.put(LETTER, subject, [first, second], group=group_key(campaign.id), lane=Lane.PACED)
            outbox.put(LETTER, subject + 1000, [second, third], group="campaign:99", lane=Lane.PACED)
        start = db.now()
        found = forecast.of_campaign(campaign)
        assert (found.waiting, found.is_resting) == (120, False)
        hours = [round((each.ends_at - start) / dt.timedelta(hours=1), 1) for each in found.officials if each.ends_at]
        assert hours == [4.0, 2.0], "the second official is written to by two campaigns, in turns"

        groups.pause("campaign:99")
        assert found.ends_at is not None
        assert round((forecast.of_campaign(campaign).officials[0].ends_at - start) / dt.timedelta(hours=1), 1) == 2.0  # type: ignore[operator]
        groups.pause(group_key(campaign.id))
        paused = forecast.of_campaign(campaign)
        assert paused.is_resting
        page = render_template("desk/forecast.html", forecast=paused, campaign=campaign, zone=ZoneInfo("Europe/Rome"))
        assert "120 letters wait" in page
        assert "Resumed now" in page
        assert re.search(f"{paused.ends_at.astimezone(ZoneInfo('Europe/Rome')):%H:%M}</time>", page)  # type: ignore[union-attr]
        db.session.rollback()
