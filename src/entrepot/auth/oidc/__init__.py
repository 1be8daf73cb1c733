"""Keyless CI: a job proves who it is by a token of its provider, and gets one of ours for it (reference C12)."""
