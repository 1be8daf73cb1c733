from tests.stores import database, engine, postgres_engine, postgres_server, sqlite_engine  # noqa: F401
