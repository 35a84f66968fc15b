"""Every statement fails once: each call of an agent, action of an operator and tick of the worker, with a fault at each
of its statements in turn, and the call made again as its real caller would."""
