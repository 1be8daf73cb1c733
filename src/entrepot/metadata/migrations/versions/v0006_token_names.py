"""The groups and roles that the scopes of tokens name, by which those tokens are found when one of them is deleted."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from entrepot.access.scopes import named
from entrepot.metadata.schema import metadata

revision = "0006"
down_revision = "0005"

_PAGE = text("""
SELECT id, scope FROM token WHERE id > :after AND (scope LIKE '%groups:%' OR scope LIKE '%roles:%') ORDER BY id LIMIT 1000
""")


def upgrade() -> None:
    """Add the table, and in it what the tokens name that there are."""
    connection = op.get_bind()
    table = metadata.tables["token_name"]
    metadata.create_all(connection, tables=[table])
    after = ""
    while rows := connection.execute(_PAGE, {"after": after}).all():
        found = [
            {"name": name, "project": project, "token_id": token_id}
            for token_id, scope in rows
            for project, name in named(scope)
        ]
        if found:
            connection.execute(table.insert(), found)
        after = rows[-1][0]
