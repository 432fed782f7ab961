"""Who is signed in: a row for each browser, which the session's cookie names.

`load` is the one place where a request learns its member, her rights and whether her session
still runs; everything else asks `current.member()`. What is ended or closed is so at the next
request.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
import sqlalchemy.exc
from flask import current_app, g, request, session
from flask_security import login_user
from flask_security.utils import set_request_attr

from actionkit import db
from actionkit.staff import audit, current, devices
from actionkit.staff.models import SignInLink, StaffMember, StaffSession

WORKING_DAY = dt.timedelta(hours=12)
"""How long a session lives, counted from the sign-in."""
SEEN_EVERY = dt.timedelta(minutes=15)
FRESH = dt.timedelta(minutes=30)
"""For so long after the sign-in one may change how one signs in."""
KEPT = dt.timedelta(days=30)

_COOKIE = "sid"


def _runs() -> tuple[sa.ColumnElement[bool], ...]:
    return (StaffSession.ended_at.is_(None), StaffSession.signed_in_at > db.now() - WORKING_DAY)


def load(uniquifier: str) -> StaffMember | None:
    """The member whose session the request names, with her grants; None when it has ended or she has left."""
    named = session.get(_COOKIE)
    if not (named and uniquifier):
        return None
    found = db.session.execute(
        sa.select(StaffMember, StaffSession)
        .join(StaffSession, StaffSession.staff_member_id == StaffMember.id)
        .where(StaffSession.public_id == str(named), StaffMember.fs_uniquifier == str(uniquifier), *_runs())
        .where(StaffMember.deactivated_at.is_(None))
    ).one_or_none()
    if found is None:
        return None
    member, g.staff_session = found
    # What Flask-Security's own loader would say: by what the request is signed in, and since when.
    set_request_attr("fs_authn_via", "session")
    set_request_attr("fs_paa", session.get("fs_paa", 0))
    g.last_seen = (g.staff_session.id, g.staff_session.last_seen_at)
    return member


def this_session() -> StaffSession | None:
    """The session of the request at hand, once its member was asked for."""
    return g.get("staff_session") if current.member() else None


def begin(member: StaffMember, by: str) -> None:
    """Sign the member in, in this browser, with a session that holds nothing from before."""
    browser, system = devices.families(request.user_agent.string)
    row = StaffSession(staff_member_id=member.id, browser=browser, system=system, signed_in_by=by)
    row.public_id, row.signed_in_at, row.last_seen_at = db.new_public_id(), db.now(), db.now()
    db.session.add(row)
    member.last_signed_in_at = row.signed_in_at
    session.clear()
    login_user(member, remember=False, authn_via=[by])
    session[_COOKIE] = row.public_id
    g.staff_session = row
    audit.record("sign-in", member.email, by=by)


def is_fresh() -> bool:
    """Whether the sign-in was a moment ago: a browser left open must not be enough to change the locks."""
    row = this_session()
    return row is not None and db.now() - row.signed_in_at < FRESH


def running(member: StaffMember) -> list[StaffSession]:
    """The sessions that have not ended, the latest first."""
    mine = sa.select(StaffSession).where(StaffSession.staff_member_id == member.id, *_runs())
    return list(db.session.scalars(mine.order_by(StaffSession.id.desc())))


def end(member: StaffMember, public_id: str) -> bool:
    """End one session of the member; False where there is none or it has ended."""
    mine = (StaffSession.staff_member_id == member.id, StaffSession.public_id == public_id)
    return bool(db.rows_changed(sa.update(StaffSession).where(*mine, *_runs()).values(ended_at=db.now())))


def end_all(member: StaffMember, but: StaffSession | None = None) -> int:
    """End the member's sessions, all or all but one; how many. What is half signed in ends, too."""
    which = [StaffSession.staff_member_id == member.id, *_runs()]
    if but is not None:
        which.append(StaffSession.id != but.id)
    ended = db.rows_changed(sa.update(StaffSession).where(*which).values(ended_at=db.now()))
    member.fs_uniquifier = db.new_public_id()
    if but is not None and current.member_id() == member.id:
        session["_user_id"] = member.fs_uniquifier
    return ended


def note_seen() -> None:
    """After a request of the desk: when the session was last seen, to a quarter of an hour.

    On a connection of its own, since a page that is looked at writes nothing; and only where that
    is possible at once: nobody waits for it.
    """
    row_id, last_seen_at = g.get("last_seen", (0, None))
    if last_seen_at is None or db.now() - last_seen_at < SEEN_EVERY:
        return
    try:
        with current_app.extensions["database_of_requests"]["writing"].begin() as connection:
            seen = sa.update(StaffSession).where(StaffSession.id == row_id, StaffSession.ended_at.is_(None))
            connection.execute(seen.values(last_seen_at=db.now()))
    except sqlalchemy.exc.SQLAlchemyError:
        return


def forget_old() -> int:
    """Delete sessions that ended long ago, and links that can no longer be used."""
    before = db.now() - KEPT
    gone = db.rows_changed(sa.delete(StaffSession).where(StaffSession.signed_in_at < before))
    return gone + db.rows_changed(sa.delete(SignInLink).where(SignInLink.created_at < before))
