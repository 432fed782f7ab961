"""Bounces and replies"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "incoming_mails",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("is_cut", sa.Boolean(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finding", sa.String(length=60), nullable=False),
        sa.Column("outgoing_id", sa.BigInteger(), nullable=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incoming_mails")),
        sa.UniqueConstraint("public_id", name=op.f("uq_incoming_mails_public_id")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_incoming_mails_content_hash")),
    )
    op.create_index("ix_incoming_mails_state", "incoming_mails", ["state", "not_before", "id"])
    op.create_index("ix_incoming_mails_received_at", "incoming_mails", ["received_at"])
    op.create_table(
        "letter_answers",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("letter_id", sa.String(length=32), nullable=False),
        sa.Column("message_key", sa.String(length=64), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("official_id", sa.Integer(), nullable=False),
        sa.Column("signature_id", BIG_ID, nullable=False),
        sa.Column("incoming_id", BIG_ID, nullable=True),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_passed_on", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_letter_answers_campaign_id")),
        sa.ForeignKeyConstraint(["official_id"], ["officials.id"], name=op.f("fk_letter_answers_official_id")),
        sa.ForeignKeyConstraint(
            ["signature_id"], ["signatures.id"], name=op.f("fk_letter_answers_signature_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["incoming_id"], ["incoming_mails.id"], name=op.f("fk_letter_answers_incoming_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter_answers")),
        sa.UniqueConstraint("letter_id", "message_key", name=op.f("uq_letter_answers_letter_id_message_key")),
    )
    op.create_index("ix_letter_answers_campaign", "letter_answers", ["campaign_id", "official_id"])
    op.create_index("ix_letter_answers_signature_id", "letter_answers", ["signature_id"])
    op.create_index("ix_letter_answers_incoming_id", "letter_answers", ["incoming_id"])
    # Added in place: the ledger may hold millions of rows, and none is written anew.
    op.add_column("outgoing", sa.Column("bounces", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("mail_stops", sa.Column("reason", sa.String(length=10), server_default="owner", nullable=False))
