"""What Alembic runs: the connection is handed in by `metadata/migrate.py`."""

from __future__ import annotations

from alembic import context

from entrepot.metadata.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
