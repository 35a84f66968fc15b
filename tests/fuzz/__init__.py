"""Generated calls and generated walks: a small fixed part in the suite, `make fuzz SECONDS=…` for as long as asked."""
