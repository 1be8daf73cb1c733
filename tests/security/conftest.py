from tests.security.places import place, site
from tests.stores import postgres_engine, postgres_server

__all__ = ["place", "postgres_engine", "postgres_server", "site"]
