"""All routes of this package, for the one table."""

from __future__ import annotations

from entrepot.auth.entrance import Entrance
from entrepot.messages import Row
from entrepot.repositories.catalog import Repositories
from entrepot.rest.security import ldap_api, roles_api
from entrepot.rest.security.access_groups_api import AccessGroupsApi
from entrepot.rest.security.access_permissions_api import AccessPermissionsApi
from entrepot.rest.security.attachments_api import AttachmentsApi
from entrepot.rest.security.audit_api import AuditApi
from entrepot.rest.security.changes import Changes
from entrepot.rest.security.effective_api import EffectiveApi
from entrepot.rest.security.groups_api import GroupsApi
from entrepot.rest.security.keys_api import ApiKeysApi
from entrepot.rest.security.locks_api import LocksApi
from entrepot.rest.security.oidc_api import OidcApi
from entrepot.rest.security.old_tokens_api import OldTokensApi
from entrepot.rest.security.passwords_api import PasswordsApi
from entrepot.rest.security.permission_changes import PermissionChanges
from entrepot.rest.security.permissions_api import PermissionsApi
from entrepot.rest.security.policies_api import PoliciesApi
from entrepot.rest.security.projects_api import ProjectsApi
from entrepot.rest.security.sessions_api import SessionsApi
from entrepot.rest.security.ssh_keys_api import SshKeysApi
from entrepot.rest.security.tokens_api import TokensApi
from entrepot.rest.security.trust_api import TrustApi
from entrepot.rest.security.users_api import UsersApi


def rows(at: Entrance, repositories: Repositories) -> tuple[Row, ...]:
    """Return the rows."""
    changes, documents = Changes(at.database, at.epochs), at.documents
    targets = PermissionChanges(changes, repositories.get, repositories.all)
    return (
        *PasswordsApi(changes, at.authenticator, at.passwords, at.demands).rows(),
        *ApiKeysApi(at.database, at.authenticator, at.api_keys).rows(),
        *UsersApi(changes, at.passwords, at.policies).rows(),
        *LocksApi(changes).rows(),
        *PoliciesApi(documents, at.policies).rows(),
        *GroupsApi(changes).rows(),
        *AccessGroupsApi(changes).rows(),
        *EffectiveApi(at.database, repositories.all).rows(),
        *PermissionsApi(targets).rows(),
        *AccessPermissionsApi(targets).rows(),
        *TokensApi(at.database, at.authenticator, at.tokens, at.policies).rows(),
        *OldTokensApi(at.database, at.authenticator, at.tokens).rows(),
        *SessionsApi(at.database, at.authenticator, at.sessions, at.policies).rows(),
        *TrustApi(at.tokens).rows(),
        *OidcApi(documents, at.exchange).rows(),
        *ldap_api.rows(documents),
        *AttachmentsApi(changes, repositories).rows(),
        *ProjectsApi(changes, documents).rows(),
        *roles_api.roles(documents),
        *roles_api.EnvironmentsApi(documents).rows(),
        *SshKeysApi(changes).rows(),
        *AuditApi(at.database).rows(),
    )
