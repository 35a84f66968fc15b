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
    Picture("login", "Logging in", "Without a login nothing is shown."),
    Picture("locked-out", "Locked out", "After five wrong passwords, with the command that ends the lock."),
    Picture("first-run", "An empty installation", "It shows how to add the first host and start the first run."),
    Picture("host-add", "Adding a host", "A name and a MAC address in any notation are enough."),
    Picture("import", "Importing hosts", "CSV or YAML."),
    Picture("import-preview", "What an import would change", "Nothing is written before this is confirmed."),
    Picture("host-never-vetted", "A host before its first run", "The profiles, their times, and what they write."),
    Picture("start", "The question before a run starts", "How the host is woken, and what happens to its disks."),
    Picture("run-booting", "A run while its host boots", "The boot ladder, each rung with its time."),
    Picture("run-testing", "A run while it tests", "The stages, what each part does now, the measurements, the log."),
    Picture("dashboard", "The dashboard during a run", "Hosts that need a person are at the top."),
    Picture("host-busy", "The host's page during a run", "It links to the run."),
    Picture("cancel", "The question before a run is cancelled", "What happens to the host."),
    Picture("cancel-dialog", "The same question as a dialog", "With JavaScript it opens over the page."),
    Picture("run-passed", "A run that passed", "The replaced module is named, and can be adopted."),
    Picture("report", "Its report", "One file, to keep or to print."),
    Picture("log", "Its log", "Filtered by level and by word; new lines appear while the run goes on."),
    Picture("spec", "Expected against actual", "All parts side by side."),
    Picture("adopt", "The question before a difference is adopted", "What changes in the expected spec."),
    Picture("start-writing", "The question before disks are written", "Each disk, with what is lost."),
    Picture("run-held", "A run that failed: the host is held", "How to log in, and what the wipe probe found."),
    Picture("dashboard-attention", "The dashboard if a host needs somebody", "Held hosts first, with the reason."),
    Picture("override", "The question before a disk is wiped", "What would be destroyed. The serial number is typed."),
    Picture("refused", "A wrong serial number", "It shows what was typed, and that nothing was done."),
    Picture("retry", "The question before a stage is retried", "The stage, and its time with the stages after it."),
    Picture("release", "The question before a host is released", "Everybody who is logged in is logged out."),
    Picture("run-completed", "The same run after the override", "The first attempt stays on record."),
    Picture("run-never-booted", "A boot that failed", "The rung at which it stopped, the usual causes, what to check."),
    Picture("host", "A host with a history", "Its runs, and its key numbers over time."),
    Picture("compare", "Two runs side by side", "Parts by serial number, findings, numbers."),
    Picture("admin", "The administration", "Inventory and history."),
    Picture("admin-hosts", "The inventory", "Filters, search, and actions on many hosts at once."),
    Picture("admin-start", "The question before many runs are started", "For each host its time, and what is written."),
    Picture("admin-adopt", "The question before an inventory is adopted", "For each host the changes in its spec."),
    Picture("admin-delete", "A host with a history is not deleted", "The reason, and what to do instead."),
    Picture("admin-host", "A host's form", "The spec is checked while it is typed; disks are allowed one by one."),
    Picture("admin-runs", "Runs in the administration", "Searched and filtered; nothing can be changed there."),
    Picture("admin-run", "A run in the administration", "Everything that is recorded."),
    Picture("admin-export", "Exporting hosts", "As CSV or YAML."),
    Picture("not-found", "Not found", "Each error page says what to do next."),
    Picture("not-possible", "Not possible now", "An action that the run's state does not allow, with the reason."),
    Picture("not-for-you", "Not for this account", "The account is no operator; the page says who can change that."),
    Picture("form-too-old", "A form that is too old", "Nothing was changed."),
)  # fmt: skip

HEAD = """# Gallery

Pictures of every page on a desktop and on a phone, in light and in dark, from a run of the [virtual rack](rack.md).
Long pages are cut off at the bottom.

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
