"""Directory servers: LDAP and Active Directory."""
