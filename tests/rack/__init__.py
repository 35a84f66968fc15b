"""The virtual rack: whole QEMU machines that are woken, booted over PXE, vetted and broken on purpose.

`python -m tests.rack FILE` runs one machine file; `tests.rack.rack.Rack` is the same from Python. See
docs/rack.md.
"""
