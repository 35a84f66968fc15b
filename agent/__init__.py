"""What runs inside the live image. Standard library only; `wire` and `codec` are shared with the server."""
