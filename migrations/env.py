"""Alembic runs each migration in one transaction, on the connection that `actionkit db upgrade` gives."""

from alembic import context

from actionkit.db import Base
from actionkit.schema import TABLES

assert TABLES  # every model is imported, so that Base.metadata is whole

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
