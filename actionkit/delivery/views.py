"""`/healthz`: whether the process and its database answer, and how old the queue is."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, make_response

from actionkit import db
from actionkit.delivery import groups, outbox, recipients, relay, sending_pause

blueprint = Blueprint("health", __name__)

LATE_SECONDS = 900
"""A fast mail that has been due for longer means that no worker is at work, or no relay."""


@blueprint.get("/healthz")
def healthz() -> Response:
    """200 while the database answers. A late queue or a pause is said in it, and is no reason for a restart."""
    pause = sending_pause.current()
    trouble = relay.stops_sending()
    oldest = outbox.oldest_due_at()
    age = int((db.now() - oldest).total_seconds()) if oldest else 0
    response = make_response(
        jsonify(
            status="ok",
            sending={"is_paused": pause is not None, "because": pause.because if pause else None},
            relay={
                "is_in_trouble": trouble is not None,
                "step": trouble.step if trouble else None,
                "since": trouble.since.strftime("%Y-%m-%dT%H:%M:%SZ") if trouble else None,
            },
            paused_groups=len(groups.paused()),
            suspended_recipients=recipients.count_suspended(),
            mail={"oldest_due_seconds": max(age, 0), "is_late": age > LATE_SECONDS, **outbox.waiting()},
        )
    )
    response.headers["Cache-Control"] = "no-store"
    return response
