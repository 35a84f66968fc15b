"""What somebody may write into an address, a form or a header: whatever it is, it is answered, and never with a fault
of ours (a status of 500)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from hosts.models import Host
from runs.bench import service_state
from runs.models import Artifact, Run
from tests import factories
from tests.hosts.adminclient import FORMAT, send

pytestmark = [pytest.mark.slow, pytest.mark.postgresql, pytest.mark.django_db]

HUGE = "9" * 20
NUL = quote("\0")


@pytest.fixture
def run() -> Run:
    run = factories.held_by_wipe_probe()
    Artifact.objects.create(run=run, name="report.html", path=f"{run.pk}/report.html", size=1)
    return run


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    client.raise_request_exception = False
    return client


VALUES = {"nul": NUL, "superscript": "%C2%B2", "huge": HUGE, "digits": "9" * 5000, "minus": "-1", "markup": "%3Cb%3E"}
PAGES = (
    "/?q={}", "/?show={}", "/?health={}", "/?profile={}", "/parts/?part=grid&q={}", "/parts/?part=tile-{}",
    "/login/?next={}",
    "/hosts/{}/", "/hosts/HOST/compare/?run={}", "/runs/{}/", "/runs/{}/report.html", "/runs/{}/files/x",
    "/runs/{}/run.log",
    "/runs/{}/spec/", "/runs/{}/parts/", "/runs/RUN/files/{}", "/runs/RUN/parts/?part={}", "/runs/RUN/log/?q={}",
    "/runs/RUN/log/?level={}", "/runs/RUN/log/?before={}", "/runs/RUN/log/lines/?after={}", "/runs/RUN/retry/?stage={}",
    "/runs/RUN/series.json?window={}", "/runs/RUN/series.json?since={}", "/runs/RUN/series.json?since=1&last_id={}",
    "/ipxe/{}", "/ipxe/52:54:00:00:00:01?again={}", "/admin/r/{}/{}/", "/nothing/{}?{}",
)  # fmt: skip
LISTS = {
    "hosts/host": "q state profile model health id__exact id",
    "runs/run": "q o p state host__id__exact created_at__year created_at__gte progress_seq",
    "axes/accessattempt": "q attempt_time__year",
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_no_page_breaks_by_what_its_address_asks_for(operator: Client, run: Run, value: str) -> None:
    pages = [page.replace("HOST", run.host.name).replace("RUN", str(run.pk)) for page in PAGES]
    assert broken(operator, [page.replace("{}", value) for page in pages]) == []


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_no_list_of_the_administration_breaks_by_what_its_address_asks_for(operator: Client, value: str) -> None:
    paths = [f"/admin/{name}/?{one}={value}" for name, words in LISTS.items() for one in words.split()]
    paths += [f"/admin/{name}/{value}/{page}/" for name in LISTS for page in ("change", "delete", "history")]
    assert broken(operator, paths) == []


@pytest.mark.parametrize("rest", ["", "&created_at__month=12", "&created_at__month=12&created_at__day=31"])
def test_no_list_breaks_at_the_end_of_all_calendars(operator: Client, rest: str) -> None:
    assert broken(operator, [f"/admin/runs/run/?created_at__year={year}{rest}" for year in (1, 9999, 10000)]) == []


def broken(client: Client, paths: list[str]) -> list[str]:
    answers = ((path, client.get(path).status_code) for path in paths)
    return [f"{path[:80]}: {status}" for path, status in answers if status >= 500]


REFUSED = (
    "/hosts/HOST/compare/?run={}", "/runs/RUN/parts/?part={}", "/runs/RUN/series.json?window={}",
    "/runs/RUN/log/?level={}", "/runs/RUN/log/lines/?before={}", "/ipxe/{}",
)  # fmt: skip


def test_what_somebody_wrote_into_an_address_is_never_read_as_html(operator: Client, run: Run) -> None:
    for page in REFUSED:
        path = page.replace("HOST", run.host.name).replace("RUN", str(run.pk)).replace("{}", "%3Cb%3Eword")
        answer = operator.get(path)
        assert answer.status_code == 400 and "b>word" in answer.content.decode(), path
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8", path


def test_the_login_does_not_lead_to_itself(operator: Client) -> None:
    answer = operator.get("/login/?next=/login/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"])
def test_the_login_leads_nowhere_else(operator: Client, to: str) -> None:
    assert operator.get(f"/login/?next={quote(to)}").headers["Location"] == "/"


@pytest.mark.parametrize("path", ["/login/", "/admin/login/", "/hosts/x/start/", "/logout/"])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded; charset=utf-7", "text/plain; charset=utf-7"])
def test_a_form_in_another_encoding_is_refused_with_a_sentence(path: str, kind: str) -> None:
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "t" * 32
    answer = client.generic("POST", path, b"username=a", kind)
    assert answer.status_code in (400, 403)
    if "urlencoded" in kind:
        assert answer.status_code == 400 and "UTF-8" in answer.content.decode()


def test_an_unseen_character_nul_in_a_form_is_refused_with_a_sentence(operator: Client, run: Run) -> None:
    for path, field in ((f"/hosts/{run.host.name}/start/", "repair"), ("/admin/hosts/host/check-spec/", "text"),
                        (f"/runs/{run.pk}/retry/", "stage"), ("/admin/hosts/host/", "action")):  # fmt: skip
        answer = operator.post(path, {field: "a\0b"})
        assert answer.status_code == 400 and "NUL" in answer.content.decode(), path


def test_looking_at_the_history_by_post_breaks_nothing(operator: Client, run: Run) -> None:
    """PostgreSQL locks a row in a transaction only."""
    assert operator.post(reverse("admin:hosts_host_history", args=[run.host.pk])).status_code < 500


IMPORTED = (
    'name: "a\\0b"', '"na\\0me": x', 'notes: "a\\0b"', 'profile_name: "quick\\0"', 'wake_options: {mac: "b\\0"}',
    "wake_options: '{\"mac\": NaN}'", 'expected: {system: {serial: "a\\0b"}}',
    'expected: {system: {serial: "\\ud800"}}',
    'macs: ["\\0"]', 'compared_since: "0001-01-01T00:00:00+14:00"', 'compared_since: "9999-12-31T23:59:59-14:00"',
    f"notes: {'9' * 17}", "expected: .inf", "enabled: 1.0",
)  # fmt: skip


@pytest.mark.parametrize("line", IMPORTED)
def test_no_imported_value_breaks_a_preview_or_its_confirmation(operator: Client, line: str) -> None:
    text = f"- {line}\n" if line.startswith("name") else f"- name: pve1\n  {line}\n"
    assert imported(operator, text.encode()).status_code < 500


FILES = {
    "lines": b"a\n" * 2_000, "a million columns": b"a," * 1_000_000,
    "one long cell": b"name\n" + b"x" * 3_000_000,
    "rows of any length": b"name,notes\na\nb,c,d\n", "nul": b"name\n\0\n", "not text": b"\xff\xfe\xff", "nothing": b" ",
    "a zip": b"PK\x03\x04" + b"\0" * 1000, "quotes": b'name\n"' * 1000,
}  # fmt: skip


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
@pytest.mark.parametrize("kind", FORMAT)
def test_a_file_that_is_no_inventory_is_refused(operator: Client, data: bytes, kind: str) -> None:
    assert imported(operator, data, kind).status_code == 200
    assert not Host.objects.exists()


def test_a_file_of_millions_of_lines_is_not_read_to_its_end(operator: Client) -> None:
    answer = imported(operator, b"a\n" * 2_000_000, "csv")
    assert "more than 10,000 rows" in answer.content.decode()


def imported(client: Client, data: bytes, kind: str = "yaml") -> Any:
    """The preview, or the answer to its confirmation."""
    file = SimpleUploadedFile("hosts", data)
    shown = client.post(
        reverse("admin:hosts_host_import"), {"import_file": file, "format": FORMAT[kind], "resource": ""}
    )
    form = (shown.context or {}).get("confirm_form")
    if form is None:
        return shown
    return client.post(reverse("admin:hosts_host_process_import"), form.initial)


@pytest.mark.parametrize("when", ["0001-01-01", "9999-12-31"])
def test_a_moment_at_the_end_of_all_calendars_breaks_no_form(operator: Client, settings: Any, when: str) -> None:
    host = factories.HostFactory()
    for zone in ("Asia/Tokyo", "America/Los_Angeles"):
        settings.TIME_ZONE = zone
        answer = send(operator, host, compared_since_0=when, compared_since_1="00:00:01")
        assert answer.status_code < 500
        assert operator.get(reverse("admin:hosts_host_change", args=[host.pk])).status_code == 200
        assert operator.get(f"/hosts/{host.name}/").status_code == 200


def test_healthz_tells_nobody_where_the_database_is(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> float:
        raise OperationalError('connection to server at "10.0.0.5", port 5432 failed: FATAL: no user "vetting_db"')

    monkeypatch.setattr(service_state, "age_s", refused)
    answer = client.get("/healthz")
    assert answer.status_code == 503 and answer.content.decode().splitlines()[0] == "the database does not answer"
    assert "10.0.0.5" not in answer.content.decode()
