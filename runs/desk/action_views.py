"""Actions of an operator on a run or a host. Each action has a page that says what will happen, with a plain form, so
it works without JavaScript. An action that the state does not allow is answered 409 with the reason."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from hosts import bounds
from hosts.models import Host
from hosts.wakemethods import WORDS, Verb
from runs import disk_writes, dispatcher, lifecycle, power
from runs.bench import readiness
from runs.desk import actions, doing, host_page, run_page
from runs.desk.access import needs, require, who
from runs.desk.actions import Action
from runs.desk.request_numbers import whole_number
from runs.machine import NotAllowed
from runs.models import Run
from runs.profiles import estimate
from runs.profiles import load as profiles
from runs.transition import Refused

View = Callable[..., HttpResponse]


class WrongSerial(Refused):
    """The text typed to confirm an override is not the disk's serial number."""

    def __init__(self, serial: str, typed: str) -> None:
        super().__init__(f"You typed {typed!r}; the disk's serial is {serial!r}. Nothing was overridden.")
        self.serial, self.typed = serial, typed


def refusals_answered(view: View) -> View:
    """Turn Refused, NotAllowed and ProfileError into a 409 page with the reason."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (Refused, NotAllowed, profiles.ProfileError) as refusal:
            host = "" if "run_id" in kwargs else kwargs.get("name", "")
            return refused(request, str(refusal), kwargs.get("run_id"), host)

    return guarded


def refused(request: HttpRequest, reason: str, run_id: int | str | None = None, host: str = "") -> HttpResponse:
    """A page with the reason and a link back to the run or the host."""
    context = {
        "reason": bounds.ANSWER.cut(reason),
        "run": Run.objects.filter(pk=run_id or 0).first(),
        "host": Host.objects.filter(name=host).first(),
    }
    return render(request, "runs/refused.html", context, status=409)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@needs()
@refusals_answered
def act(request: HttpRequest, run_id: int, name: str) -> HttpResponse:
    """The confirmation page of an action (GET), and the action (POST)."""
    run, action = run_page.load(run_id), actions.BY_NAME[name]
    require(request, action.permission)
    if reason := actions.why_not(run, action):
        return refused(request, reason, run_id)
    if request.method != "POST":
        return render(request, "runs/confirm.html", _confirmation(run, action, request))
    try:
        done = _DOERS[name](request, run)
    except WrongSerial as wrong:
        context = {**_confirmation(run, action, request), "wrong": wrong}
        return render(request, "runs/confirm.html", context, status=409)
    messages.success(request, done)
    return redirect(run)


def _confirmation(run: Run, action: Action, request: HttpRequest) -> dict[str, Any]:
    return {
        "run": run,
        "action": action,
        "retryable": [(row, estimate.from_stage_s(run.profile, row.name)) for row in actions.retryable(run)],
        "lost": disk_writes.what_is_lost(run.profile, run.disks) if disk_writes.writes(run.profile) else [],
        "only_read": disk_writes.what_is_only_read(run.disks),
        "wanted": request.GET.get("stage", ""),
        "refusals": _refusals(run) if action is actions.OVERRIDE else [],
        "stage": run.state,
    }


def _refusals(run: Run) -> list[dict[str, Any]]:
    """The refused disks, those without an override first."""
    waiting_first = sorted(actions.refusals(run), key=lambda refusal: refusal["overridden"])
    return waiting_first[: bounds.SHOWN_REFUSALS.most]


def _cancel(request: HttpRequest, run: Run) -> str:
    return doing.cancel(run, who(request))


def _release(request: HttpRequest, run: Run) -> str:
    return doing.release(run, who(request))


def _wake(request: HttpRequest, run: Run) -> str:
    restart = "restart" in request.POST
    if restart:
        require(request, "hosts.power_host")
    return doing.wake(run, who(request), restart=restart)


def _retry(request: HttpRequest, run: Run) -> str:
    return doing.retry(run, request.POST.get("stage", ""), who(request))


def _override(request: HttpRequest, run: Run) -> str:
    """Override one refusal. The serial must be typed as it is shown: a click alone must not wipe a disk."""
    serial, typed = request.POST.get("serial", ""), request.POST.get("typed", "").strip()
    if typed != serial or not serial:
        raise WrongSerial(bounds.NAME.cut(serial), bounds.QUOTE.cut(typed))
    lifecycle.override_wipe(
        run,
        attempt=_number(request, "attempt"),
        serial=serial,
        digest=request.POST.get("digest", ""),
        who=who(request),
        boot=_number(request, "boot"),
    )
    return f"The wipe probe is overridden on disk {serial} for the next Storage attempt."


_DOERS: dict[str, Callable[[HttpRequest, Run], str]] = {
    "cancel": _cancel,
    "release": _release,
    "wake": _wake,
    "retry": _retry,
    "override": _override,
}


def start_confirmation(host: Host, profile: str, repair: str) -> dict[str, Any]:
    """The page that asks before a start. Raises Refused if the host can't be started with this profile."""
    choice = next((choice for choice in host_page.choices(host) if choice.name == profile), None)
    if choice is None:
        raise Refused(f"there is no profile {profile[:100]!r}: choose one on the host's page")
    if choice.refused:
        raise Refused(f"{choice.title}: {choice.refused}")
    lifecycle.refuse_unless_free(host)
    ahead = Run.objects.next_in_line().count()
    free = dispatcher.free_slots() > ahead
    not_ready = readiness.why_not()
    can_restart = Verb.STATUS in host.power_verbs and bool({Verb.CYCLE, Verb.RESET}.intersection(host.power_verbs))
    return {
        "host": host, "choice": choice, "repair": repair, "ahead": ahead, "free": free, "not_ready": not_ready,
        "can_restart": can_restart,
    }  # fmt: skip


