"""Runs in the guest, on the rack only: takes commands over the second serial port and answers with what they
said.

One JSON object a line: `{"id": 1, "command": ["uname", "-r"]}` is answered with `{"id": 1, "status": 0,
"output": "…"}`. Standard library only: it lies in the live image as a single file.
"""

import json
import os
import subprocess
import tty

PORT = "/dev/ttyS1"
TIME_LIMIT_S = 60


def run(command: list[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIME_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout.decode(errors="replace")


def main() -> None:
    descriptor = os.open(PORT, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(descriptor)
    with os.fdopen(descriptor, "r+b", buffering=0) as port:
        while line := port.readline():
            try:
                request = json.loads(line)
                status, output = run(request["command"])
            except (ValueError, KeyError, TypeError):  # half a line from before this program listened
                continue
            port.write(json.dumps({"id": request["id"], "status": status, "output": output}).encode() + b"\n")


if __name__ == "__main__":
    main()
