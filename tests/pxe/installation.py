"""An installation without systemd: its vetting.yaml on disk, and the unit of dnsmasq as systemd would run it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pxe import daemon
from pxe.paths import Paths, paths
from pxe.unwanted import FOREGROUND
from tests.pxe.conftest import tuned
from tests.pxe.network import Network
from vetting import keeper
from vetting.configfile import ConfigFile


@dataclass
class Installation:
    """`edit` saves another vetting.yaml; it is in force after `restart`."""

    settings: Any
    network: Network
    yaml: Path

    @property
    def files(self) -> Paths:
        return paths()

    def edit(self, **sections: dict[str, Any]) -> None:
        said = tuned(**{"pxe": {"supervise": "unit"} | sections.pop("pxe", {})}, **sections)
        self.yaml.write_text(said.model_dump_json())

    def restart(self, **sections: dict[str, Any]) -> None:
        """The worker, with what was saved last."""
        if sections:
            self.edit(**sections)
        self.settings.CONFIGURATION = ConfigFile(self.yaml)
        self.settings.VETTING = self.settings.CONFIGURATION.config
        self.files.make()

    def may_start(self) -> bool:
        """What ConditionPathExists and ExecCondition of the unit say."""
        return self.files.order.exists() and keeper.may_start(self.yaml, self.files) == keeper.MAY

    def unit(self) -> subprocess.Popen[bytes] | None:
        """The unit started: dnsmasq in the foreground, or nothing where it may not start."""
        if not self.may_start():
            return None
        command = [daemon.which("dnsmasq") or "", FOREGROUND, f"--conf-file={self.files.conf}"]
        with self.network.on_server():
            return subprocess.Popen(command)
