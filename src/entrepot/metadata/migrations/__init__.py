"""Alembic's migrations: expand first, contract two releases later."""
