from tests.stores import postgres_engine, postgres_server, sqlite_engine  # noqa: F401
