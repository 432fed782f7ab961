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

    def parameters(self, values: Mapping[str, Any]) -> Any:
        given = {**self.constant, **values}
        for name, to_driver in self.convert:
            given[name] = to_driver(given[name])
        return given if self.order is None else [given[name] for name in self.order]


class Prepared:
    """One statement for both databases: `Prepared(lambda insert: insert(Table)...)`.

    What varies goes in as named values, always the same names; an INSERT without VALUES takes a
    column for each. Rows come back as the driver has them: select numbers and texts only.
    """

    def __init__(self, build: Build) -> None:
        self._build = build
        self._compiled: dict[str, _Compiled] = {}

    def row(self, **values: Any) -> Row | None:
        """Execute in the transaction at hand; the first row that comes back, or None."""
        connection = db.session.connection()
        compiled = self._for(connection.dialect, values)
        raw: Any = connection.connection.driver_connection
        try:
            row: Row | None = raw.execute(compiled.text, compiled.parameters(values)).fetchone()
        except connection.dialect.loaded_dbapi.Error as error:
            raise _wrapped(connection, raw, error) from None
        return row

    def each(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute once for each, in the transaction at hand."""
        connection = db.session.connection()
        raw: Any = connection.connection.driver_connection
        try:
            for values in rows:
                compiled = self._for(connection.dialect, values)
                raw.execute(compiled.text, compiled.parameters(values))
        except connection.dialect.loaded_dbapi.Error as error:
            raise _wrapped(connection, raw, error) from None

    def _for(self, dialect: sa.Dialect, values: Mapping[str, Any]) -> _Compiled:
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _compile(self._build(_INSERTS[dialect.name]), dialect, values)
        return compiled


def _compile(statement: Any, dialect: sa.Dialect, values: Mapping[str, Any]) -> _Compiled:
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(values))
    types = {name: bind.type.dialect_impl(dialect) for bind, name in compiled.bind_names.items()}
    processors = {name: made for name, of_type in types.items() if (made := of_type.bind_processor(dialect))}
    constant = {name: value for name, value in compiled.params.items() if name not in values}
    for column in compiled.insert_prefetch:
        assert column.default.is_scalar, "a default that only SQLAlchemy could compute"
        constant[column.key] = column.default.arg
    return _Compiled(
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
