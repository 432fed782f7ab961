"""Officials: several addresses, out of use, imports that wait for a decision"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("officials", sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "officials", sa.Column("has_letters_to_move", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        "official_addresses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("official_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_because", sa.String(length=300), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(
            ["official_id"],
            ["officials.id"],
            name=op.f("fk_official_addresses_official_id_officials"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_official_addresses")),
        sa.UniqueConstraint("official_id", "email", name=op.f("uq_official_addresses_official_id_email")),
    )
    op.create_index(op.f("ix_official_addresses_email"), "official_addresses", ["email"])
    op.execute(
        "INSERT INTO official_addresses (official_id, email, position, added_at)"
        " SELECT id, email, 1, CURRENT_TIMESTAMP FROM officials"
    )
    op.create_table(
        "official_imports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("staff_member_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("file_name", sa.String(length=100), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_member_id"], ["staff_members.id"], name=op.f("fk_official_imports_staff_member_id_staff_members")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_official_imports")),
        sa.UniqueConstraint("public_id", name=op.f("uq_official_imports_public_id")),
    )
    op.create_index(op.f("ix_official_imports_staff_member_id"), "official_imports", ["staff_member_id"])
