"""How the rack makes a core wrong: the debugger's protocol against a stub of our own, and the choice of instructions on
bytes as an assembler makes them. Only a machine shows that QEMU's stub does the same (bad-core-*.yaml)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.rack import machinefile
from tests.rack.bad_core import gdbstub, instructions
from tests.rack.bad_core.gdbstub import XMM0, Stub, StubError
from tests.rack.bad_core.injector import Injector, ranges
from tests.rack.bad_core.instructions import Site, sites
from tests.rack.errors import BadMachineFile
from tests.rack.machinefile import BadCore

BASE, ROTATION = 0x7F0000000000, 0x40
MAPS = f"""\
{BASE:x}-{BASE + 0x1000:x} r-xp 000c1000 00:02 1201                       /usr/lib/x86_64-linux-gnu/libcrypto.so.3
7f1100000000-7f1100001000 r-xp 00001000 00:02 1202                       /usr/lib/x86_64-linux-gnu/libc.so.6
7ffc00000000-7ffc00002000 r-xp 00000000 00:00 0                          [vdso]
"""


class FakeStub:
    """Answers as QEMU's stub does: two CPUs, of which the second one is in front of a rotation of ebx."""

    def __init__(self, path: Path) -> None:
        self.said: list[bytes] = []
        self.registers = {gdbstub.RIP: BASE, 1: 0x1234}
        self._breakpoints: set[int] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        buffer = b""
        client.sendall(gdbstub.packet(b"T02thread:01;"))  # whoever connects stops the machine
        with client:
            while received := client.recv(4096):
                buffer += received
                while buffer:
                    if buffer[:1] == b"\x03":
                        buffer = buffer[1:]
                        client.sendall(gdbstub.packet(b"T02thread:01;"))
                        continue
                    content, buffer = gdbstub.unpack(buffer)
                    if content is None:
                        break
                    self.said.append(content)
                    if answer := self._answer(content):
                        client.sendall(gdbstub.packet(answer))

    def _answer(self, content: bytes) -> bytes:
        code = b"\x90" * ROTATION + b"\xc1\xcb\x07"
        match content[:1]:
            case b"p":
                return self.registers[int(content[1:], 16)].to_bytes(8, "little").hex().encode()
            case b"P":
                number, _, value = content[1:].partition(b"=")
                self.registers[int(number, 16)] = int.from_bytes(bytes.fromhex(value.decode()), "little")
            case b"m":
                return code.hex().encode()
            case b"Z":
                self._breakpoints.add(int(content.split(b",")[1], 16))
            case b"z":
                self._breakpoints.discard(int(content.split(b",")[1], 16))
            case b"v" if content == b"vCont;c:2" and BASE + ROTATION in self._breakpoints:
                self.registers[gdbstub.RIP] = BASE + ROTATION
                return b"T05thread:02;"
            case b"v":
                return b""
        return b"OK"


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeStub]:
    stub = FakeStub(tmp_path / "gdb.sock")
    yield stub
    stub.close()


def test_a_packet_has_its_checksum_and_a_wrong_one_is_refused() -> None:
    assert gdbstub.packet(b"OK") == b"$OK#9a"
    assert gdbstub.unpack(b"+$OK#9a$T0") == (b"OK", b"$T0")
    assert gdbstub.unpack(b"$T05thr") == (None, b"$T05thr")
    with pytest.raises(StubError, match="checksum"):
        gdbstub.unpack(b"$OK#9b")


def test_a_register_is_changed_where_the_core_stops_and_no_breakpoint_stays(fake: FakeStub, tmp_path: Path) -> None:
    stub = Stub(tmp_path / "gdb.sock")
    injector = Injector(BadCore(cpu=1, p=1, operation="hash"), tmp_path / "port.sock", tmp_path / "gdb.sock")
    assert injector._change(stub, ranges(MAPS, ["libcrypto.so"]))
    stub.detach()
    assert bin(fake.registers[1] ^ 0x1234).count("1") == 1 and fake.registers[1] < 1 << 32
    assert (injector.changed, fake._breakpoints) == ({"hash": 1}, set())
    assert fake.said[-2:] == [b"vCont;c", b"D"]


def test_nothing_is_changed_while_the_core_is_elsewhere(fake: FakeStub, tmp_path: Path) -> None:
    stub = Stub(tmp_path / "gdb.sock")
    injector = Injector(BadCore(cpu=1, p=1), tmp_path / "port.sock", tmp_path / "gdb.sock")
    fake.registers[gdbstub.RIP] = 0xFFFFFFFF81000000
    assert not injector._change(stub, ranges(MAPS, ["libcrypto.so"]))
    stub.detach()
    assert fake.registers[1] == 0x1234 and not [said for said in fake.said if said.startswith((b"Z", b"P"))]


