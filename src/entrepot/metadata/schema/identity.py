"""Who: users, groups, projects, permission targets, credentials, the audit trail."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Text

from entrepot.metadata.schema.base import INT64, KEY, flag, int64, key, surrogate_id, table

account = table(  # a user; `user` is a word of SQL
    "account",
    surrogate_id(),
    key("uuid", unique=True),
    key("name", unique=True),
    Column("email", Text, nullable=False, server_default=""),
    Column("password_hash", Text),
    key("realm", server_default="internal"),
    Column("external_id", KEY),
    flag("admin"),
    flag("disabled"),
    int64("security_epoch"),
    Column("profile", Text, nullable=False),  # the fields that clients set and read back
    int64("created"),
    Column("last_login", INT64),
    Column("password_set", INT64),  # when; 0: it counts as expired; NULL: before this was written down
    flag("locked"),
    Column("unlocked", INT64),  # when an administrator last did so: wrong passwords from before do not count
)
failed_login = table(  # different wrong passwords since the last right one, where accounts are to be locked for them
    "failed_login",
    Column("account_id", INT64, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("mark", INT64, primary_key=True, autoincrement=False),
)
api_key = table(  # shown again to its user, so it is kept: sealed with the master key
    "api_key",
    Column("account_id", INT64, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
    int64("created"),
)
ssh_key = table(
    "ssh_key",
    Column("fingerprint", KEY, primary_key=True),
    Column("account_id", INT64, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("label", Text, nullable=False),
    Column("public", Text, nullable=False),
    int64("created"),
)
session = table(  # of browsers
    "session",
    Column("secret_hash", LargeBinary, primary_key=True),
    Column("account_id", INT64, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    int64("security_epoch"),
    key("address"),
    int64("created"),
    int64("seen", index=True),
)
project = table(
    "project",
    surrogate_id(),
    key("key", unique=True),
    Column("body", Text, nullable=False),  # its fields, roles, members and environments, as JSON
    int64("modified"),
)
team = table(  # a group; `group` is a word of SQL
    "team",
    surrogate_id(),
    key("uuid", unique=True),
    key("name", unique=True),
    key("realm", server_default="internal"),
    Column("external_id", KEY),
    flag("admin"),
    flag("auto_join"),
    Column("profile", Text, nullable=False),
)
membership = table(
    "membership",
    Column("account_id", INT64, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("team_id", INT64, ForeignKey("team.id", ondelete="CASCADE"), primary_key=True, index=True),
)
permission_target = table(
    "permission_target",
    surrogate_id(),
    key("name", unique=True),
    key("project_key", server_default=""),
    Column("body", Text, nullable=False),  # the Access v3 shape, as JSON
    int64("modified"),
)
token = table(
    "token",
    Column("id", KEY, primary_key=True),
    key("kind"),  # access, refresh
    Column("account_id", INT64, ForeignKey("account.id", ondelete="CASCADE"), index=True),
    int64("security_epoch"),
    key("subject"),
    Column("scope", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("secret_hash", LargeBinary, unique=True),  # of a refresh or reference token
    Column("parent", KEY, index=True),
    int64("issued"),
    Column("expires", INT64, index=True),
)
token_name = table(  # a group or role that a token's scope names; see `access.scopes.named`
    "token_name",
    Column("name", KEY, primary_key=True),
    Column("project", KEY, primary_key=True),
    Column("token_id", KEY, ForeignKey("token.id", ondelete="CASCADE"), primary_key=True, index=True),
    Index("ix_token_name_project", "project", "name"),
)
audit = table(
    "audit",
    surrogate_id(),
    int64("time", index=True),
    key("actor"),
    key("address"),
    key("action"),
    key("outcome"),
    Column("subject", Text, nullable=False),
    Column("detail", Text),
)
