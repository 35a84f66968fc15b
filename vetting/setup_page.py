"""The page of a fresh installation: what `vetting setup` would propose, the command that does it, and what doctor says.

It changes nothing: vetting.yaml is root's, and the web process has no right to ask a network for DHCP servers where
systemd runs it. Only administrators see it, since it shows the interfaces of this machine. The first of them is made
in a terminal, by install.sh or by hand.
"""

from __future__ import annotations

import difflib
import shlex
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from pxe import dhcpservers, interfaces
from pxe.dhcpservers import Server
from pxe.interfaces import Interface
from pxe.readiness import problems as missing
from runs.desk.access import needs
from runs.wording import remedies
from vetting import doctor, setup

BY_WHAT_ANSWERS = "auto"
"""In place of a mode: the command asks the network and chooses."""
_MODES: dict[str, str] = {BY_WHAT_ANSWERS: "the command asks the network and chooses"}
_MODES |= {str(mode): words for mode, words in setup.MODE_WORDS.items()}
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Asked:
    """What the form says: the interface by its address, a mode, a range; empty for what nobody has said."""

    interface: str = ""
    mode: str = BY_WHAT_ANSWERS
    range: str = ""

    @staticmethod
    def of(request: HttpRequest) -> Asked:
        sent = request.POST if request.method == "POST" else request.GET
        interface, mode, span = (sent.get(name, "")[:64] for name in ("interface", "mode", "range"))
        return Asked(interface, mode if mode in _MODES else BY_WHAT_ANSWERS, span)


@dataclass(frozen=True)
class Proposal:
    """`command` is what to call on this machine; `lines` are those of vetting.yaml that change, as a diff. `refusal`
    says why there is none. `said` is what speaks against it, as far as it is known."""

    command: str = ""
    lines: list[str] = field(default_factory=list)
    refusal: str = ""
    said: list[str] = field(default_factory=list)
    range: str = ""


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@needs("hosts.add_host")
def page(request: HttpRequest) -> HttpResponse:
    """GET proposes; POST also asks the network for DHCP servers and has doctor look, which takes some seconds."""
    asked, every = Asked.of(request), interfaces.every()
    chosen, refusal = _chosen(every, asked)
    context: dict[str, Any] = {"asked": asked, "every": every, "bare": interfaces.without_address(), "modes": _MODES}
    servers: list[Server] | None = None
    if request.method == "POST":
        looked = _look(chosen)
        servers = looked.pop("servers")
        context |= looked
    proposal = _proposal(chosen, asked, servers) if chosen else Proposal(refusal=refusal)
    context |= {"chosen": chosen, "proposal": proposal, "missing": missing(), "servers": servers}
    return render(request, "setup.html", context)


def _chosen(every: list[Interface], asked: Asked) -> tuple[Interface | None, str]:
    try:
        return setup.choose(every, asked.interface, interfaces.without_address()), ""
    except setup.CanNotSetUp as error:
        return None, str(error)


def _look(chosen: Interface | None) -> dict[str, Any]:
    """What the network and doctor say. One request at a time: each holds a thread for some seconds."""
    if not _one_at_a_time.acquire(blocking=False):
        return {"servers": None, "busy": True}
    try:
        servers, why = _servers(chosen)
        violations, problems = doctor.examine()
    finally:
        _one_at_a_time.release()
    return {"servers": servers, "not_asked": why, "looked": True, "problems": problems, "violations": violations}


def _servers(chosen: Interface | None) -> tuple[list[Server] | None, str]:
    """The DHCP servers of its network; None with the reason if they could not be asked for."""
    if chosen is None:
        return None, ""
    try:
        return dhcpservers.find(chosen.name), ""
    except dhcpservers.CanNotAsk as error:
        return None, str(error)


def _proposal(chosen: Interface, asked: Asked, servers: list[Server] | None) -> Proposal:
    mode = asked.mode
    if mode == BY_WHAT_ANSWERS and servers is not None:
        mode = setup.proposed_mode(servers)
    try:
        return _made(chosen, mode, asked.range, servers or [])
    except setup.CanNotSetUp as error:
        return Proposal(refusal=str(error), range=asked.range)


def _made(chosen: Interface, named: str, given: str, servers: list[Server]) -> Proposal:
    """Raises CanNotSetUp."""
    words = ["setup", "--yes", "--interface", str(chosen.address)]
    mode = next((one for one in setup.MODES if one == named), None)
    said = setup.objections(mode, servers) if mode else []
    if mode:
        words += ["--mode", mode]
    if mode in ("proxy", "off"):
        answers, span = setup.Answers(chosen, mode), ""
    else:
        first, last = setup.read_range(given, chosen) if given else setup.proposed_range(chosen)
        answers, span = setup.Answers(chosen, "dhcp", first, last), f"{first}-{last}"
        words += ["--range", span]
    lines = _changes(answers) if mode else []
    return Proposal(remedies.command(shlex.join(words)), lines, said=said, range=span)


def _changes(answers: setup.Answers) -> list[str]:
    """The lines of vetting.yaml that `setup` would change, without their surroundings. Raises CanNotSetUp."""
    path: Path | None = settings.CONFIGURATION.path
    try:
        before = path.read_text(encoding="utf-8") if path else ""
    except OSError:
        return []
    if not before:
        return []
    after = setup.text_of(before, setup.changes(answers, settings.CONFIGURATION.config), str(path))
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line.startswith(("+", "-")) and not line.startswith(("+++", "---"))]
