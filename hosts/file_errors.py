"""Why a command can't use a file that its caller named, and what to do.

The commands of an installation run as a user of their own. So a file that the caller can read may be closed to them,
as everything in a home directory is.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from django.conf import settings


def in_words(error: OSError, path: Path | str) -> str:
    """One sentence that names the file."""
    text = f"{error.filename or path}: {error.strerror or error}"
    if not isinstance(error, PermissionError):
        return text
    user = _user()
    text += f": this command runs as user {user}, who may not use that file or its folder"
    if not settings.INSTALLED:
        return text
    place = settings.DATA_DIR
    return f"{text}. Use a file in {place} instead: `sudo install -o {user} -m 600 FILE {place}/` copies one there"


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
