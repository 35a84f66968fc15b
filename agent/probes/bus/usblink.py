"""USB devices that run below their speed: a SuperSpeed device at 480 Mbit/s or less, in a connector that has the lanes
for more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SUPERSPEED_MBIT = 5000
# USB 3.2 specification, 9.6.2: the BOS descriptor's capabilities (type 0x10); 3 is SuperSpeed.
_CAPABILITY, _SUPERSPEED, _HEADER_BYTES = 0x10, 3, 5


@dataclass(frozen=True)
class SlowDevice:
    """`place` is the kernel's name for it (1-3)."""

    place: str
    product: str
    speed_mbit: float


def slow(root: Path = Path("/")) -> list[SlowDevice]:
    """Found by the device's own descriptor (`bos_descriptors`, kernel 6.10 and newer) and by the connector's other
    port. Without either, a device is not listed."""
    found = []
    for device in sorted((root / "sys/bus/usb/devices").glob("*-*")):
        speed = _speed(device)
        if speed and speed < SUPERSPEED_MBIT and (device / "port/peer").exists() and _has_superspeed(device):
            product = _bytes(device / "product").decode(errors="replace").strip()
            found.append(SlowDevice(device.name, product, speed))
    return found


def _has_superspeed(device: Path) -> bool:
    rest = _bytes(device / "bos_descriptors")[_HEADER_BYTES:]
    while len(rest) >= 3 and rest[0] >= 3:
        if rest[1] == _CAPABILITY and rest[2] == _SUPERSPEED:
            return True
        rest = rest[rest[0] :]
    return False


def _speed(device: Path) -> float:
    try:
        return float(_bytes(device / "speed").decode(errors="replace"))
    except ValueError:
        return 0.0


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
