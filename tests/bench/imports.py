"""How long a large import checks and writes, in time of the processor: a busy machine changes it little."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator

COLUMNS = "name,macs,notes,expected"
SPEC = '"{""cpu"": {""cores"": 16}, ""disks"": [{""serial"": ""S%06d"", ""bus"": ""nvme""}]}"'


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "VETTING_DATA_DIR": folder,
            "DATABASE_URL": f"sqlite:///{folder}/vetting.sqlite3",
            "VETTING_SECRET_KEY": "k" * 40,
            "DJANGO_SETTINGS_MODULE": "vetting.settings",
        }
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        for words, text in (("new", _csv(count, "a")), ("changed", _csv(count, "b")), ("the same", _csv(count, "b"))):
            _measure(words, text)


def _csv(count: int, notes: str) -> str:
    return "\n".join([COLUMNS, *_rows(count, notes)])


def _rows(count: int, notes: str) -> Iterator[str]:
    for n in range(count):
        yield f"h-{n},52:54:{n >> 24:02x}:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x},{notes},{SPEC % n}"


def _measure(words: str, text: str) -> None:
    from hosts import bulk, formats, importing

    start = time.process_time()
    dataset = formats.HostsCsv(encoding="utf-8").create_dataset(text)
    read = time.process_time()
    plan = importing.plan(dataset, dict, {"quick"})
    checked = time.process_time()
    batches = []
    for batch in bulk.batches(plan.hosts):
        began = time.process_time()
        bulk.write(batch, plan.columns, dict)
        batches.append(time.process_time() - began)
    print(
        f"{len(dataset)} hosts, {words}: read {read - start:.1f} s, checked {checked - read:.1f} s, "
        f"{len(batches)} transactions, {sum(batches):.1f} s, longest {max(batches, default=0.0):.3f} s"
    )
