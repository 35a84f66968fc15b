"""GET /ipxe/{MAC}: what this machine is to boot."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from hosts import bootwords
from hosts.fields import normalise_mac
from hosts.models import Host, IdleBoot
from pxe import bootfiles, image, ipxe, leases
from pxe.paths import paths
from runs import boot_script, ladder, lifecycle
from runs.bench.allowance import OnceAMinute
from runs.desk.request_numbers import not_understood
from runs.models import Actor, Run

# Whoever asks again and again must not fill the log: the journal then drops what others say.
_told = OnceAMinute()


@require_safe
def script(request: HttpRequest, mac: str) -> HttpResponse:
    """The host's script, never cached. The status is always 200 for a MAC: iPXE shows messages of a script, but no body
    of an error."""
    try:
        mac = normalise_mac(mac)
    except ValidationError as error:
        return not_understood(error.messages[0])
    answer = HttpResponse(_script_for(mac, request.META["REMOTE_ADDR"]), content_type="text/plain; charset=utf-8")
    answer["Cache-Control"] = "no-store"
    return answer


def _script_for(mac: str, address: str) -> str:
    host = Host.objects.filter(macs__mac=mac, enabled=True).first()
    if host is None:
        _told.warn(address, f"boot script asked for by {mac} ({address}): not registered, or disabled")
        return ipxe.unknown(mac, settings.VETTING.web.link_base)
    if settings.VETTING.pxe.mode == "dhcp" and (leased := _leased_to(mac)) != address:
        return _refuse(host, mac, address) if leased else _wait_for_lease(host, mac, address)
    answer = boot_script.script_fetched(host, address)
    if answer.kind == "boot" and answer.run is not None:
        return _boot(host, mac, answer.run, answer)
    return _nothing_to_do(host)


def _leased_to(mac: str) -> str:
    """The address that dnsmasq has leased to this MAC; empty if its list does not say."""
    try:
        return leases.read(paths().leases).get(mac, "")
    except OSError as error:
        _told.warn("leases", f"{paths().leases}: {error}")
        return ""


def _wait_for_lease(host: Host, mac: str, address: str) -> str:
    """Have the machine ask again, without a token. dnsmasq has leased it an address a moment ago. If its list does not
    have that, the list is just being written, or can't be: dnsmasq empties it first, and a full disk leaves it empty. A
    machine that booted its own disk for that would not be held."""
    run = boot_script.wanted_by(host)
    if run is None:
        return _nothing_to_do(host)
    text = f"{paths().leases} has no lease of {mac} ({address}), so it gets no boot script yet: the disk may be full"
    lifecycle.note(run, ladder.LEASE_UNKNOWN, actor=Actor.WORKER, text=text)
    return ipxe.not_ready(host.name, f"{settings.VETTING.web.agent_url}/ipxe/{mac}", text)


def _nothing_to_do(host: Host) -> str:
    way = ipxe.own_disk(host.local_boot, host.local_drive)
    return ipxe.power_off(host.name, way) if host.idle_boot == IdleBoot.POWER_OFF else ipxe.local(host.name, way)


def _refuse(host: Host, mac: str, address: str) -> str:
    """Refuse without giving a token. A host without a run gets its usual script: it holds no token that could leak."""
    run = Run.objects.busy_on(host)
    _told.warn(address, f"boot script of {host.name} ({mac}) asked for by {address}, not its lease: no token")
    if run is None:
        return _nothing_to_do(host)
    text = f"{address} asked for the boot script of {mac}, whose address is another: no token given"
    lifecycle.note(run, ladder.SCRIPT_REFUSED, actor=Actor.AGENT, who=address, text=text)
    return ipxe.refused(mac, address)


def _boot(host: Host, mac: str, run: Run, answer: boot_script.ScriptAnswer) -> str:
    web = settings.VETTING.web
    script_url = f"{web.agent_url}/ipxe/{mac}"
    what, fix = image.problem()
    if what:
        text = f"{what}: {fix}"
        lifecycle.note(run, ladder.IMAGE_MISSING, actor=Actor.WORKER, text=text)
        return ipxe.not_ready(host.name, script_url, text)
    args = (*image.kernel_args(), *answer.kernel_args, *bootwords.of_host(host.kernel_args, host.console))
    plan = ipxe.BootPlan(
        host=host.name, mac=mac, run=run.pk, boot=answer.boot, token=answer.token, agent_url=web.agent_url,
        boot_url=web.boot_url, script_url=script_url, initrds=bootfiles.initrds(), kernel_args=args,
    )  # fmt: skip
    if text := ipxe.too_long(plan):
        lifecycle.note(run, ladder.IMAGE_MISSING, actor=Actor.WORKER, text=text)
        return ipxe.not_ready(host.name, script_url, text)
    return ipxe.boot(plan)
