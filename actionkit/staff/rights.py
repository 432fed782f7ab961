"""What a member may do, and on which campaigns.

A view behind the desk says the right it needs with `needs`; once it knows its campaign, it
asks `require`. Rights are read from the database in each request, so what is taken away is
gone at the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, ParamSpec

from flask import current_app, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden, NotFound, Unauthorized
from werkzeug.urls import iri_to_uri
from werkzeug.wrappers import Response

from actionkit.staff import current, door
from actionkit.staff.models import StaffRole

log = logging.getLogger(__name__)

P = ParamSpec("P")
View = Callable[P, ResponseReturnValue]


class Right(StrEnum):
    VIEW = "view"
    """See a campaign with its signatures and letters."""
    EXPORT = "export"
    """Take signatures out."""
    ACT = "act"
    """Send a letter again, release a held signature, take one out."""
    EDIT = "edit"
    """Change what a campaign says."""
    ADMIN = "admin"
    """Staff accounts, and what belongs to no campaign."""


RIGHTS: dict[str, frozenset[Right]] = {
    StaffRole.VIEWER: frozenset({Right.VIEW}),
    StaffRole.CAMPAIGNER: frozenset({Right.VIEW, Right.EXPORT, Right.ACT, Right.EDIT}),
    StaffRole.ADMIN: frozenset(Right),
}


# ---------------------------------------------------------------- rules of views


def needs(right: Right) -> Callable[[View[P]], Callable[P, Response]]:
    """The view is for who has `right` on at least one campaign; others never reach it.

    A GET of who is not signed in goes to the sign-in page and from there back; another method
    is 401. Signed in without the right: 403. Who must set up a second factor first is led there.
    The rule is left on the view as `staff_rule`.
    """
    return _rule(right)


def needs_everywhere(right: Right) -> Callable[[View[P]], Callable[P, Response]]:
    """The view is for who has `right` on all campaigns, as what belongs to no single one demands.

    The rule on the view is then such as "edit everywhere".
    """
    return _rule(right, is_everywhere=True)


def signed_in(view: View[P]) -> Callable[P, Response]:
    """The view is for every member, whatever the rights."""
    return _rule(None)(view)


def for_everyone(view: Callable[P, Any]) -> Callable[P, Any]:
    """The view is behind the desk and open to all: the door itself."""
    view.staff_rule = "everyone"  # type: ignore[attr-defined]
    return view


def rule_of(view: Any) -> str | None:
    """A view's rule: a right, a right "everywhere", "signed-in", "everyone"; or None for one that nobody may reach."""
    return getattr(view, "staff_rule", None)


def deny_by_default() -> None:
    """Before each request: a view behind the desk that says no rule is for nobody."""
    if current.is_desk() and request.endpoint and rule_of(current_app.view_functions[request.endpoint]) is None:
        log.error("a view of the desk has no rule", extra={"endpoint": request.endpoint})
        raise Forbidden


def _rule(right: Right | None, *, is_everywhere: bool = False) -> Callable[[View[P]], Callable[P, Response]]:
    def decorate(view: View[P]) -> Callable[P, Response]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
            if current.member() is None:
                return _to_sign_in()
            if right is not None and door.must_set_up():
                return redirect(url_for("account.show"), 303)
            if right is not None and not may(right):
                _note_refusal(right)
                raise Forbidden
            if right is not None and is_everywhere:
                require_everywhere(right)
            return make_response(view(*args, **kwargs))

        rule = str(right) if right else "signed-in"
        guarded.staff_rule = f"{rule} everywhere" if is_everywhere else rule  # type: ignore[attr-defined]
        return guarded

    return decorate


def _to_sign_in() -> Response:
    if request.method not in ("GET", "HEAD"):
        raise Unauthorized
    back = iri_to_uri(request.full_path).removesuffix("?")
    return redirect(url_for("security.login", next=back), 303)


# ---------------------------------------------------------------- rights on campaigns


def campaign_ids(right: Right) -> set[int] | None:
    """The campaigns on which the current member has the right; None for all of them."""
    member = current.member()
    ids: set[int] = set()
    for grant in member.grants if member else ():
        if right in RIGHTS.get(grant.role, ()):
            if grant.campaign_id is None:
                return None
            ids.add(grant.campaign_id)
    return ids


def may(right: Right, campaign_id: int | None = None) -> bool:
    """Whether the current member has the right: on this campaign, or on any where none is named."""
    ids = campaign_ids(right)
    if ids is None:
        return True
    return bool(ids) if campaign_id is None else campaign_id in ids


def require(right: Right, campaign_id: int) -> None:
    """Raise `NotFound` on another's campaign, `Forbidden` on an own one without the right.

    Who may not even see a campaign is not told that it exists.
    """
    if may(right, campaign_id):
        return
    _note_refusal(right, campaign_id)
    raise Forbidden if may(Right.VIEW, campaign_id) else NotFound


def require_everywhere(right: Right) -> None:
    """Raise `Forbidden` unless the right is for all campaigns, as new campaigns and staff demand."""
    if campaign_ids(right) is not None:
        _note_refusal(right)
        raise Forbidden


def _note_refusal(right: Right, campaign_id: int | None = None) -> None:
    log.warning(
        "staff refused",
        extra={"staff_member_id": current.member_id(), "right": str(right), "campaign_id": campaign_id},
    )
