"""Pace and modes of letters: office hours, spread, digest"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "delivery_turns",
        sa.Column("recipient_key", sa.String(length=64), nullable=False),
        sa.Column("group_key", sa.String(length=64), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("spread_gap", sa.Float(), nullable=True),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("recipient_key", "group_key", name=op.f("pk_delivery_turns")),
    )
    op.create_index("ix_delivery_turns_next", "delivery_turns", ["next_at"])
    op.create_index("ix_delivery_turns_group", "delivery_turns", ["group_key"])
    # Whoever is written to already keeps the moment of the next letter.
    op.execute(
        "INSERT INTO delivery_turns (recipient_key, group_key, next_at)"
        " SELECT DISTINCT o.recipient_key, o.group_key, r.next_at FROM outgoing o"
        " JOIN delivery_recipients r ON r.recipient_key = o.recipient_key WHERE o.lane = 'paced'"
    )
    op.drop_index("ix_outgoing_recipient", "outgoing")
    op.create_index(
        "ix_outgoing_recipient",
        "outgoing",
        ["recipient_key", "group_key", "state", "not_before", "id"],
        sqlite_where=sa.text("lane = 'paced'"),
        postgresql_where=sa.text("lane = 'paced'"),
    )
    op.create_index(
        "ix_outgoing_on_its_way",
        "outgoing",
        ["recipient_key"],
        sqlite_where=sa.text("lane = 'paced' AND state = 'sending'"),
        postgresql_where=sa.text("lane = 'paced' AND state = 'sending'"),
    )
    # Added one by one, without making the tables anew.
    empty = sa.text("''")
    op.add_column("delivery_recipients", sa.Column("zone", sa.String(64), server_default=empty, nullable=False))
    op.add_column("delivery_groups", sa.Column("office_hours", sa.String(32), server_default=empty, nullable=False))
    op.add_column("delivery_groups", sa.Column("zone", sa.String(64), server_default=sa.text("'UTC'"), nullable=False))
    op.add_column("delivery_groups", sa.Column("spread_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("officials", sa.Column("timezone", sa.String(64), server_default=empty, nullable=False))
    op.add_column("campaigns", sa.Column("office_hours", sa.String(32), server_default=empty, nullable=False))
    op.add_column("campaigns", sa.Column("spreads_letters", sa.Boolean(), server_default=sa.false(), nullable=False))
