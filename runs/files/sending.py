"""Files of runs that the web server sends itself. Django would read the whole file into memory, and a log may have 256
MB."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase

# A server that can send files puts this into the scope of a request.
OFFERED = "vetting.sends_files"
_HEADER = "X-Vetting-File"


def handed_over(request: HttpRequest, response: FileResponse, path: Path) -> HttpResponseBase:
    """The answer without the file's content if the server sends the file; otherwise (as in tests) the unchanged
    answer."""
    if OFFERED not in getattr(request, "scope", {}):
        return response
    headers = dict(response.headers)
    response.close()
    return HttpResponse(headers=headers | {_HEADER: quote(str(path))})


def is_handed_over(response: HttpResponseBase) -> bool:
    """Whether the answer names a file, whose content the server sends."""
    return _HEADER in response.headers


def path_in(headers: list[tuple[bytes, bytes]]) -> Path | None:
    """The file that an answer with these headers names."""
    wanted = _HEADER.lower().encode()
    return next((Path(unquote(value.decode())) for name, value in headers if name.lower() == wanted), None)


def without_path(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() != _HEADER.lower().encode()]
