"""All routes of this package, for the one table."""

from __future__ import annotations

from collections.abc import Callable

from entrepot.auth.authenticate import Authenticator
from entrepot.auth.epochs import Epochs
from entrepot.auth.passwords import Passwords
from entrepot.auth.tokens import Tokens
from entrepot.messages import Row
from entrepot.metadata.database import Database
from entrepot.rest.security.changes import Changes
from entrepot.rest.security.groups_api import GroupsApi
from entrepot.rest.security.locks_api import LocksApi
from entrepot.rest.security.old_tokens_api import OldTokensApi
from entrepot.rest.security.passwords_api import PasswordsApi
from entrepot.rest.security.permissions_api import PermissionsApi
from entrepot.rest.security.tokens_api import TokensApi
from entrepot.rest.security.users_api import UsersApi


def rows(
    database: Database, epochs: Epochs, authenticator: Authenticator, tokens: Tokens, *,
    passwords: Passwords, knows: Callable[[str], bool],
) -> tuple[Row, ...]:  # fmt: skip
    """Return the rows; `knows` tells whether there is a repository of a key."""
    changes = Changes(database, epochs)
    return (
        *PasswordsApi(changes, authenticator, passwords).rows(),
        *UsersApi(changes, passwords).rows(),
        *LocksApi().rows(),
        *GroupsApi(changes).rows(),
        *PermissionsApi(changes, knows).rows(),
        *TokensApi(database, authenticator, tokens).rows(),
        *OldTokensApi(database, authenticator, tokens).rows(),
    )
