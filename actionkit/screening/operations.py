"""What staff do: write the lists, and ask for a proof of work."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from actionkit import db
from actionkit.campaigns.models import Campaign
from actionkit.screening.models import RuleAction, RuleKind, ScreeningRule


def all_rules() -> Sequence[ScreeningRule]:
    """Both lists, what is held first, then by kind and pattern."""
    return db.session.scalars(
        sa.select(ScreeningRule).order_by(ScreeningRule.action.desc(), ScreeningRule.kind, ScreeningRule.pattern)
    ).all()


def add_rule(kind: RuleKind, pattern: str, action: RuleAction, note: str) -> bool:
    """Add a line, its pattern in canonical form; False where one with this pattern is there already."""
    values = {"kind": kind, "pattern": pattern, "action": action, "note": note, "created_at": db.now()}
    added = db.insert(ScreeningRule).values(values).on_conflict_do_nothing().returning(ScreeningRule.id)
    return db.session.execute(added).first() is not None


def remove_rule(rule_id: int) -> tuple[str, str] | None:
    """Take a line off; its kind and action, or None where it was gone before."""
    removed = (
        sa.delete(ScreeningRule)
        .where(ScreeningRule.id == rule_id)
        .returning(ScreeningRule.kind, ScreeningRule.action)
        .execution_options(synchronize_session=False)
    )
    row = db.session.execute(removed).first()
    return (row.kind, row.action) if row else None


def ask_for_proof(campaign: Campaign, *, is_on: bool) -> bool:
    """Switch the proof of work of a campaign; False where it stood so before."""
    switched = sa.update(Campaign).where(Campaign.id == campaign.id, Campaign.asks_proof.is_not(is_on))
    return bool(db.rows_changed(switched.values(asks_proof=is_on)))
