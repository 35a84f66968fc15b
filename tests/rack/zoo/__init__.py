"""The zoo: every machine file run, judged, and kept on record. `python -m tests.rack.zoo`; see docs/rack.md."""
