"""Logs: structured events, and the request and access logs in the formats that Artifactory tools read."""
