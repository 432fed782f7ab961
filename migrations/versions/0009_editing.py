"""The campaign editor: versions of all that is said, drafts of what is typed, and how a campaign pauses and ends"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("campaigns", sa.Column("signing_paused_at", moment, nullable=True))
    op.add_column("campaigns", sa.Column("signing_back_at", moment, nullable=True))
    op.add_column("campaigns", sa.Column("successor", sa.String(100), server_default=sa.text("''"), nullable=False))
    op.add_column("campaigns", sa.Column("archived_at", moment, nullable=True))
    op.add_column("campaign_texts", sa.Column("closing", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.create_table(
        "versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(10), nullable=False),
        sa.Column("restored_number", sa.Integer(), nullable=True),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("staff_member_id", sa.Integer(), nullable=True),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_member_id"], ["staff_members.id"], name=op.f("fk_versions_staff_member_id_staff_members")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
        sa.UniqueConstraint("subject", "number", name=op.f("uq_versions_subject_number")),
    )
    op.create_table(
        "editing_drafts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_member_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("typed", sa.JSON(), nullable=False),
        sa.Column("saved_at", moment, nullable=False),
        sa.Column("discarded_at", moment, nullable=True),
        sa.ForeignKeyConstraint(
            ["staff_member_id"], ["staff_members.id"], name=op.f("fk_editing_drafts_staff_member_id_staff_members")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_editing_drafts")),
        sa.UniqueConstraint("staff_member_id", "subject", name=op.f("uq_editing_drafts_staff_member_id_subject")),
    )
