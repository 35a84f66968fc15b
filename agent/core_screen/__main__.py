"""`python3 -m agent.core_screen`: takes a `Screening` as JSON from standard input and prints a `Screened` as JSON."""

from __future__ import annotations

import json
import sys

from agent.contract import codec
from agent.core_screen.screening import Screener, Screening


def main() -> int:
    given = json.load(sys.stdin)
    packages = {int(package): members for package, members in given.pop("packages").items()}
    sys.stdout.buffer.write(codec.dumps(Screener(Screening(packages=packages, **given)).screen()) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
