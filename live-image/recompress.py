#!/usr/bin/env python3
"""Compress a finished image anew, so that hosts download less: the same system in fewer bytes. It takes minutes of all
cores, which is why a first installation builds the quick one and has this done afterwards."""

import argparse
import sys
from pathlib import Path

from builder import BuildError, output


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path, metavar="DIR", help="a built image; a new one takes its place in one step")
    parser.add_argument("--level", choices=sorted(output.COMPRESSION), default="small")
    asked = parser.parse_args()
    try:
        print(output.recompress(asked.image.resolve(), asked.level), flush=True)
    except (BuildError, OSError) as failed:
        print(f"live image not compressed anew: {failed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
