"""How large the tables of a database are."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

FEW = 1_000
"""Tables with fewer rows are left out."""

SQLITE_BYTES = """
    SELECT m.tbl_name, sum(iif(m.type = 'table', s.pgsize, 0)), sum(iif(m.type = 'index', s.pgsize, 0))
    FROM dbstat s JOIN sqlite_master m ON m.name = s.name GROUP BY m.tbl_name
"""
POSTGRESQL_BYTES = """
    SELECT relname, pg_table_size(oid), pg_indexes_size(oid)
    FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


@dataclass(frozen=True)
class Size:
    """A table's rows, and the bytes of them and of its indexes."""

    name: str
    rows: int
    data: int
    indexes: int


def sizes(connection: sa.Connection) -> list[Size]:
    """Of each table that has rows to speak of, the largest first."""
    is_sqlite = connection.dialect.name == "sqlite"
    found = []
    for name, data, indexes in connection.exec_driver_sql(SQLITE_BYTES if is_sqlite else POSTGRESQL_BYTES).all():
        rows = connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name))) or 0
        if rows >= FEW:
            found.append(Size(name, rows, data, indexes))
    return sorted(found, key=lambda size: size.data + size.indexes, reverse=True)
