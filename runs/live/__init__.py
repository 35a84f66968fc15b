"""Pages that are told of changes as they happen (server-sent events)."""