def test_a_stub_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(StubError, match="no debugger's stub"):
        Stub(tmp_path / "gdb.sock")


def test_the_code_of_the_wanted_libraries_is_found_in_the_kernels_list() -> None:
    assert ranges(MAPS, ["libcrypto.so", "libm.so"]) == [
        (BASE, BASE + 0x1000, "/usr/lib/x86_64-linux-gnu/libcrypto.so.3")
    ]


RAX, RBX, RDX, RSI, R9 = 0, 1, 3, 4, 9


@pytest.mark.parametrize(
    ("kind", "code", "register", "bits"),
    [
        ("hash", "c1 c0 05", RAX, 32),  # rol eax, 5
        ("hash", "41 c1 c9 0b", R9, 32),  # ror r9d, 11
        ("hash", "48 c1 ce 08", RSI, 64),  # ror rsi, 8
        ("hash", "c4 e3 7b f0 c3 06", RBX, 32),  # rorx eax, ebx, 6
        ("hash", "c4 c3 7b f0 c1 06", R9, 32),  # rorx eax, r9d, 6
        ("hash", "0f 38 cb d1", XMM0 + 2, 128),  # sha256rnds2 xmm2, xmm1
        ("cipher", "66 0f 38 dc d1", XMM0 + 2, 128),  # aesenc xmm2, xmm1
        ("cipher", "66 44 0f 38 df c1", XMM0 + 8, 128),  # aesdeclast xmm8, xmm1
        ("cipher", "c4 e2 69 dc d9", XMM0 + 2, 128),  # vaesenc xmm3, xmm2, xmm1
        ("integer", "66 48 0f 38 f6 c3", RAX, 64),  # adcx rax, rbx
        ("integer", "f3 4c 0f 38 f6 cb", R9, 64),  # adox r9, rbx
        ("integer", "c4 e2 fb f6 c3", RDX, 64),  # mulx rax, rax, rbx
        ("integer", "48 13 c3", RAX, 64),  # adc rax, rbx
        ("float", "f2 0f 59 c1", XMM0, 64),  # mulsd xmm0, xmm1
        ("float", "c5 e3 58 c1", XMM0 + 3, 64),  # vaddsd xmm0, xmm3, xmm1
        ("float", "c4 e2 e9 b9 c1", XMM0 + 2, 64),  # vfmadd231sd xmm0, xmm2, xmm1
        ("compression", "0f af c3", RAX, 32),  # imul eax, ebx
    ],
)
def test_an_instruction_of_a_kind_is_known_with_the_register_that_is_data(
    kind: str, code: str, register: int, bits: int
) -> None:
    assert sites(b"\x90" + bytes.fromhex(code), [kind])[0] == Site(1, register, bits, kind)
    others = [site for site in sites(bytes.fromhex(code), set(instructions.KINDS) - {kind}) if site.offset == 0]
    assert others == []


@pytest.mark.parametrize("code", ["48 89 d8", "48 8b 07", "48 0f af c3", "48 01 d8", "f2 48 0f 2a c0", "ff d0", "c3"])
def test_moves_additions_and_jumps_are_left_alone(code: str) -> None:
    """They may hold addresses."""
    found = sites(bytes.fromhex(code), ["hash", "cipher", "float", "compression"])
    assert [site for site in found if site.offset == 0] == []


def test_the_words_of_a_machine_file_are_the_kinds_there_are() -> None:
    words = get_args(get_args(BadCore.model_fields["operation"].annotation)[0])
    assert set(words) == set(instructions.KINDS) == set(instructions.LIBRARIES)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"cpu": 2, "p": 0.1}, "bad_core: there is no cpu 2; the last one is 1"),
        ({"cpu": 1, "p": 0}, "p"),
        ({"cpu": 1, "p": 1.5}, "p"),
        ({"cpu": 1, "p": 1, "operation": "prayer"}, "operation"),
        ({"cpu": 1, "p": 1, "core": 1}, "core"),
    ],
)
def test_a_bad_core_that_can_not_be_is_refused(bad: dict[str, Any], said: str) -> None:
    content = {
        "name": "x", "nics": [{"model": "virtio", "mac": "52:54:00:00:00:01"}], "outcome": {}, "bad_core": bad,
    }  # fmt: skip
    with pytest.raises(BadMachineFile, match=said):
        machinefile.parse(content, "x.yaml")
