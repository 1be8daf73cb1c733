"""Finding things: AQL and the older searches."""
