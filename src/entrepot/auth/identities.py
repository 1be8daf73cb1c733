"""Who there is: accounts as authentication asks for them, remembered while the security epoch stands."""

from __future__ import annotations

from entrepot.auth import accounts
from entrepot.auth.accounts import Account
from entrepot.auth.epochs import Epochs
from entrepot.auth.recent import Recent
from entrepot.metadata.database import Database

_REMEMBERED = 10_000


class Identities:
    """Cached point reads of accounts. One object per process, used on its loop."""

    def __init__(self, database: Database, epochs: Epochs) -> None:
        self._database = database
        self._epochs = epochs
        self._epoch = -1
        self._by_name: Recent[str, Account] = Recent(_REMEMBERED)
        self._by_id: Recent[int, Account] = Recent(_REMEMBERED)

    async def by_name(self, name: str) -> Account | None:
        """Return the account of a name, disabled or not. Raises DatabaseUnavailable."""
        name = name.lower()
        epoch = self._look()
        if (known := self._by_name.get(name)) is not None:
            return known
        found = await accounts.find(self._database, name)
        if found is not None:
            self._keep(found, epoch)
        return found

    async def by_id(self, account_id: int) -> Account | None:
        """Return the account with an id, disabled or not. Raises DatabaseUnavailable."""
        epoch = self._look()
        if (known := self._by_id.get(account_id)) is not None:
            return known
        found = await accounts.find_id(self._database, account_id)
        if found is not None:
            self._keep(found, epoch)
        return found

    def _look(self) -> int:
        epoch = self._epochs.security()
        if epoch != self._epoch:
            self._by_name.clear()
            self._by_id.clear()
            self._epoch = epoch
        return epoch

    def _keep(self, found: Account, epoch: int) -> None:
        """Remember what was read, unless something moved while we read it."""
        if epoch == self._epoch:
            self._by_name.put(found.name, found)
            self._by_id.put(found.id, found)
