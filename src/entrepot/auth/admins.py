"""Who administers: somebody always does, and never the anonymous user."""

from __future__ import annotations

from entrepot.errors import Denied, Invalid
from entrepot.metadata.database import Tx
from entrepot.metadata.sql import sql

_ADMINS = sql("""
SELECT COUNT(*) FROM account WHERE disabled = 0 AND name <> 'anonymous' AND (admin = 1 OR EXISTS (
  SELECT 1 FROM membership JOIN team ON team.id = membership.team_id
  WHERE membership.account_id = account.id AND team.admin = 1))
""")
_ANONYMOUS_ADMIN = sql("""
SELECT team.name FROM account JOIN membership ON membership.account_id = account.id
JOIN team ON team.id = membership.team_id WHERE account.name = 'anonymous' AND team.admin = 1
""")


class LastAdmin(Denied):
    """There must be at least one enabled administrator."""


async def keep_one(tx: Tx) -> None:
    """Refuse the transaction if it would leave nobody who administers. Raises LastAdmin."""
    row = await tx.row(_ADMINS)
    if row is None or not row[0]:
        raise LastAdmin


async def check_members(tx: Tx) -> None:
    """Refuse the transaction if memberships would leave nobody who administers, or let anybody. Raises LastAdmin, Invalid."""
    row = await tx.row(_ANONYMOUS_ADMIN)
    if row is not None:
        raise Invalid(f"The user 'anonymous' cannot be in '{row[0]}', a group with admin privileges.")
    await keep_one(tx)
