"""Logging in to a held machine with the key that the orchestrator issued, and with the host key that it
announced."""

from __future__ import annotations

import dataclasses
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rack.netns import Namespace

CONNECT_TIMEOUT_S = 20
REFUSED_STATUS = 255  # ssh(1): its own errors, a refused login among them


@dataclass(frozen=True)
class Login:
    namespace: Namespace
    address: str
    port: int
    key: Path
    known_hosts: Path

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Runs `command` over there; status 255 when the login itself did not work."""
        options = {
            "BatchMode": "yes", "IdentitiesOnly": "yes", "StrictHostKeyChecking": "yes",
            "PasswordAuthentication": "no", "UserKnownHostsFile": str(self.known_hosts),
            "ConnectTimeout": str(CONNECT_TIMEOUT_S),
        }  # fmt: skip
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        ssh = [
            "ssh",
            "-F",
            "none",
            "-i",
            str(self.key),
            "-p",
            str(self.port),
            *words,
            f"root@{self.address}",
            command,
        ]
        return subprocess.run(
            self.namespace.enter_command(ssh), capture_output=True, text=True, stdin=subprocess.DEVNULL
        )

    def with_a_key_of_its_own(self) -> Login:
        """The same way in, tried by somebody who was not given the key."""
        key = self.key.with_name("stranger")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        return dataclasses.replace(self, key=key)

    def trouble(self) -> str:
        """Empty when a command runs over there as root; else what ssh said."""
        done = self.run("id -un")
        return "" if done.stdout.strip() == "root" else done.stderr.strip() or f"exit status {done.returncode}"


def prepare(namespace: Namespace, directory: Path, session: dict[str, Any], private_key: str) -> Login:
    """`session` is the hold's address, port and host key; its files are written into `directory`."""
    directory.mkdir(exist_ok=True)
    key, known_hosts = directory / "key", directory / "known_hosts"
    key.touch(mode=0o600)
    key.write_text(private_key)
    kind_and_key = " ".join(session["host_key"].split()[:2])
    name = session["address"] if session["port"] == 22 else f"[{session['address']}]:{session['port']}"
    known_hosts.write_text(f"{name} {kind_and_key}\n")
    return Login(namespace, session["address"], session["port"], key, known_hosts)
