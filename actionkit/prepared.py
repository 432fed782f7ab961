"""Statements of the hot path: built and compiled once, then run by the driver itself.

SQLAlchemy builds them, knows their types and names their errors; but what it does around each
execution costs five times what the driver and SQLite do together (figures: docs/performance.md),
and a signature runs six of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import sqlalchemy.exc
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from actionkit import db

Row = tuple[Any, ...]
Build = Callable[[Callable[[Any], Any]], Any]
"""(INSERT with `on_conflict_do_nothing` and `on_conflict_do_update` for the database in use) → statement"""

_INSERTS: dict[str, Callable[[Any], Any]] = {"sqlite": sqlite_insert, "postgresql": postgresql_insert}


@dataclass(frozen=True)
class _Compiled:
    """The text of a statement, and how its values become what the driver takes, by name."""

    text: str
    order: Sequence[str] | None
    """The names in the order of the text's question marks; None where the driver takes names."""
    constant: Mapping[str, Any]
    """As the driver takes them."""
    convert: Sequence[tuple[str, Callable[[Any], Any]]]
    read: Sequence[tuple[int, Callable[[Any], Any]]]
    """The places of a row at which the driver gives something else than SQLAlchemy would, and how it becomes that."""

    def parameters(self, values: Mapping[str, Any]) -> Any:
        given = {**self.constant, **values}
        for name, to_driver in self.convert:
            given[name] = to_driver(given[name])
        return given if self.order is None else [given[name] for name in self.order]

    def row(self, raw: Row) -> Row:
        if not self.read:
            return raw
        row = list(raw)
        for place, from_driver in self.read:
            row[place] = from_driver(row[place])
        return tuple(row)


class Prepared:
    """One statement for both databases: `Prepared(lambda insert: insert(Table)...)`.

    What varies goes in as named values, always the same names; an INSERT without VALUES takes a
    column for each. Rows come back as SQLAlchemy would give them.
    """

    def __init__(self, build: Build) -> None:
        self._build = build
        self._compiled: dict[str, _Compiled] = {}

    def row(self, **values: Any) -> Row | None:
        """Execute in the transaction at hand; the first row that comes back, or None."""
        compiled, cursor = self._execute(values)
        raw = cursor.fetchone()
        return None if raw is None else compiled.row(raw)

    def rows(self, **values: Any) -> list[Row]:
        """Execute in the transaction at hand; all rows that come back."""
        compiled, cursor = self._execute(values)
        return [compiled.row(raw) for raw in cursor.fetchall()]

    def changed(self, **values: Any) -> int:
        """Execute in the transaction at hand; how many rows it changed."""
        _compiled, cursor = self._execute(values)
        return int(cursor.rowcount)

    def each(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute once for each, in the transaction at hand."""
        for values in rows:
            self._execute(values)

    def _execute(self, values: Mapping[str, Any]) -> tuple[_Compiled, Any]:
        connection = db.connection()
        compiled = self._for(connection.dialect, values)
        raw: Any = connection.connection.driver_connection
        try:
            return compiled, raw.execute(compiled.text, compiled.parameters(values))
        except connection.dialect.loaded_dbapi.Error as error:
            raise _wrapped(connection, raw, error) from None

    def _for(self, dialect: sa.Dialect, values: Mapping[str, Any]) -> _Compiled:
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _compile(self._build(_INSERTS[dialect.name]), dialect, values)
        return compiled


def _compile(statement: Any, dialect: sa.Dialect, values: Mapping[str, Any]) -> _Compiled:
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(values) if statement.is_insert else None)
    types = {name: bind.type.dialect_impl(dialect) for bind, name in compiled.bind_names.items()}
    processors = {name: made for name, of_type in types.items() if (made := of_type.bind_processor(dialect))}
    constant = {name: value for name, value in compiled.params.items() if name not in values}
    for column in compiled.insert_prefetch:
        assert column.default.is_scalar, "a default that only SQLAlchemy could compute"
        constant[column.key] = column.default.arg
    # Of a number SQLAlchemy first asks the driver which kind it is; both drivers give Python's own.
    readers = (
        None
        if isinstance(each[3], sa.Numeric | sa.Float)
        else each[3].dialect_impl(dialect).result_processor(dialect, None)
        for each in compiled._result_columns
    )
    return _Compiled(
        read=[(place, from_driver) for place, from_driver in enumerate(readers) if from_driver],
        text=str(compiled),
        order=compiled.positiontup,
        constant={name: processors[name](value) if name in processors else value for name, value in constant.items()},
        convert=[(name, to_driver) for name, to_driver in processors.items() if name in values],
    )


def _wrapped(connection: sa.Connection, raw: Any, error: Exception) -> Exception:
    """The error as SQLAlchemy would raise it, without the values; a lost connection leaves the pool."""
    dialect = connection.dialect
    is_lost = dialect.is_disconnect(error, raw, None)  # type: ignore[arg-type]
    if is_lost:
        connection.invalidate(error)
    return sqlalchemy.exc.DBAPIError.instance(
        None, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, connection_invalidated=is_lost
    )
