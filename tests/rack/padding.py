"""Makes every frame that a network device sends as long as Ethernet wants it: `python -m tests.rack.padding DEVICE`.

A real card pads what is too short; a tap does not, and QEMU's Intel cards count each such frame as received too short.
"""

from __future__ import annotations

import sys

from tests.rack import bpf

# Without its checksum. [IEEE 802.3]
LEAST_BYTES = 60
_SKB_CHANGE_TAIL = 38


def program() -> bytes:
    """Lengthens the frame with zeros where its length, the context's first word, is less."""
    return b"".join(
        (
            bpf.instruction(0x61, dst=2, src=1),  # w2 = length
            bpf.instruction(0x35, dst=2, offset=3, imm=LEAST_BYTES),  # if r2 >= least, over the next three
            bpf.instruction(0xB7, dst=2, imm=LEAST_BYTES),  # r2 = least
            bpf.instruction(0xB7, dst=3),  # r3 = no flags
            bpf.instruction(0x85, imm=_SKB_CHANGE_TAIL),
            bpf.instruction(0xB7, dst=0, imm=bpf.ACT_OK),  # r0 = let through
            bpf.instruction(0x95),  # return
        )
    )


if __name__ == "__main__":
    bpf.attach(sys.argv[1], program(), ("egress",))
