"""Signatures in and out"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("contents", sa.String(length=10), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("first_id", BIG, nullable=False),
        sa.Column("position", BIG, nullable=False),
        sa.Column("last_id", BIG, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("bytes", BIG, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_exports_campaign_id_campaigns")),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff_members.id"], name=op.f("fk_exports_staff_id_staff_members"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
        sa.UniqueConstraint("public_id", name=op.f("uq_exports_public_id")),
    )
    op.create_index("ix_exports_campaign", "exports", ["campaign_id", "id"])
    op.create_index("ix_exports_state", "exports", ["state"])
    op.create_table(
        "signature_imports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.Column("file_name", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("header", sa.JSON(), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("consent_wording_id", sa.Integer(), nullable=True),
        sa.Column("updates_wording_id", sa.Integer(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("position", BIG, nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("good", "already", "faulty", "imported", "undone", "kept")
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_signature_imports_campaign_id_campaigns")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"],
            ["staff_members.id"],
            name=op.f("fk_signature_imports_staff_id_staff_members"),
            ondelete="SET NULL",
        ),
        *(
            sa.ForeignKeyConstraint(
                [column], ["consent_wordings.id"], name=op.f(f"fk_signature_imports_{column}_consent_wordings")
            )
            for column in ("consent_wording_id", "updates_wording_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signature_imports")),
        sa.UniqueConstraint("public_id", name=op.f("uq_signature_imports_public_id")),
    )
    op.create_index("ix_signature_imports_campaign", "signature_imports", ["campaign_id", "id"])
    op.create_index(op.f("ix_signature_imports_state"), "signature_imports", ["state"])
    of_import = ("import_id", "signature_imports.id")
    op.create_table(
        "import_files",
        sa.Column("import_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        _cascading("import_files", *of_import),
        sa.PrimaryKeyConstraint("import_id", name=op.f("pk_import_files")),
    )
    op.create_table(
        "import_faults",
        sa.Column("import_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("field", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        _cascading("import_faults", *of_import),
        sa.PrimaryKeyConstraint("import_id", "row", name=op.f("pk_import_faults")),
    )
    op.create_table(
        "imported_signatures",
        sa.Column("import_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("signature_id", BIG, autoincrement=False, nullable=False),
        _cascading("imported_signatures", *of_import),
        _cascading("imported_signatures", "signature_id", "signatures.id"),
        sa.PrimaryKeyConstraint("import_id", "signature_id", name=op.f("pk_imported_signatures")),
    )
    op.create_index(op.f("ix_imported_signatures_signature_id"), "imported_signatures", ["signature_id"])


def _cascading(table: str, column: str, key: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{key.partition('.')[0]}"
    return sa.ForeignKeyConstraint([column], [key], name=op.f(name), ondelete="CASCADE")
