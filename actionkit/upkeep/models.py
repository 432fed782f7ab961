"""Who was erased, as far as that may be known: see `journal`."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from actionkit.db import Base


class Erasure(Base):
    """A line of the erase journal that this database knows: done here, and in no need of being done again."""

    __tablename__ = "erasures"

    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    erased_at: Mapped[dt.datetime] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(sa.String(8))
