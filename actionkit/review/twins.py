"""Likely twins: addresses on one campaign that a mail provider delivers to one person.

`ann.example+petition@gmail.com` and `annexample@googlemail.com` are one mailbox, or so the table of
providers says. They are shown to staff, never refused and never merged: the table may be wrong, and
two people who share a mailbox are two people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from actionkit import db
from actionkit.review.models import AddressTwin, Cursor, ProviderRule
from actionkit.signing.models import Signature, SignatureState, Submission
from actionkit.signing.submissions import SPEAKS_FOR_IT

CURSOR = "twins"
"""The cursor over signatures: see `watch.look_at_twins`."""

PER_PAGE = 25
SHOWN_OF_A_GROUP = 10

STANDING = (SignatureState.PENDING, SignatureState.CONFIRMED, SignatureState.HELD)
"""A signature in another state is settled, and no longer anybody's twin."""


# ---------------------------------------------------------------- the key


@dataclass(frozen=True)
class Provider:
    """What a provider ignores in an address: see `models.ProviderRule`."""

    same_as: str = ""
    ignores_dots: bool = False
    tag_separator: str = ""


def twin_key(address: str, providers: Mapping[str, Provider]) -> str | None:
    """What a canonical address has in common with its twins; None where the provider is not known.

    A domain that is another name of a known one follows that one's rule.
    """
    local, _at, domain = address.rpartition("@")
    provider = providers.get(domain)
    if provider is None or not local:
        return None
    seen = {domain}
    while provider.same_as in providers and provider.same_as not in seen:
        domain = provider.same_as
        provider = providers[domain]
        seen.add(domain)
    if provider.tag_separator:
        local = local.partition(provider.tag_separator)[0] or local
    if provider.ignores_dots:
        local = local.replace(".", "") or local
    return f"{local}@{domain}"


def providers() -> dict[str, Provider]:
    return {
        rule.domain: Provider(rule.same_as, rule.ignores_dots, rule.tag_separator)
        for rule in db.session.scalars(sa.select(ProviderRule))
    }


# ---------------------------------------------------------------- the table of providers


def all_rules() -> Sequence[ProviderRule]:
    return db.session.scalars(sa.select(ProviderRule).order_by(ProviderRule.domain)).all()


def find_rule(domain: str) -> ProviderRule | None:
    return db.session.get(ProviderRule, domain)


def aliases_of(domain: str) -> list[str]:
    """The domains that are other names of this one."""
    of_it = sa.select(ProviderRule.domain).where(ProviderRule.same_as == domain).order_by(ProviderRule.domain)
    return list(db.session.scalars(of_it))


def save_rule(domain: str, provider: Provider) -> None:
    """Add a provider or change it, and begin to compute all twins anew."""
    values = {
        "same_as": provider.same_as,
        "ignores_dots": provider.ignores_dots,
        "tag_separator": provider.tag_separator,
    }
    added = db.insert(ProviderRule).values(domain=domain, **values)
    db.session.execute(added.on_conflict_do_update(index_elements=["domain"], set_=values))
    _begin_anew()


def remove_rule(domain: str) -> bool:
    """Forget a provider, and begin to compute all twins anew; False where it was not there."""
    is_gone = db.rows_changed(sa.delete(ProviderRule).where(ProviderRule.domain == domain)) > 0
    if is_gone:
        _begin_anew()
    return is_gone


def _begin_anew() -> None:
    """Send the job back to the first signature. It replaces the keys as it goes.

    Until it has come by, an old key stays: to delete a million at once would hold up signing.
    """
    begun = db.insert(Cursor).values(name=CURSOR, position=0)
    db.session.execute(begun.on_conflict_do_update(index_elements=["name"], set_={"position": 0}))


# ---------------------------------------------------------------- what the job writes


def replace_keys(after_id: int, signatures: Sequence[Any]) -> None:
    """Give these signatures (id, campaign_id, canonical_email; ids ascending from `after_id`) their keys."""
    known = providers()
    keys = [(row.id, row.campaign_id, twin_key(row.canonical_email, known)) for row in signatures]
    last_id = signatures[-1].id
    db.session.execute(
        sa.delete(AddressTwin).where(AddressTwin.signature_id > after_id, AddressTwin.signature_id <= last_id)
    )
    rows = [{"signature_id": id_, "campaign_id": campaign_id, "twin_key": key} for id_, campaign_id, key in keys if key]
    if rows:
        db.session.connection().execute(db.insert(AddressTwin), rows)


