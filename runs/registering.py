"""Register the MAC address of a machine that asked in vain with the host that it belongs to."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from hosts.fields import normalise_mac
from hosts.models import Host, HostMac
from runs import lifecycle
from runs.bench import newcomers
from runs.models import Actor, Run
from runs.transition import Refused


def register(host: Host, text: str, who: str) -> str:
    """The MAC, which is one of the host's from now on: dnsmasq answers it within a second or two. The history of the
    host's run under way says so. Raises Refused for a MAC that has not asked, and for one that is registered."""
    try:
        mac = normalise_mac(text[:40])
    except ValidationError as error:
        raise Refused(error.messages[0]) from None
    if mac not in {one.mac for one in newcomers.since()}:
        raise Refused(f"{mac} has not asked for network boot within a day, or is registered by now")
    try:
        with transaction.atomic():
            HostMac.objects.create(host=host, mac=mac)
    except IntegrityError:
        raise Refused(f"{mac} is registered with another host by now") from None
    if (run := Run.objects.busy_on(host)) is not None:
        lifecycle.note(run, "mac_registered", actor=Actor.OPERATOR, who=who, text=f"{mac} registered with {host.name}")
    return mac