@require_POST
@never_cache
@needs("runs.start_run")
@refusals_answered
def start(request: HttpRequest, name: str) -> HttpResponse:
    """Start a run with the chosen profile, after its effects were confirmed."""
    host = get_object_or_404(Host, name=name)
    profile, repair = request.POST.get("profile", ""), request.POST.get("repair", "").strip()[:200]
    if "confirmed" not in request.POST:
        return render(request, "runs/confirm_start.html", start_confirmation(host, profile, repair))
    restart = "restart" in request.POST
    if restart:
        require(request, "hosts.power_host")
    run = lifecycle.start_run(
        host,
        profile_name=profile,
        who=who(request),
        repair=repair,
        anyway="anyway" in request.POST,
        restart_if_on=restart,
    )
    return redirect(run)


@require_POST
@never_cache
@needs("hosts.power_host")
@refusals_answered
def power_of(request: HttpRequest, name: str) -> HttpResponse:
    """Do one thing with a host's power. What stops the host is asked for first."""
    host = get_object_or_404(Host, name=name)
    if request.POST.get("number", str(host.pk)) != str(host.pk):
        raise Refused(f"{name} is the name of another host by now: open its page again")
    try:
        verb = Verb(request.POST.get("verb", ""))
    except ValueError:
        raise Refused("there is no such thing to do with the power: use the buttons on the host's page") from None
    if reason := power.why_not(host, verb):
        raise Refused(reason)
    if (consequence := power.consequence(verb)) and "confirmed" not in request.POST:
        context = {"host": host, "verb": verb, "words": WORDS[verb], "consequence": consequence}
        return render(request, "runs/confirm_power.html", context)
    lifecycle.ask_power(host, verb, who(request))
    messages.success(request, f"{WORDS[verb].capitalize()} of {host.name} is asked for: its page says what came of it.")
    return redirect(host)


@require_POST
@never_cache
@needs("runs.take_hold_key")
@refusals_answered
def hold_key(request: HttpRequest, run_id: int) -> HttpResponse:
    """The private key of the hold, handed out once."""
    key = lifecycle.take_private_key(run_page.load(run_id), who(request))
    response = HttpResponse(key, content_type="application/x-pem-file")
    response.headers["Content-Disposition"] = f'attachment; filename="vetting-run-{run_id}.key"'
    return response


@require_POST
@needs("runs.take_hold_key")
@refusals_answered
def new_key(request: HttpRequest, run_id: int) -> HttpResponse:
    """Make a new key pair for the hold; the previous key stops working."""
    run = run_page.load(run_id)
    lifecycle.renew_key(run, who(request))
    messages.success(request, "A new key was made. The host takes it within a few seconds.")
    return redirect(run)


@require_POST
@needs("runs.report_run")
@refusals_answered
def report_again(request: HttpRequest, run_id: int) -> HttpResponse:
    """Have the worker write the report again, also if its job was put aside."""
    run = run_page.load(run_id)
    lifecycle.ask_report(run, who(request))
    messages.success(request, "The report is written again, as a rule within a few seconds.")
    return redirect(run)


def _number(request: HttpRequest, field: str) -> int:
    value = request.POST.get(field, "")
    if (number := whole_number(value, 9)) is None:
        raise Refused(f"{field} is {value[:40]!r}: open the page again and use its form")
    return number