# ---------------------------------------------------------------- what staff see


@dataclass(frozen=True)
class Group:
    """Signatures of one campaign that are likely one person's; the first of them, and how many there are."""

    signatures: Sequence[sa.Row[*tuple[Any, ...]]]
    count: int


@dataclass(frozen=True)
class Groups:
    """Some groups; where they go on, `next_after` is what to ask for."""

    groups: Sequence[Group]
    next_after: str


def groups(campaign_id: int, *, after: str = "", most: int = PER_PAGE) -> Groups:
    """Groups with at least two signatures that stand, in the order of their keys.

    `after` is the public id of any signature of the group before; what is none begins at the first.
    A walk along the index of the keys, which stops where the page is full.
    """
    key = _key_of(campaign_id, after)
    found = _groups(campaign_id, lambda twin_key: [] if key is None else [twin_key > key], most + 1)
    if len(found) <= most:
        return Groups(found, "")
    shown = found[:most]
    return Groups(shown, next((s.public_id for s in shown[-1].signatures), ""))


def groups_of(campaign_id: int, public_id: str) -> Groups:
    """The group of one signature, if it has a twin."""
    key = _key_of(campaign_id, public_id)
    return Groups([] if key is None else _groups(campaign_id, lambda twin_key: [twin_key == key], 1), "")


def _groups(campaign_id: int, which: Callable[[Any], list[sa.ColumnElement[bool]]], most: int) -> list[Group]:
    twin, other = aliased(AddressTwin), aliased(AddressTwin)
    standing = (
        sa.select(sa.func.count())
        .select_from(other)
        .where(other.campaign_id == campaign_id, other.twin_key == twin.twin_key, _stands(other))
        .scalar_subquery()
    )
    query = (
        sa.select(twin.twin_key, standing.label("standing"))
        .where(twin.campaign_id == campaign_id, *which(twin.twin_key))
        .group_by(twin.twin_key)
        .having(sa.and_(sa.func.count() > 1, standing > 1))
        .order_by(twin.twin_key)
        .limit(most)
    )
    return [Group(_signatures(campaign_id, row.twin_key), row.standing) for row in db.session.execute(query)]


def _key_of(campaign_id: int, public_id: str) -> str | None:
    if not public_id:
        return None
    return db.session.scalar(
        sa.select(AddressTwin.twin_key)
        .join(Signature, Signature.id == AddressTwin.signature_id)
        .where(Signature.public_id == public_id, AddressTwin.campaign_id == campaign_id)
    )


def _signatures(campaign_id: int, key: str) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    return db.session.execute(
        sa.select(
            Signature.public_id,
            Signature.state,
            Signature.state_reason,
            Signature.signed_at,
            Submission.name,
            Submission.email,
            Submission.country,
        )
        .join(AddressTwin, AddressTwin.signature_id == Signature.id)
        .join(Submission, SPEAKS_FOR_IT)
        .where(AddressTwin.campaign_id == campaign_id, AddressTwin.twin_key == key)
        .where(Signature.state.in_(STANDING))
        .order_by(Signature.id)
        .limit(SHOWN_OF_A_GROUP)
    ).all()


def among(campaign_id: int, signature_ids: Iterable[int]) -> set[int]:
    """Those of some signatures that stand and have a likely twin that does."""
    own, other = aliased(AddressTwin), aliased(AddressTwin)
    has_twin = (
        sa.select(other.signature_id)
        .where(other.campaign_id == campaign_id, other.twin_key == own.twin_key)
        .where(other.signature_id != own.signature_id, _stands(other))
        .exists()
    )
    return set(
        db.session.scalars(
            sa.select(own.signature_id).where(own.signature_id.in_([*signature_ids]), _stands(own), has_twin)
        )
    )


def _stands(twin: type[AddressTwin]) -> sa.ColumnElement[bool]:
    """Its signature stands. No join: SQLite would begin with all signatures of the campaign that do."""
    state = sa.select(Signature.state).where(Signature.id == twin.signature_id).scalar_subquery()
    return state.in_(STANDING)
