"""Which signatures a removal is about: what staff asked for, as conditions of the database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from actionkit.signing.models import Signature, Submission
from actionkit.signing.submissions import SPEAKS_FOR_IT
from actionkit.signing.taking_out import CAN_BE_TAKEN_OUT


@dataclass(frozen=True)
class Rule:
    """Which signatures; what is empty asks for nothing, and all that is not must hold.

    It looks at the submission that speaks for a signature: the one that counts, or its latest.
    """

    domain: str = ""
    """Of the address, as `screening.lists.canonical_pattern` has it: `*` for any characters, `?` for one."""
    network: str = ""
    """Under the key of its day, as `submissions.network` has it."""
    country: str = ""
    name: str = ""
    """Somewhere in the name."""
    comment: str = ""
    """Somewhere in the comment."""
    state: str = ""
    reason: str = ""
    """Why it is held."""
    signed_from: dt.datetime | None = None
    signed_before: dt.datetime | None = None

    @property
    def criteria(self) -> list[str]:
        """The names of what is asked for, and never a value: those may be a supporter's."""
        return [each.name for each in fields(self) if getattr(self, each.name)]

    @property
    def is_enough(self) -> bool:
        """Whether it asks for anything but a state, which would be everybody."""
        return any(name != "state" for name in self.criteria)

    def stored(self) -> dict[str, str]:
        values = {name: getattr(self, name) for name in self.criteria}
        return {name: v.isoformat() if isinstance(v, dt.datetime) else v for name, v in values.items()}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Rule:
        """The rule of a removal."""
        known = {each.name: stored[each.name] for each in fields(cls) if each.name in stored}
        for name in ("signed_from", "signed_before"):
            if name in known:
                known[name] = dt.datetime.fromisoformat(known[name])
        return cls(**known)

    @property
    def states(self) -> tuple[str, ...]:
        return (self.state,) if self.state else CAN_BE_TAKEN_OUT

    def holds(self) -> list[sa.ColumnElement[bool]]:
        """The rule as conditions. What staff typed is looked for as it is: only a domain knows a wildcard."""
        texts = ((self.name, Submission.name), (self.comment, Submission.comment))
        found = [column.icontains(text, autoescape=True) for text, column in texts if text]
        if self.domain:
            # Nothing else in a pattern of a domain is a wildcard of LIKE.
            pattern = self.domain.replace("*", "%").replace("?", "_")
            found.append(Signature.canonical_email.like(f"%@{pattern}"))
        exact = (
            (self.network, Submission.network),
            (self.country, Submission.country),
            (self.reason, Signature.state_reason),
        )
        found += [column == value for value, column in exact if value]
        if self.signed_from:
            found.append(Signature.signed_at >= self.signed_from)
        if self.signed_before:
            found.append(Signature.signed_at < self.signed_before)
        return found


def matching(campaign_id: int, rule: Rule, *which: sa.ColumnElement[bool]) -> sa.Select[int]:
    """The ids of the signatures for which the rule holds."""
    return (
        sa.select(Signature.id)
        # The first condition is for the database: it lets a range of ids be a range of submissions too.
        .join(Submission, sa.and_(Submission.signature_id == Signature.id, SPEAKS_FOR_IT))
        .where(Signature.campaign_id == campaign_id, Signature.state.in_(rule.states), *rule.holds(), *which)
    )


def in_range(after: int, up_to: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        Signature.id > after,
        Signature.id <= up_to,
        Submission.signature_id > after,
        Submission.signature_id <= up_to,
    )
