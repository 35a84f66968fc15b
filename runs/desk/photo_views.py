"""Photos of a run: shown, added and removed on its page."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from hosts import bounds
from runs import photos, retention
from runs.desk import run_page
from runs.desk.access import needs, who
from runs.desk.action_views import refusals_answered
from runs.transition import Refused

_POLICY = "default-src 'none'; sandbox"


@require_safe
@never_cache
@needs()
def photo(request: HttpRequest, run_id: int, photo: str) -> HttpResponseBase:
    """The photo itself. It was looked at when it came: no browser takes it for anything else than an image."""
    row = photos.of(run_page.load(run_id)).filter(name=photo).first()
    path = retention.inside(row.path) if row else None
    try:
        data = path.read_bytes() if path else b""
    except OSError:
        data = b""
    if not (kind := photos.kind(data)):
        raise Http404(f"Run {run_id} has no photo {bounds.quoted(photo)}.")
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": _POLICY}
    return HttpResponse(data, content_type=photos.TYPES[kind], headers=headers)


@require_POST
@needs("runs.report_run")
@refusals_answered
def add(request: HttpRequest, run_id: int) -> HttpResponse:
    run, given = run_page.load(run_id), request.FILES.get("photo")
    if given is None or not given.name:
        raise Refused("no photo was chosen: choose a file first")
    try:
        kept = photos.add(run, given.name, given.read(bounds.PHOTO.most + 1), who(request))
    except OSError as error:
        raise Refused(f"the photo was not kept: our disk gives {error.strerror or error}") from None
    messages.success(request, f"{kept.name} was added.")
    return redirect(run)


@require_POST
@needs("runs.report_run")
@refusals_answered
def remove(request: HttpRequest, run_id: int, photo: str) -> HttpResponse:
    run = run_page.load(run_id)
    try:
        photos.remove(run, photo, who(request))
    except OSError as error:
        raise Refused(f"the photo was not removed: our disk gives {error.strerror or error}") from None
    messages.success(request, f"{photo} was removed.")
    return redirect(run)
