from tests.nodes import node
from tests.stores import database, engine, postgres_engine, postgres_server, sqlite_engine

__all__ = ["database", "engine", "node", "postgres_engine", "postgres_server", "sqlite_engine"]
