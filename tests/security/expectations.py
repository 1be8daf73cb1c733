"""What each route demands, written down a second time: one without an expectation fails, and one changed by mistake, too."""

from entrepot.messages import Row

EXPECTED = {
    "ticket": """
        uploads.part.url uploads.complete uploads.status uploads.abort
    """,
    "open": """
        openapi.entrance openapi.document openapi.page docker.token.oauth2 passwords.change sessions.begin sessions.old.begin
        trust.certificate trust.keys oidc.exchange uploads.part system.ping access.ping router.ping mc.ping event.ping
        artifactory.liveness artifactory.readiness router.liveness router.readiness access.liveness
        access.readiness router.health
    """,
    "judged": """
        docker.token access.tokens.create tokens.create
    """,
    "users": """
        docker.ping docker.catalog access.tokens.list access.tokens.revoke access.tokens.revoke.post
        access.tokens.me access.tokens.me.revoke access.tokens.get access.tokens.delete sessions.current
        sessions.old.current projects.list environments.list repositories.list repositories.get
        repositories.get.v2 system.version access.version system.license system.licenses system.usage
        uploads.config uploads.create search.artifact search.prop search.checksum search.gavc search.versions search.latestVersion
        search.usage search.creation
        search.dates search.pattern search.badChecksum search.license search.dependency search.buildArtifacts search.aql
    """,
    "own password": """
        passwords.encrypted apikeys.get apikeys.create apikeys.renew apikeys.revoke
    """,
    "others": """
        permissions.of.user permissions.of.user.v2 sshkeys.list sshkeys.add sshkeys.remove
    """,
    "session": """
        sessions.end sessions.old.end
    """,
    "project": """
        projects.get projects.update projects.users.list projects.users.get projects.users.put
        projects.users.delete projects.groups.list projects.groups.get projects.groups.put
        projects.groups.delete projects.roles.list projects.roles.create projects.roles.get projects.roles.put
        projects.roles.delete
    """,
    "managers": """
        permissions.list permissions.get permissions.replace permissions.list.v2 permissions.get.v2
        permissions.create.v2 permissions.replace.v2 access.permissions.list access.permissions.create
        access.permissions.get access.permissions.replace access.permissions.resource.get
        access.permissions.resource.replace access.permissions.resource.update
    """,
    "administrators": """
        passwords.expire passwords.expire.one passwords.renew.one passwords.expire.one.single passwords.renew.one.single
        passwords.expire.all passwords.renew.all
        access.passwords.set access.passwords.expire access.passwords.expire.all access.passwords.renew.all
        apikeys.revoke.other apikeys.list users.list users.get users.replace users.update users.delete
        access.users.list access.users.create access.users.get access.users.update access.users.delete
        access.users.groups locks.list locks.unlock locks.unlock.some locks.unlock.all access.locks.unlock
        policies.lock.get policies.lock.put policies.expiration.get policies.expiration.put policies.settings.get policies.settings.put
        policies.password.get policies.password.put policies.password.patch policies.basic.get
        policies.basic.put policies.tokens.get policies.tokens.put groups.list groups.get groups.replace
        groups.update groups.delete access.groups.list access.groups.create access.groups.get
        access.groups.update access.groups.delete access.groups.members access.groups.members.change
        permissions.of.group permissions.of.group.v2 permissions.delete permissions.delete.v2
        access.permissions.delete access.permissions.resource.delete tokens.list tokens.revoke
        sessions.end.all oidc.providers.list oidc.providers.create oidc.providers.get oidc.providers.put
        oidc.providers.put.named oidc.providers.delete oidc.mappings.list oidc.mappings.create
        oidc.mappings.get oidc.mappings.put oidc.mappings.delete ldap.settings.list ldap.settings.create
        ldap.settings.get ldap.settings.put ldap.settings.put.named ldap.settings.delete ldap.groups.list
        ldap.groups.create ldap.groups.get ldap.groups.put ldap.groups.put.named ldap.groups.delete
        projects.attach projects.detach projects.share projects.share.all projects.unshare.all projects.unshare
        projects.repository projects.create
        projects.delete roles.list roles.create roles.get roles.put roles.put.named roles.delete
        environments.create environments.rename environments.delete audit.search repositories.configurations
        repositories.create repositories.update repositories.delete repositories.create.batch
        repositories.update.batch system.status system.service_id system.info system.report tasks.list system.base_url
        storage.summary storage.summary.calculate storage.gc storage.optimize storage.compress storage.size
        storage.prune.start storage.prune.stop storage.prune.status
        configuration.get
        configuration.patch configuration.security trash.empty trash.restore trash.clean
    """,
    "metrics": """
        artifactory.metrics access.metrics event.metrics
    """,
    "annotate": """
        storage.properties.set storage.properties.delete metadata.patch metadata.delete
        storage.properties.set.item storage.properties.delete.item metadata.patch.item metadata.delete.item
    """,
    "delete": """
        artifacts.delete docker.blob.delete docker.delete
    """,
    "clear": """
        artifacts.clear0 artifacts.clear1
    """,
    "deploy": """
        artifacts.deploy docker.upload.start docker.upload.add docker.upload.close docker.upload.status
        docker.upload.cancel docker.push webdav.make
    """,
    "read": """
        artifacts.fetch artifacts.root0 artifacts.root1 docker.blob.fetch docker.tags docker.referrers
        docker.pull docker.promote oci.promote helmoci.promote storage.get storage.get.item artifacts.copy artifacts.move
        artifacts.copy.root
        artifacts.move.root artifacts.archive.root artifacts.archive webdav.options webdav.options0 webdav.options1 webdav.find
        webdav.find0 webdav.find1
    """,
}
"""What routes demand, by operation:

ticket          the ticket of what was begun before, in the place of credentials
open            nothing, and credentials are not looked at
judged          nothing at the door; the handler judges the credentials that it is given
users           anybody who is known
own password    the password of somebody, or what is as good
session         the session of a browser
others          oneself or administrators; asked here about somebody else
project         administrators of the project
managers        administrators, and who manages a whole repository
administrators  administrators
metrics         administrators, and tokens that are for it
clear           administrators, for whole repositories
read ...        rights on a path
"""
OPERATIONS = {operation: demand for demand, listed in EXPECTED.items() for operation in listed.split()}
LETTERS = {"read": "r", "deploy": "w", "annotate": "n", "delete": "d"}

