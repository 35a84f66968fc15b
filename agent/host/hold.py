"""The hold: a failed host stays up for a person, who can log in with one key and in no other way.

It is opened with a host key that is made for it. It is closed by removing the key first, and then ending the logins.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

from agent.contract import wire
from agent.host import shell
from agent.host.spool import write_whole

SSH_PORT = 22
SERVICE = "vetting-sshd.service"
KEYGEN_TIMEOUT_S = 30
SYSTEMCTL_TIMEOUT_S = 20
# OpenSSH names the process of a login `sshd: root@pts/0` before 9.8, and `sshd-session: root@pts/0` since.
_LOGIN = re.compile(r"^sshd(?:-session)?: (?P<user>[^\s\[\]@]+)@(?P<tty>\S+)")
_KEY = re.compile(r"^(?:ssh-ed25519|ecdsa-sha2-\S+|ssh-rsa|sk-\S+) [A-Za-z0-9+/=]+(?: [^\r\n]*)?$")


class HoldFailed(Exception):
    """The host can't be held open. The text says what is missing on the bench."""


class LoginServer(Protocol):
    """The SSH server. `stop` ends every login with it."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def users(self) -> list[str]: ...


class Sshd:
    """vetting-sshd.service. Logins live in its control group, so stopping the service ends them."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self.proc = proc

    def start(self) -> None:
        """Start the service. Raises HoldFailed with systemd's message."""
        done = shell.run(["systemctl", "start", SERVICE], SYSTEMCTL_TIMEOUT_S)
        if not done.ok:
            raise HoldFailed(f"{SERVICE} did not start: {done.trouble}")

    def stop(self) -> None:
        """Kill the service instead of asking: a login that ignores its hang-up must not outlive the key."""
        shell.run(["systemctl", "kill", "--signal=SIGKILL", SERVICE], SYSTEMCTL_TIMEOUT_S)
        shell.run(["systemctl", "stop", SERVICE], SYSTEMCTL_TIMEOUT_S)

    def users(self) -> list[str]:
        """Who is logged in, as `root on pts/0`. The image has no logind, so sshd's process titles tell."""
        titles = [_title(path) for path in self.proc.glob("[0-9]*/cmdline")]
        logins = [match for title in titles if (match := _LOGIN.match(title))]
        return sorted(f"{login['user']} on {login['tty']}" for login in logins)


class Hold:
    """`directory` is /run/vetting, where sshd's configuration looks for both files."""

    def __init__(self, directory: Path, server: LoginServer) -> None:
        self.server = server
        self.host_key = directory / "ssh_host_ed25519_key"
        self.authorized_keys = directory / "authorized_keys"
        self._key_line = ""

    @property
    def is_open(self) -> bool:
        """Whether the key file exists. An earlier agent may have opened the hold, so this object's memory does not
        count."""
        return self.authorized_keys.exists()

    def prepare(self) -> str:
        """The public host key of this hold. It is made if there is none yet. Raises HoldFailed."""
        public = self.host_key.with_suffix(".pub")
        if not (self.host_key.exists() and public.exists()):
            self._make_host_key()
        return public.read_text().strip()

    def admit(self, key_line: str) -> None:
        """Let this one key in, and start the SSH server. A new key ends the logins of the one before. Raises HoldFailed
        for anything but one OpenSSH public key."""
        if not _KEY.match(key_line.strip()):
            raise HoldFailed("the orchestrator's answer holds no OpenSSH public key: nobody is let in")
        if key_line == self._key_line:
            return
        if self._key_line:
            self.server.stop()
        write_whole(self.authorized_keys, key_line.strip().encode() + b"\n")
        self.server.start()
        self._key_line = key_line

    def message(self, boot_id: str, address: str) -> wire.Hold:
        return wire.Hold(boot_id, address, SSH_PORT, self.prepare(), self.server.users())

    def close(self) -> None:
        """Remove the key first, so that nobody else comes in; then end the logins; then remove the host key, which is
        of this hold. It is done also if this process did not open the hold: an earlier agent may have."""
        self.authorized_keys.unlink(missing_ok=True)
        self.server.stop()
        for path in (self.host_key, self.host_key.with_suffix(".pub")):
            path.unlink(missing_ok=True)
        self._key_line = ""

    def _make_host_key(self) -> None:
        for path in (self.host_key, self.host_key.with_suffix(".pub")):
            path.unlink(missing_ok=True)
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vetting", "-f", str(self.host_key)]
        done = shell.run(argv, KEYGEN_TIMEOUT_S)
        if not done.ok:
            raise HoldFailed(f"no host key could be made: {done.trouble}")


def _title(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
