"""Delivery that never lies: history, health of addresses, pauses"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "delivery_health",
        sa.Column("recipient_key", sa.String(length=64), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("recipient_key", name=op.f("pk_delivery_health")),
    )
    op.create_table(
        "delivery_relay",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shut_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pause_seconds", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("answer", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_relay")),
    )
    op.create_table(
        "outgoing_moves",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("outgoing_id", BIG_ID, nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("because", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["outgoing_id"], ["outgoing.id"], name=op.f("fk_outgoing_moves_outgoing_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing_moves")),
    )
    op.create_index("ix_outgoing_moves_outgoing", "outgoing_moves", ["outgoing_id"])
    # Added one by one, without making the table anew: what points to it stays, and it costs nothing.
    op.add_column("delivery_groups", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "delivery_groups",
        sa.Column("paused_because", sa.String(length=300), server_default=sa.text("''"), nullable=False),
    )
    op.add_column("delivery_groups", sa.Column("refusals", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "delivery_groups", sa.Column("stopping", sa.String(length=8), server_default=sa.text("''"), nullable=False)
    )
    op.add_column("delivery_groups", sa.Column("stop_until_id", sa.BigInteger(), nullable=True))
    op.add_column("outgoing", sa.Column("give_up_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_outgoing_held",
        "outgoing",
        ["recipient_key"],
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
    # Until now a mail that had been refused was cancelled when its cause went, and an undo sent it
    # again. It is failed, and stays so.
    op.execute(
        "UPDATE outgoing SET state = 'failed' WHERE state = 'cancelled' AND (SELECT a.outcome FROM outgoing_attempts a"
        " WHERE a.outgoing_id = outgoing.id ORDER BY a.id DESC LIMIT 1) = 'failed'"
    )
