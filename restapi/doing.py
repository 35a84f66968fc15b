"""What can be done: the same that the pages' buttons do, under the same conditions. Each call has a dry run."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from hosts import tagging, tags
from restapi import auth, paging, schemas, scopes
from restapi.answers import DONE, POWERED, STARTED, TAGGED
from restapi.models import ApiToken
from restapi.problems import Problem
from restapi.reading import in_full, the_host
from restapi.scopes import Scope
from runs import adopting, lifecycle, power
from runs.bench import readiness
from runs.desk import action_views, actions, overview, run_page
from runs.desk.actions import Action
from runs.desk.shown import Shown, first
from runs.models import Run
from runs.transition import Refused
from runs.wording import naming

router = Router(tags=["actions"])
NOT_DRY = schemas.Ask(dry_run=False)


@router.post("/hosts/{slug:name}/start", url_name="start", response=STARTED)
def start(request: HttpRequest, name: str, asked: schemas.Start) -> Status[Any]:
    """Start a run on this host."""
    token = _caller(request, scopes.START)
    if asked.restart_if_on:
        auth.require(request, scopes.POWER)
    host = the_host(name)
    profile, repair = asked.profile or host.profile_name, asked.repair.strip()
    plan = action_views.start_confirmation(host, profile, repair)
    choice = plan["choice"]
    if asked.dry_run:
        told = {name: getattr(choice, name) for name in ("seconds", "writes", "lost", "only_read")}
        ahead = {"ahead": plan["ahead"], "starts_at_once": plan["free"], "not_ready": readiness.refusal()}
        return Status(200, {"host": host.name, "profile": profile, **told, **ahead})
    if choice.writes and not asked.may_destroy:
        raise Problem(409, f"profile {profile} writes to disks. {' '.join(choice.lost)}", "send may_destroy: true")
    run = lifecycle.start_run(
        host,
        profile_name=profile,
        who=auth.who(token),
        repair=repair,
        anyway=asked.anyway,
        restart_if_on=asked.restart_if_on,
    )
    return Status(201, in_full(run_page.load(run.pk)))


@router.post("/runs/{int:run_id}/cancel", url_name="cancel", response=DONE)
def cancel(request: HttpRequest, run_id: int, asked: schemas.Ask = NOT_DRY) -> dict[str, Any]:
    """Stop a run before its end. A held one is released instead."""
    token, run = _caller(request, scopes.CANCEL), _possible(run_id, actions.CANCEL)
    if not asked.dry_run:
        lifecycle.cancel(run, auth.who(token))
    return _done(run, asked, [actions.CANCEL.consequence])


@router.post("/runs/{int:run_id}/release", url_name="release", response=DONE)
def release(request: HttpRequest, run_id: int, asked: schemas.Ask = NOT_DRY) -> dict[str, Any]:
    """End the hold: the host powers itself off."""
    token, run = _caller(request, scopes.RELEASE), _possible(run_id, actions.RELEASE)
    if not asked.dry_run:
        lifecycle.release(run, auth.who(token))
    return _done(run, asked, [actions.RELEASE.consequence])


@router.post("/runs/{int:run_id}/retry", url_name="retry", response=DONE)
def retry(request: HttpRequest, run_id: int, asked: schemas.Retry) -> dict[str, Any]:
    """Run a stage of a held run once more. `retryable` of the run lists the stages."""
    token, run = _caller(request, scopes.RETRY), _possible(run_id, actions.RETRY)
    if asked.stage not in [row.name for row in actions.retryable(run)]:
        raise Refused(f"{naming.state_in_words(asked.stage)} can't be retried in run {run.pk}")
    if not asked.dry_run:
        lifecycle.ask_retry(run, asked.stage, auth.who(token))
    return _done(run, asked, [actions.RETRY.consequence])


@router.post("/runs/{int:run_id}/adopt", url_name="adopt", response=DONE)
def adopt(request: HttpRequest, run_id: int, asked: schemas.Adopt) -> dict[str, Any]:
    """Expect from now on what the run found. /differences of the run lists the paths."""
    token, run = _caller(request, scopes.ADOPT), run_page.load(run_id)
    if reason := adopting.why_not(run, asked.path):
        raise Refused(reason)
    changed = first(adopting.preview(run, asked.path))
    notes = adopting.notes(run, asked.path) if asked.dry_run else adopting.adopt(run, asked.path, auth.who(token))
    return _done(run, asked, _words(first(notes)), changed_lines=_words(changed))


@router.post("/hosts/{slug:name}/power", url_name="power", response=POWERED, tags=["hosts"])
def power_of(request: HttpRequest, name: str, asked: schemas.Power) -> dict[str, Any]:
    """Do one thing with this host's power, or read it."""
    token, host = _caller(request, scopes.POWER), the_host(name)
    if reason := power.why_not(host, asked.verb) or power.not_done_yet(host, asked.verb):
        raise Refused(reason)
    consequence = power.consequence(asked.verb)
    if consequence and not (asked.dry_run or asked.may_stop):
        raise Problem(409, f"{asked.verb} of {host.name}: {consequence}", "send may_stop: true")
    if not asked.dry_run:
        lifecycle.ask_power(host, asked.verb, auth.who(token))
    return {"done": not asked.dry_run, "host": host.name, "verb": asked.verb.value, "consequence": consequence}


@router.post("/hosts/{slug:name}/tags", url_name="tags", response=TAGGED, tags=["hosts"])
def set_tags(request: HttpRequest, name: str, asked: schemas.Tags) -> dict[str, Any]:
    """Give this host these tags in place of those that it has."""
    token, host = _caller(request, scopes.TAGS), the_host(name)
    try:
        wanted = tags.parsed(" ".join(asked.tags))
    except ValueError as error:
        raise Problem(400, str(error)) from None
    before = host.tag_list
    if not asked.dry_run and wanted != before:
        tagging.set_tags(host, wanted, token.user, f"by {auth.who(token)}")
    return {"done": not asked.dry_run, "host": host.name, "tags": wanted, "before": before}


def _caller(request: HttpRequest, scope: Scope) -> ApiToken:
    paging.refuse_unknown(request)
    return auth.require(request, scope)


def _possible(run_id: int, action: Action) -> Run:
    """The run. Raises Http404, and Refused if its state does not allow the action."""
    run = run_page.load(run_id)
    if reason := actions.why_not(run, action):
        raise Refused(reason)
    return run


def _done(run: Run, asked: schemas.Ask, words: list[str], **more: Any) -> dict[str, Any]:
    run.refresh_from_db()
    return {"done": not asked.dry_run, "words": words, "run": overview.run_as_data(run), **more}


def _words(shown: Shown[str]) -> list[str]:
    return [*shown.rows, *([f"and {shown.more} more"] if shown.more else [])]
