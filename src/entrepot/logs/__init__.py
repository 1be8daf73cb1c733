"""Logs: structured events, and the request, access and audit logs in the formats that Artifactory tools read."""
