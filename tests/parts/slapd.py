"""A private OpenLDAP server with a small company in it: people, groups, TLS by its own authority."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.parts.presence import tool
from tests.parts.processes import Server, free_port, run, short_folder, succeeds

SUFFIX = "dc=ent,dc=test"
MANAGER = f"cn=admin,{SUFFIX}"
MANAGER_PASSWORD = "manager-secret-7"
PEOPLE = f"ou=people,{SUFFIX}"
GROUPS = f"ou=groups,{SUFFIX}"

_CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload back_monitor
pidfile {folder}/pid
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
allow bind_anon_cred bind_anon_dn
sizelimit size.soft=600 size.hard=600 size.pr=500 size.prtotal=unlimited
database monitor
access to * by * read

database mdb
maxsize 67108864
suffix "{suffix}"
rootdn "{manager}"
rootpw {password}
directory {folder}/data
index uid,member,memberUid eq
overlay memberof
memberof-group-oc groupOfNames
memberof-refint TRUE
"""

_SEED = f"""
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: Ent
dc: ent

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: ou=eng,{PEOPLE}
objectClass: organizationalUnit
ou: eng

dn: {GROUPS}
objectClass: organizationalUnit
ou: groups
"""


@dataclass(slots=True)
class Slapd:
    """One server. `allow bind_anon_cred` makes it say yes to empty passwords, as careless servers do."""

    folder: Path
    port: int
    tls_port: int
    _server: Server | None = None

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}/{SUFFIX}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}/{SUFFIX}"

    @property
    def certificate(self) -> str:
        """What has signed its certificate: itself."""
        return (self.folder / "cert.pem").read_text()

    @property
    def server(self) -> Server:
        assert self._server is not None, "slapd was not started"
        return self._server

    def start(self) -> None:
        listen = f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.tls_port}/"
        argv = [tool("slapd"), "-f", self.folder / "slapd.conf", "-h", listen, "-d", "0"]
        self._server = Server("slapd", argv, self.folder / "log")
        whoami = [tool("ldapwhoami"), "-x", "-H", f"ldap://127.0.0.1:{self.port}"]
        self._server.start(lambda: succeeds(whoami))

    def stop(self) -> None:
        self.server.stop(by=signal.SIGINT)

    def hang(self) -> None:
        """Stop answering, without closing anything."""
        os.kill(self.server.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.server.pid, signal.SIGCONT)

    def add(self, ldif: str) -> None:
        """Add entries."""
        run([*self._as_manager("ldapadd")], stdin=ldif)

    def modify(self, ldif: str) -> None:
        run([*self._as_manager("ldapmodify")], stdin=ldif)

    def delete(self, dn: str) -> None:
        run([*self._as_manager("ldapdelete"), dn])

    def person(self, name: str, password: str, *, below: str = PEOPLE, more: str = "") -> str:
        """Add a person; return the name of its entry."""
        dn = f"uid={name},{below}"
        self.add(f"""
dn: {dn}
objectClass: inetOrgPerson
uid: {name}
cn: {name}
sn: {name}
mail: {name}@ent.test
userPassword: {password}
{more}
""")
        return dn

    def group(self, name: str, *members: str, below: str = GROUPS) -> str:
        """Add a group of names; return the name of its entry."""
        dn = f"cn={name},{below}"
        listed = "\n".join(f"member: {member}" for member in members)
        self.add(f"\ndn: {dn}\nobjectClass: groupOfNames\ncn: {name}\ndescription: The {name}\n{listed}\n")
        return dn

    def member(self, group: str, dn: str, *, change: str = "add") -> None:
        self.modify(f"dn: {group}\nchangetype: modify\n{change}: member\nmember: {dn}\n")

    def _as_manager(self, program: str) -> list[str]:
        url = f"ldap://127.0.0.1:{self.port}"
        return [str(tool(program)), "-x", "-H", url, "-D", MANAGER, "-w", MANAGER_PASSWORD]


def certificate(folder: Path) -> None:
    """Make cert.pem and key.pem for 127.0.0.1."""
    run([
        tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1",
        "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
        "-keyout", folder / "key.pem", "-out", folder / "cert.pem",
    ])  # fmt: skip


@contextmanager
def slapd() -> Iterator[Slapd]:
    """A running server with empty folders for people and groups."""
    tool("slapd")
    with short_folder("ldap") as folder:
        certificate(folder)
        (folder / "data").mkdir()
        config = _CONFIG.format(folder=folder, suffix=SUFFIX, manager=MANAGER, password=MANAGER_PASSWORD)
        (folder / "slapd.conf").write_text(config)
        server = Slapd(folder, free_port(), free_port())
        server.start()
        try:
            server.add(_SEED)
            yield server
        finally:
            server.server.kill9()
