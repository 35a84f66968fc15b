"""What the rack changes in a profile so that a whole quick run takes about a minute: times and amounts, never
limits."""

SHORT: dict[str, object] = {}
