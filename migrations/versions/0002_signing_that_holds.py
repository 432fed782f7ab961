"""Signing that holds: screening, review, expiry, milestones"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

PLUS, DASH = "+", "-"
PROVIDERS = (
    # domain, another name of, ignores dots, what begins a tag (each provider's own help pages)
    ("gmail.com", "", True, PLUS),
    ("googlemail.com", "gmail.com", True, PLUS),
    ("outlook.com", "", False, PLUS),
    ("hotmail.com", "", False, PLUS),
    ("live.com", "", False, PLUS),
    ("msn.com", "", False, PLUS),
    ("icloud.com", "", False, PLUS),
    ("me.com", "icloud.com", False, PLUS),
    ("mac.com", "icloud.com", False, PLUS),
    ("proton.me", "", True, PLUS),
    ("protonmail.com", "proton.me", True, PLUS),
    ("pm.me", "proton.me", True, PLUS),
    ("fastmail.com", "", False, PLUS),
    ("fastmail.fm", "", False, PLUS),
    ("zoho.com", "", False, PLUS),
    ("yandex.ru", "", True, PLUS),
    ("yandex.com", "yandex.ru", True, PLUS),
    ("ya.ru", "yandex.ru", True, PLUS),
    ("mailbox.org", "", False, PLUS),
    ("posteo.de", "", False, PLUS),
    ("posteo.net", "posteo.de", False, PLUS),
    ("yahoo.com", "", False, DASH),
    ("ymail.com", "", False, DASH),
)


def upgrade() -> None:
    op.create_table(
        "mail_stops",
        sa.Column("canonical_email", sa.String(length=320), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("canonical_email", name=op.f("pk_mail_stops")),
    )
    op.create_table(
        "provider_rules",
        sa.Column("domain", sa.String(length=253), nullable=False),
        sa.Column("same_as", sa.String(length=253), nullable=False),
        sa.Column("ignores_dots", sa.Boolean(), nullable=False),
        sa.Column("tag_separator", sa.String(length=1), nullable=False),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_provider_rules")),
    )
    op.create_table(
        "review_cursors",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_review_cursors")),
    )
    op.create_table(
        "screening_rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("pattern", sa.String(length=320), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("note", sa.String(length=300), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screening_rules")),
        sa.UniqueConstraint("kind", "pattern", name=op.f("uq_screening_rules_kind_pattern")),
    )
    op.create_table(
        "used_proofs",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_used_proofs")),
    )
    op.create_index("ix_used_proofs_expires_at", "used_proofs", ["expires_at"])

    op.create_table(
        "count_milestones",
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("is_goal", sa.Boolean(), nullable=False),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_count_milestones_campaign_id")),
        sa.PrimaryKeyConstraint("campaign_id", "threshold", name=op.f("pk_count_milestones")),
    )
    op.create_table(
        "removals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("last_signature_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("restored", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_removals_campaign_id")),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff_members.id"], name=op.f("fk_removals_staff_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_removals")),
        sa.UniqueConstraint("public_id", name=op.f("uq_removals_public_id")),
    )
    op.create_index("ix_removals_campaign", "removals", ["campaign_id", "id"])

    op.create_table(
        "staff_alerts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("value", sa.String(length=253), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signatures", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_staff_alerts_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_alerts")),
        sa.UniqueConstraint(
            "campaign_id", "kind", "value", "hour", name=op.f("uq_staff_alerts_campaign_id_kind_value_hour")
        ),
    )
    op.create_table(
        "trends",
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("value", sa.String(length=253), nullable=False),
        sa.Column("signatures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_trends_campaign_id")),
        sa.PrimaryKeyConstraint("campaign_id", "hour", "kind", "value", name=op.f("pk_trends")),
    )
    op.create_table(
        "address_twins",
        sa.Column(
            "signature_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("twin_key", sa.String(length=320), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_address_twins_campaign_id")),
        sa.ForeignKeyConstraint(
            ["signature_id"], ["signatures.id"], name=op.f("fk_address_twins_signature_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("signature_id", name=op.f("pk_address_twins")),
    )
    op.create_index("ix_address_twins_key", "address_twins", ["campaign_id", "twin_key"])

    op.create_table(
        "removed_signatures",
        sa.Column("removal_id", sa.Integer(), nullable=False),
        sa.Column("signature_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("was_state", sa.String(length=12), nullable=False),
        sa.Column("was_reason", sa.String(length=60), nullable=False),
        sa.Column("was_name_public", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["removal_id"], ["removals.id"], name=op.f("fk_removed_signatures_removal_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["signature_id"], ["signatures.id"], name=op.f("fk_removed_signatures_signature_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("removal_id", "signature_id", name=op.f("pk_removed_signatures")),
    )
    op.create_index("ix_removed_signatures_signature_id", "removed_signatures", ["signature_id"])

    with op.batch_alter_table("campaign_counts") as batch_op:
        batch_op.add_column(sa.Column("removed", sa.Integer(), server_default="0", nullable=False))

    with op.batch_alter_table("campaigns") as batch_op:
        batch_op.add_column(sa.Column("asks_proof", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("shows_removed", sa.Boolean(), server_default=sa.false(), nullable=False))

    with op.batch_alter_table("count_traces") as batch_op:
        batch_op.add_column(sa.Column("removed", sa.Integer(), server_default="0", nullable=False))

    with op.batch_alter_table("signatures") as batch_op:
        batch_op.add_column(sa.Column("reminders", sa.SmallInteger(), server_default="0", nullable=False))
        # One index for both questions: has this address signed it, and what did this person sign.
        batch_op.drop_index("ix_signatures_canonical_email")
        batch_op.drop_constraint("uq_signatures_campaign_id_canonical_email", type_="unique")
        batch_op.create_unique_constraint(
            "uq_signatures_canonical_email_campaign_id", ["canonical_email", "campaign_id"]
        )

    with op.batch_alter_table("submissions") as batch_op:
        batch_op.add_column(sa.Column("network", sa.String(length=32), server_default=sa.text("''"), nullable=False))
        batch_op.add_column(sa.Column("seconds_on_form", sa.Integer(), nullable=True))

    op.drop_index("ix_outgoing_recipient", "outgoing")
    op.create_index(
        "ix_outgoing_recipient",
        "outgoing",
        ["recipient_key", "state", "not_before"],
        sqlite_where=sa.text("lane = 'paced'"),
        postgresql_where=sa.text("lane = 'paced'"),
    )

    rules = sa.table(
        "provider_rules",
        *(sa.column(name) for name in ("domain", "same_as", "tag_separator")),
        sa.column("ignores_dots", sa.Boolean),
    )
    op.bulk_insert(
        rules,
        [
            {"domain": domain, "same_as": same_as, "ignores_dots": dots, "tag_separator": tag}
            for domain, same_as, dots, tag in PROVIDERS
        ],
    )
