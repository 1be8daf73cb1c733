"""Users, groups, permission targets and tokens by REST: thin over `auth`."""
