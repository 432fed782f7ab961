"""Erasure, and what a restored database must know"""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Nothing yet."""
