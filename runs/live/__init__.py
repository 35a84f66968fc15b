"""Pages that update themselves, by server-sent events."""
