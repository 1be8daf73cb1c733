from tests.unit.auth.fixtures import clock, database, database_url, epochs, home, home_template, key, postgres_url

__all__ = ["clock", "database", "database_url", "epochs", "home", "home_template", "key", "postgres_url"]
