"""The hold: a failed host kept up for a person, who may log in with one key and no other way.

Opened with a host key that is made for it; closed by taking the key away first and the logins with it.
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
# OpenSSH names the process of a login `sshd: root@pts/0` before 9.8, `sshd-session: root@pts/0` since
_LOGIN = re.compile(r"^sshd(?:-session)?: (?P<user>[^\s\[\]@]+)@(?P<tty>\S+)")
_KEY = re.compile(r"^(?:ssh-ed25519|ecdsa-sha2-\S+|ssh-rsa|sk-\S+) [A-Za-z0-9+/=]+(?: [^\r\n]*)?$")


class HoldFailed(Exception):
    """The host can't be held open; the text says what is missing. The bench must act."""


class LoginServer(Protocol):
    """What opens and closes the door; `stop` ends every login with it."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def users(self) -> list[str]: ...


class Sshd:
    """vetting-sshd.service: logins live in its control group, so stopping it ends them."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self.proc = proc

    def start(self) -> None:
        """Raises HoldFailed with systemd's words."""
        done = shell.run(["systemctl", "start", SERVICE], SYSTEMCTL_TIMEOUT_S)
        if not done.ok:
            raise HoldFailed(f"{SERVICE} did not start: {done.trouble}")

    def stop(self) -> None:
        """Kill rather than ask: a login that ignores its hang-up must not outlive the key."""
        shell.run(["systemctl", "kill", "--signal=SIGKILL", SERVICE], SYSTEMCTL_TIMEOUT_S)
        shell.run(["systemctl", "stop", SERVICE], SYSTEMCTL_TIMEOUT_S)

    def users(self) -> list[str]:
        """Who is logged in, as `root on pts/0`. There is no logind in the image: sshd's process titles
        say it."""
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
        """By the file, not by our memory: an agent before this one may have opened it."""
        return self.authorized_keys.exists()

    def prepare(self) -> str:
        """The public host key of this hold, made when there is none yet. Raises HoldFailed."""
        public = self.host_key.with_suffix(".pub")
        if not (self.host_key.exists() and public.exists()):
            self._make_host_key()
        return public.read_text().strip()

    def admit(self, key_line: str) -> None:
        """Let this one key in, and open the door. Another key than before ends the logins of the one before.
        Raises HoldFailed for what is not one OpenSSH public key."""
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
        """The key first, so that nobody new comes in; then the logins; then the host key, which is of
        this hold. Done whether or not this process opened it: an agent before it may have."""
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
