"""The load client for machines without Go: the same flags, the same JSON, lower rates."""
