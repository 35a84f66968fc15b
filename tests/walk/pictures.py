"""The pictures of docs/gallery.md, in their order: what each shows, in words."""

from __future__ import annotations

from typing import NamedTuple

from tests.browser.camera import WAYS

FOLDER = "images/gallery"


class Picture(NamedTuple):
    name: str
    title: str
    caption: str


PICTURES = (
    Picture("login", "Logging in", "Nothing is shown to anyone who is not logged in."),
    Picture("locked-out", "Locked out", "After five wrong passwords, with the command that lifts it."),
    Picture("first-run", "An empty installation", "It leads to the first host and the first run."),
    Picture("host-add", "Adding a host", "A name and a MAC address in any notation are enough."),
    Picture("import", "Importing hosts", "CSV or YAML."),
    Picture("import-preview", "What an import would change", "Nothing is written before this was confirmed."),
    Picture("host-never-vetted", "A host before its first run", "The profiles, how long each takes, what it writes."),
    Picture("start", "Asked before a run starts", "How the host is woken, and what happens to its disks."),
    Picture("run-booting", "A run while its host boots", "The boot ladder, each rung with its time."),
    Picture("run-testing", "A run while it tests", "The stages, what each part does now, the measurements, the log."),
    Picture("dashboard", "The dashboard meanwhile", "What needs a person stands on top."),
    Picture("host-busy", "Its host meanwhile", "The page of the host leads to the run that goes on."),
    Picture("cancel", "Asked before a run is cancelled", "What happens to the host."),
    Picture("cancel-dialog", "The same in place", "With JavaScript the question opens over the page."),
    Picture("run-passed", "A run that passed", "The replaced module is named, and can be adopted."),
    Picture("report", "Its report", "One file, to keep or to print."),
    Picture("log", "Its log", "By level and by word; it follows while the run goes on."),
    Picture("spec", "Expected against actual", "All parts side by side."),
    Picture("adopt", "Asked before a difference is adopted", "What changes in the expected spec."),
    Picture("start-writing", "Asked before disks are written", "Each disk, with what is lost."),
    Picture("run-held", "A run that failed: the host is held", "How to log in, and what the wipe probe found."),
    Picture("dashboard-attention", "The dashboard when a host needs somebody", "Held hosts first, with the reason."),
    Picture("override", "Asked before a disk is wiped", "What would be destroyed; its serial number must be typed."),
    Picture("refused", "A wrong serial number", "What was typed, and that nothing was done."),
    Picture("retry", "Asked before a stage is retried", "Which, and how long it takes with those after it."),
    Picture("release", "Asked before a host is released", "Everybody who is logged in is thrown out."),
    Picture("run-completed", "The same run after the override", "The first attempt stays on record."),
    Picture("run-never-booted", "A boot that failed", "The rung at which it stopped, the usual causes, what to check."),
    Picture("host", "A host with a history", "Its runs, and how its key numbers went."),
    Picture("compare", "Two runs side by side", "Parts by serial number, findings, numbers."),
    Picture("admin", "The administration", "Inventory and history."),
    Picture("admin-hosts", "The inventory", "Filters, search, and actions on many hosts at once."),
    Picture("admin-start", "Asked before many runs are started", "For each host how long, and what is written."),
    Picture("admin-adopt", "Asked before what was found is adopted", "For each host what changes in its spec."),
    Picture("admin-delete", "A host with a history is not deleted", "The reason, and what to do instead."),
    Picture("admin-host", "A host's form", "The spec is checked while it is typed; disks are allowed one by one."),
    Picture("admin-runs", "Runs in the administration", "Searched and filtered; nothing can be changed there."),
    Picture("admin-run", "One of them", "All that is on record."),
    Picture("admin-export", "Exporting hosts", "As CSV or YAML."),
    Picture("not-found", "Not found", "Each error page says what to do next."),
    Picture("not-possible", "Not possible now", "An action that the run's state does not allow, with the reason."),
    Picture("not-for-you", "Not for this account", "Somebody who is no operator, with who can change that."),
    Picture("form-too-old", "A form that is too old", "Nothing was changed."),
)  # fmt: skip

HEAD = """# Gallery

Every page on a desktop and on a phone, in light and in dark, from a run of the [virtual rack](rack.md). Long pages are
cut off below.

```sh
make gallery    # boots the rack's machine, walks through the pages, writes the pictures and this file; root
```
"""


def page() -> str:
    """docs/gallery.md."""
    return "\n".join([HEAD, *map(_entry, PICTURES)])


def _entry(picture: Picture) -> str:
    shown = " | ".join(f"![{picture.title}: {size}, {scheme}]({FOLDER}/{_file(picture, size, scheme)})"
                       for size, scheme in WAYS)  # fmt: skip
    head = " | ".join(f"{size}, {scheme}" for size, scheme in WAYS)
    return f"## {picture.title}\n\n{picture.caption}\n\n| {head} |\n|{'---|' * len(WAYS)}\n| {shown} |\n"


def _file(picture: Picture, size: str, scheme: str) -> str:
    return f"{picture.name}-{size}-{scheme}.webp"
