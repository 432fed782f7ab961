"""Delivery that never lies: history, health of addresses, pauses"""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nothing yet."""
