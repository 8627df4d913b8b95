"""Run by alembic; the connection, its transaction and its lock are ``migrate``'s."""

from alembic import context

from offhook.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
