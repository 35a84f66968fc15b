"""A processor that calculates wrongly: a debugger changes a register of one virtual CPU now and then, while the agent's
comparison of the cores runs there."""
