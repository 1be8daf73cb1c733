from tests.unit.auth.fixtures import clock, database, database_url, epochs, home, home_template, postgres_url

__all__ = ["clock", "database", "database_url", "epochs", "home", "home_template", "postgres_url"]
