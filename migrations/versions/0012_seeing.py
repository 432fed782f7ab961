"""Seeing: signatures by day, language and source; what was sent in; how often pages were opened"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    # Traces that wait now keep an empty language: what they say is among the signatures counted below.
    op.add_column("count_traces", sa.Column("language", sa.String(35), nullable=True))
    op.add_column("count_traces", sa.Column("source", sa.String(10), server_default=sa.text("''"), nullable=False))
    op.create_index("ix_count_buckets_hour", "count_buckets", ["hour"])
    op.create_table(
        "signed_traces",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("signed", sa.Integer(), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_signed_traces_campaign_id_campaigns")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signed_traces")),
    )
    op.create_table(
        "count_days",
        sa.Column("measure", sa.String(10), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("value", sa.String(35), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_count_days_campaign_id_campaigns")),
        sa.PrimaryKeyConstraint("measure", "campaign_id", "day", "value", name=op.f("pk_count_days")),
    )
    _count_what_is_there()


def _count_what_is_there() -> None:
    """One look at the signatures, which may be millions; the rest is small."""
    counted = (
        sa.select(
            signatures.c.campaign_id,
            _day(signatures.c.confirmed_at).label("day"),
            submissions.c.country,
            submissions.c.language,
            submissions.c.source,
            sa.func.count().label("number"),
        )
        .join(submissions, submissions.c.id == signatures.c.submission_id)
        .where(signatures.c.state == "confirmed")
        .group_by(sa.text("1, 2, 3, 4, 5"))
        .cte("counted")
    )
    parts = [
        sa.select(
            sa.literal(measure), counted.c.campaign_id, counted.c.day, counted.c[measure], sa.func.sum(counted.c.number)
        ).group_by(counted.c.campaign_id, counted.c.day, counted.c[measure])
        for measure in ("country", "language", "source")
    ]
    op.execute(sa.insert(count_days).from_select(COLUMNS, sa.union_all(*parts)))
    signed = sa.select(
        sa.literal("signed"),
        signatures.c.campaign_id,
        _day(signatures.c.signed_at).label("day"),
        sa.literal(""),
        sa.func.count(),
    ).group_by(sa.text("2, 3"))
    op.execute(sa.insert(count_days).from_select(COLUMNS, signed))
    month = _month(count_days.c.day)
    sums = sa.select(
        count_days.c.measure + "-m",
        count_days.c.campaign_id,
        month,
        count_days.c.value,
        sa.func.sum(count_days.c.number),
    ).group_by(count_days.c.measure, count_days.c.campaign_id, month, count_days.c.value)
    op.execute(sa.insert(count_days).from_select(COLUMNS, sums))


def _day(moment: sa.ColumnElement[object]) -> sa.ColumnElement[object]:
    """The day of a moment in UTC."""
    if op.get_bind().dialect.name == "sqlite":
        return sa.func.date(moment)
    return sa.cast(sa.func.timezone("UTC", moment), sa.Date)


def _month(day: sa.ColumnElement[object]) -> sa.ColumnElement[object]:
    """The first day of a day's month."""
    if op.get_bind().dialect.name == "sqlite":
        return sa.func.date(day, sa.literal_column("'start of month'"))
    return sa.cast(sa.func.date_trunc(sa.literal_column("'month'"), sa.cast(day, sa.TIMESTAMP)), sa.Date)


COLUMNS = ("measure", "campaign_id", "day", "value", "number")
count_days = sa.table("count_days", *map(sa.column, COLUMNS))
signatures = sa.table(
    "signatures", *map(sa.column, ("campaign_id", "state", "submission_id", "signed_at", "confirmed_at"))
)
submissions = sa.table("submissions", *map(sa.column, ("id", "country", "language", "source")))
