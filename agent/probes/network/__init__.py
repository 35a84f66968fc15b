"""Network ports, their addresses, and what is at the other end of their cables."""