CALLERS = {
    "reader": "r", "deployer": "w", "annotator": "n", "deleter": "d", "member": "r", "narrow": "", "chief": "rwnd",
    "manager": "m", "stranger": "",
}  # fmt: skip
"""Users and their letters on `libs` and `images`; `member` has them by a group, `narrow` below another path, `chief` by a project."""

PATHS = {
    "repo": "libs", "path": "a/1.txt", "name": "images/app", "reference": "latest", "digest": f"sha256:{'0' * 64}", "upload": "none",
    "key": "none", "kind": "artifact", "token_id": "none", "provider": "none", "project": "none", "fingerprint": "SHA256:none",
}  # fmt: skip


def refused(row: Row, caller: str, how: str) -> set[int]:
    """The statuses that the table expects; empty: not refused."""
    demand, letters = OPERATIONS[row.operation], CALLERS.get(caller, "rwnd")
    administers = caller == "admin"
    if demand == "ticket":
        return {401}
    if demand == "session":
        return set() if how == "session" else {401}
    if row.operation == "passwords.encrypted":
        return set() if how in {"basic", "encrypted", "session"} else {403}
    if demand in {"open", "judged", "users"} or administers:
        return set()
    if demand == "managers" and caller in {"chief", "manager"}:
        return set() if ".list" in row.operation else {403, 0}  # refused as long as nothing senseful is asked
    if demand == "project":
        return set() if caller == "chief" else {403}
    if demand == "read" and caller == "narrow" and row.face != "oci" and "{path*}" not in row.path:
        return set()  # the root is on the way to what it may read
    if demand in LETTERS:
        return set() if LETTERS[demand] in letters else {403}
    return {403}
