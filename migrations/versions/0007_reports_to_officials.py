"""Reports to officials in place of letters"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("officials", sa.Column("wants_digest", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column(
        "consent_wordings", sa.Column("names_to_officials", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    # Words that people saw beside a letter said that their names go to officials; all others did not.
    op.execute(
        "UPDATE consent_wordings SET names_to_officials = true WHERE purpose = 'sign' AND EXISTS ("
        "SELECT 1 FROM submissions s WHERE s.consent_wording_id = consent_wordings.id"
        " AND s.letter_version_id IS NOT NULL)"
    )
    op.create_table(
        "reports",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("official_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("countries", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_reports_campaign_id_campaigns")),
        sa.ForeignKeyConstraint(["official_id"], ["officials.id"], name=op.f("fk_reports_official_id_officials")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint("campaign_id", "official_id", "day", name=op.f("uq_reports_campaign_id_official_id_day")),
    )
    op.create_index(op.f("ix_reports_official_id"), "reports", ["official_id"])
