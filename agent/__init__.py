"""The program that runs inside the live image. It uses the standard library only. The server imports `agent.contract`
and nothing else of it."""
