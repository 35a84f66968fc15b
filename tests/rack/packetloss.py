"""Makes a network device lose packets at random, both ways: `python -m tests.rack.packetloss DEVICE PERCENT`.

tc-netem would do it in one direction only (what is sent into the machine), and is not in every kernel.
"""

from __future__ import annotations

import struct
import sys

from tests.rack import bpf

_GET_PRANDOM_U32 = 7


def program(percent: float) -> bytes:
    """Drops a packet when a random 32-bit number is below the share of `percent`."""
    threshold = min(int(percent / 100 * 2**32), 2**32 - 1)
    signed = struct.unpack("<i", struct.pack("<I", threshold))[0]
    return b"".join(
        (
            bpf.instruction(0x85, imm=_GET_PRANDOM_U32),  # r0 = random
            bpf.instruction(0xB4, dst=1, imm=signed),  # w1 = threshold
            bpf.instruction(0xB4, dst=2, imm=bpf.ACT_SHOT),  # w2 = drop
            bpf.instruction(0xAE, dst=0, src=1, offset=1),  # if w0 < w1, over the next one
            bpf.instruction(0xB4, dst=2, imm=bpf.ACT_OK),  # w2 = let through
            bpf.instruction(0xBC, dst=0, src=2),  # w0 = w2
            bpf.instruction(0x95),  # return
        )
    )


if __name__ == "__main__":
    bpf.attach(sys.argv[1], program(float(sys.argv[2])), ("ingress", "egress"))
