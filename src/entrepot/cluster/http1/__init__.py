"""HTTP/1.1 on the event loop itself: what a plain port is served by (docs/adr/0015)."""
