"""What is asked of a host's power, and what came of it. pxe/wake/asked.py does it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from hosts import wakemethods
from hosts.models import Host
from hosts.wakemethods import STOPPING, WORDS, Device, Verb
from runs.machine import TESTING
from runs.models import PowerReason, PowerRequest, Run
from runs.wording import naming

# An agent that was told to shut down is off by then, as a rule.
READ_AFTER = timedelta(seconds=90)
SHOWN = 5
# A request that is older is not waited for: its worker was ended, or the clock was set.
OPEN_FOR = timedelta(minutes=5)
NO_RETRY = (
    "The host hung in this run and was power-cycled: another try would not show that it is sound now. Look for the "
    "cause, release it, and start another run."
)


def why_not(host: Host, verb: Verb) -> str:
    """Why this can't be done now, in a sentence; empty if it can."""
    if verb not in host.power_verbs:
        title = wakemethods.title(host.wake_method)
        return f"{host.name}: {title} has no {verb}, only {', '.join(host.power_verbs) or 'nothing'}"
    run = Run.objects.busy_on(host)
    if verb in STOPPING and run is not None and run.state in TESTING:
        return (
            f"{host.name} is under test ({naming.state_in_words(run.state)} of run {run.pk}): a {WORDS[verb]} would be "
            "its fault in the verdict. Cancel the run first."
        )
    return two_with_one_device(host) if verb in STOPPING else ""


def changed_since(host: Host, since: datetime) -> str:
    """Why the machine that would be stopped may not be the one that was meant then; empty if nothing says so."""
    if host.updated_at > since:
        return f"the entry of {host.name} was changed since: ask again if it is still meant"
    return ""


def two_with_one_device(host: Host) -> str:
    """That another host has the same BMC by its wake options, so that the wrong machine could be stopped; empty if none
    has."""
    if (mine := wakemethods.device(host.wake_method, host.wake_options)) and (other := _other_with(mine, host)):
        return (
            f"{host.name} and {other} have the same BMC ({mine.address}), and one machine can't be both: correct the "
            "address on the form of one of them first"
        )
    return ""


def shared_devices() -> Iterator[tuple[str, str, str]]:
    """The names of two hosts that have the same device by their wake options, and its address."""
    rows = Host.objects.order_by("name").values_list("name", "wake_method", "wake_options")
    seen: dict[str, list[tuple[str, Device]]] = {}
    for name, method, given in rows.iterator():
        if (its := wakemethods.device(method, given)) is None:
            continue
        known = seen.setdefault(its.address, [])
        if other := next((one for one, device in known if device.may_be(its)), ""):
            yield other, name, its.address
        known.append((name, its))


def _other_with(mine: Device, host: Host) -> str:
    """The name of another host that has this device, whether it is disabled or not."""
    others = Host.objects.exclude(pk=host.pk).order_by("name")
    for name, method, given in others.values_list("name", "wake_method", "wake_options").iterator():
        if (its := wakemethods.device(method, given)) and mine.may_be(its):
            return str(name)
    return ""


def consequence(verb: Verb) -> str:
    """What the person is told before a verb that stops what runs on the host; empty for any other."""
    if verb not in STOPPING:
        return ""
    return "At once, by its BMC: nothing is shut down first, and whatever runs on it, such as guests, loses its power."


def not_done_yet(host: Host, verb: Verb) -> str:
    """That something was asked of this host's power a moment ago and is not done yet; empty if not. Its status may be
    read at any time."""
    asked = host.power_requests.filter(reason=PowerReason.ASKED, done_at=None).exclude(verb=Verb.STATUS)
    open_one = asked.filter(asked_at__gte=timezone.now() - OPEN_FOR).first()
    if verb is Verb.STATUS or open_one is None:
        return ""
    return f"{open_one.words} of {host.name}, asked for by {open_one.who}, is not done yet: its page says when it is"


def newest(host: Host) -> list[PowerRequest]:
    """What people asked of this host's power, newest first."""
    return list(host.power_requests.filter(reason=PowerReason.ASKED)[:SHOWN])


def cycle_hung(run: Run) -> None:
    """The host went silent under test: ask for a power cycle, once in a run, if the host allows it."""
    if run.host.cycle_hung:
        PowerRequest.objects.get_or_create(
            run=run, reason=PowerReason.HUNG, defaults={"host": run.host, "verb": Verb.CYCLE, "who": "watchdog"}
        )


def read_after(run: Run) -> None:
    """The run is over and the agent powers the host off: read somewhat later whether it is off."""
    if run.last_seen is not None:
        due = {"due_at": timezone.now() + READ_AFTER}
        PowerRequest.objects.get_or_create(
            run=run, reason=PowerReason.AFTER, defaults={"host": run.host, "verb": Verb.STATUS, **due}
        )


def of_run(run: Run) -> dict[str, PowerRequest]:
    """What became of the power in this run, by reason."""
    return {one.reason: one for one in run.power_requests.exclude(reason=PowerReason.ASKED)}


def was_cycled(run: Run) -> bool:
    """Whether the watchdog power-cycled the host of this run, or may have: a worker that was ended meanwhile, or a BMC
    that did not answer in time, may have done it."""
    done = Q(begun_at__isnull=False) | Q(failed=False, done_at__isnull=False)
    return run.power_requests.filter(done, reason=PowerReason.HUNG).exists()
