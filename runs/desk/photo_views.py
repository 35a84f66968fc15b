"""Photos of a run: shown, added and removed on its page."""

from __future__ import annotations

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from hosts import bounds
from runs import photos, retention
from runs.desk import run_page
from runs.desk.access import needs, who
from runs.desk.action_views import refusals_answered
from runs.files import sending
from runs.transition import Refused

_POLICY = "default-src 'none'; sandbox"


@require_safe
@never_cache
@needs()
def photo(request: HttpRequest, run_id: int, photo: str) -> HttpResponseBase:
    """The photo itself, sent as other files of runs are: a reader that takes it slowly holds no memory. It is looked at
    again: no browser takes it for anything else than an image."""
    row = photos.of(run_page.load(run_id)).filter(name=photo).first()
    path = retention.inside(row.path) if row else None
    try:
        stream = path.open("rb") if path else None
    except OSError:
        stream = None
    if path is None or stream is None:
        raise Http404(f"Run {run_id} has no photo {bounds.quoted(photo)}.")
    if not (kind := photos.kind(stream.read(photos.KIND_BYTES))):
        stream.close()
        raise Http404(f"{bounds.quoted(photo)} of run {run_id} is no photo any more.")
    stream.seek(0)
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": _POLICY}
    response = FileResponse(stream, content_type=photos.TYPES[kind], headers=headers)
    return sending.handed_over(request, response, path)


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
