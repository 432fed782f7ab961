"""Invitations, second factors and sessions of staff; the audit trail as a chain that cannot be changed"""

import datetime as dt
import hashlib
import json

import sqlalchemy as sa
from alembic import op

from actionkit.security import make_tag

revision = "0008"
down_revision = "0007"

ROWS_AT_ONCE = 1_000


def upgrade() -> None:
    _members()
    _links()
    _second_factors()
    _sessions()
    op.add_column("audit_entries", sa.Column("chain_hash", sa.String(64), server_default="", nullable=False))
    op.create_index("ix_audit_entries_subject_id", "audit_entries", ["subject", "id"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("entry_hash", sa.String(64), nullable=False),
        sa.Column("tag", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    _chain_what_is_there()
    _refuse_changes()


def _members() -> None:
    with op.batch_alter_table("staff_members") as batch:
        batch.add_column(sa.Column("last_signed_in_at", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("totp_secret", sa.String(500), nullable=True))
        batch.add_column(sa.Column("totp_last_counter", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("wrong_codes", sa.Integer(), server_default="0", nullable=False))
        batch.add_column(sa.Column("wrong_codes_since", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("passkey_handle", sa.String(32), nullable=True))
        batch.create_unique_constraint(op.f("uq_staff_members_passkey_handle"), ["passkey_handle"])


def _links() -> None:
    with op.batch_alter_table("staff_sign_in_links") as batch:
        batch.add_column(sa.Column("purpose", sa.String(12), server_default="sign-in", nullable=False))
        batch.add_column(sa.Column("language", sa.String(35), server_default="en", nullable=False))
        batch.add_column(sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True))


def _second_factors() -> None:
    op.create_table(
        "staff_passkeys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(32), nullable=False),
        sa.Column("staff_member_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("credential_id", sa.String(1400), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["staff_member_id"], ["staff_members.id"], name=op.f("fk_staff_passkeys_staff_member_id_staff_members")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_staff_passkeys_credential_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_staff_passkeys_public_id")),
    )
    op.create_index(op.f("ix_staff_passkeys_staff_member_id"), "staff_passkeys", ["staff_member_id"])
    op.create_table(
        "staff_recovery_codes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_member_id", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["staff_member_id"],
            ["staff_members.id"],
            name=op.f("fk_staff_recovery_codes_staff_member_id_staff_members"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_recovery_codes")),
    )
    op.create_index(op.f("ix_staff_recovery_codes_staff_member_id"), "staff_recovery_codes", ["staff_member_id"])


def _sessions() -> None:
    op.create_table(
        "staff_sessions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.String(32), nullable=False),
        sa.Column("staff_member_id", sa.Integer(), nullable=False),
        sa.Column("browser", sa.String(24), nullable=False),
        sa.Column("system", sa.String(24), nullable=False),
        sa.Column("signed_in_by", sa.String(24), nullable=False),
        sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["staff_member_id"], ["staff_members.id"], name=op.f("fk_staff_sessions_staff_member_id_staff_members")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_sessions")),
        sa.UniqueConstraint("public_id", name=op.f("uq_staff_sessions_public_id")),
    )
    op.create_index(op.f("ix_staff_sessions_staff_member_id"), "staff_sessions", ["staff_member_id"])
    op.create_index(op.f("ix_staff_sessions_signed_in_at"), "staff_sessions", ["signed_in_at"])


# ---------------------------------------------------------------- the trail


def _chain_what_is_there() -> None:
    """As `staff/audit_chain.link` does, whose form is fixed for ever."""
    entries = sa.table(
        "audit_entries",
        sa.column("id", sa.BigInteger()),
        sa.column("at", sa.DateTime(timezone=True)),
        sa.column("staff_member_id", sa.Integer()),
        sa.column("action", sa.String()),
        sa.column("subject", sa.String()),
        sa.column("detail", sa.JSON()),
        sa.column("chain_hash", sa.String()),
    )
    connection = op.get_bind()
    mark = sa.update(entries).where(entries.c.id == sa.bindparam("this")).values(chain_hash=sa.bindparam("linked"))
    last_id, last_hash = 0, "0" * 64
    find = sa.select(entries).order_by(entries.c.id).limit(ROWS_AT_ONCE)
    while rows := connection.execute(find.where(entries.c.id > last_id)).all():
        marks = []
        for row in rows:
            at = row.at.replace(tzinfo=dt.UTC) if row.at.tzinfo is None else row.at.astimezone(dt.UTC)
            content = [
                at.isoformat(timespec="microseconds"), row.staff_member_id, row.action, row.subject, row.detail
            ]  # fmt: skip
            text = json.dumps(content, sort_keys=True, separators=(",", ":"))
            last_id, last_hash = row.id, hashlib.sha256(f"{last_hash}\n{text}".encode()).hexdigest()
            marks.append({"this": last_id, "linked": last_hash})
        connection.execute(mark, marks)
    head = sa.table("audit_head", *(sa.column(name) for name in ("id", "entry_id", "entry_hash", "tag")))
    tag = make_tag("audit-head", f"{last_id}.{last_hash}")
    connection.execute(sa.insert(head).values(id=1, entry_id=last_id, entry_hash=last_hash, tag=tag))


def _refuse_changes() -> None:
    """Who builds `audit_entries` anew on SQLite in a later migration makes its triggers anew as well."""
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_entries_no_{change.lower()} BEFORE {change} ON audit_entries "
                "BEGIN SELECT RAISE(ABORT, 'an entry of the audit trail is never changed'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_entries_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION 'an entry of the audit trail is never changed'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_entries_no_change BEFORE UPDATE OR DELETE ON audit_entries "
        "FOR EACH ROW EXECUTE FUNCTION audit_entries_refuse()"
    )
    op.execute(
        "CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_refuse()"
    )
