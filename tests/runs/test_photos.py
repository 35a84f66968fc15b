"""Photos that an operator adds to a run: looked at by content, bounded, shown, in the pack, removed with the rest."""

from __future__ import annotations

import base64
import io
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from hosts import bounds
from runs import photos, retention
from runs.desk import photo_views
from runs.files import sending
from runs.invariants import stored
from runs.models import Artifact, Run
from runs.reports import checking, exports
from tests import factories, rows
from vetting import config, roles

pytestmark = pytest.mark.django_db
# One pixel each.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
JPEG, WEBP = b"\xff\xd8\xff\xe0 made up", b"RIFF\x04\0\0\0WEBP made up"


@pytest.fixture(autouse=True)
def _own_files(settings: Any, tmp_path: Path) -> None:
    settings.RUNS_DIR = tmp_path / "runs"
    settings.RUNS_DIR.mkdir()
    settings.VETTING = config.Config()


@pytest.fixture
def operator(client: Client) -> Client:
    user = factories.UserFactory(is_superuser=False)
    user.groups.add(Group.objects.get(name=roles.OPERATOR))
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def sent(client: Client, run: Run, data: bytes, name: str = "label.png") -> HttpResponse:
    return client.post(f"/runs/{run.pk}/photos/", {"photo": SimpleUploadedFile(name, data)})


def of(run: Run) -> list[str]:
    return list(photos.of(run).values_list("name", flat=True))


def test_a_photo_is_sent_by_the_server_piece_by_piece_where_it_can(operator: Client) -> None:
    run = rows.a_run(verdict="failed", state="Failed")
    sent(operator, run, PNG)
    [name] = of(run)
    request = RequestFactory().get(f"/runs/{run.pk}/photos/{name}/")
    request.user, request.scope = get_user_model().objects.get(), {sending.OFFERED: True}
    answer = photo_views.photo(request, run_id=run.pk, photo=name)
    assert sending.is_handed_over(answer) and answer.content == b""
    assert (answer.headers["Content-Type"], answer.headers["Content-Length"]) == ("image/png", str(len(PNG)))


def test_a_photo_is_shown_on_the_page_and_is_in_the_pack(operator: Client) -> None:
    run = rows.a_run(verdict="failed", state="Failed")
    assert sent(operator, run, PNG, "../../bay 3 <b>.PNG").status_code == 302
    [name] = of(run)
    assert name.startswith("photo-bay_3_b-") and name.endswith(".png")
    page = operator.get(f"/runs/{run.pk}/").content.decode()
    assert f'src="/runs/{run.pk}/photos/{name}/"' in page and "Remove" in page
    shown = operator.get(f"/runs/{run.pk}/photos/{name}/")
    assert (shown.getvalue(), shown.headers["Content-Type"]) == (PNG, "image/png")
    assert (shown.headers["X-Content-Type-Options"], "sandbox" in shown.headers["Content-Security-Policy"]) == (
        "nosniff", True
    )  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(exports.BY_NAME["rma.zip"].make(run, exports.content_of(run)))) as pack:
        inside = {one: pack.read(one) for one in pack.namelist()}
    assert inside[f"photos/{name.removeprefix('photo-')}"] == PNG
    assert f"photos/{name.removeprefix('photo-')}" in inside[checking.SUMS].decode()
    event = run.events.get(kind="photo_added")
    assert (event.text, event.who) == (name, "operator")


@pytest.mark.parametrize(("data", "ending"), [(JPEG, "jpg"), (PNG, "png"), (WEBP, "webp")])
def test_its_kind_is_read_from_its_content(data: bytes, ending: str) -> None:
    assert photos.kind(data) == ending


@pytest.mark.parametrize(
    "data",
    [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<script>", b"GIF89a", b"", b"RIFF\0\0\0\0WAVE", b"\xff\xd8"],
)
def test_what_is_no_photo_is_refused_whatever_it_is_called(operator: Client, data: bytes) -> None:
    run = rows.a_run()
    assert sent(operator, run, data, "photo.png").status_code == 409
    assert of(run) == [] and not any(path.is_file() for path in _files())


def test_too_large_and_too_many_are_refused(operator: Client) -> None:
    run = rows.a_run()
    assert b"at most" in sent(operator, run, JPEG + bytes(bounds.PHOTO.most)).content
    for number in range(bounds.PHOTOS.most):
        assert sent(operator, run, JPEG + bytes([number])).status_code == 302
    assert b"remove one first" in sent(operator, run, JPEG + b"one more").content
    assert sent(operator, run, JPEG + bytes([0])).status_code == 302, "the same photo again replaces itself"
    assert len(of(run)) == bounds.PHOTOS.most
    assert run.events.filter(kind="photo_added").count() == bounds.PHOTOS.most


def test_it_can_be_removed_and_no_file_of_another_kind_can(operator: Client, settings: Any) -> None:
    run = rows.a_run()
    sent(operator, run, PNG)
    (settings.RUNS_DIR / str(run.pk) / "report.json").write_text("{}")
    Artifact.objects.create(run=run, name="report.json", path=f"{run.pk}/report.json", size=2)
    assert operator.post(f"/runs/{run.pk}/photos/report.json/remove/").status_code == 409
    assert operator.get(f"/runs/{run.pk}/photos/report.json/").status_code == 404
    assert operator.post(f"/runs/{run.pk}/photos/{of(run)[0]}/remove/").status_code == 302
    assert [path.name for path in _files()] == ["report.json"]
    assert run.events.filter(kind="photo_removed").count() == 1


def test_retention_removes_photos_with_the_other_files_of_the_run(operator: Client) -> None:
    run = rows.a_run(ended_at=timezone.now() - timedelta(days=100))
    sent(operator, run, PNG)
    Artifact.objects.update(created_at=timezone.now() - timedelta(days=91))
    retention.sweep()
    assert of(run) == [] and not _files()
    Run.objects.filter(pk=run.pk).update(files_removed_at=timezone.now())
    assert b"takes no photos" in sent(operator, run, PNG).content


def test_a_process_that_died_before_the_row_was_written_leaves_what_the_doctor_finds(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = rows.a_run()

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(photos, "locked", dies)
    with pytest.raises(KeyboardInterrupt):
        photos.add(run, "label.png", PNG, "operator")
    assert of(run) == []
    [path] = _files()
    scope = stored.Scope(now=timezone.now() + timedelta(days=1))
    assert list(stored.orphans(scope)) == [path]


def test_a_viewer_sees_photos_and_can_neither_add_nor_remove_one(operator: Client) -> None:
    run = rows.a_run()
    sent(operator, run, PNG)
    [name] = of(run)
    viewer = factories.UserFactory(username="viewer", is_superuser=False)
    viewer.groups.add(Group.objects.get(name=roles.VIEWER))
    operator.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")
    page = operator.get(f"/runs/{run.pk}/").content.decode()
    assert name in page and "Add the photo" not in page and "remove/" not in page
    assert sent(operator, run, JPEG).status_code == 403
    assert operator.post(f"/runs/{run.pk}/photos/{name}/remove/").status_code == 403
    assert of(run) == [name]


def test_a_run_that_goes_on_takes_none(operator: Client) -> None:
    run = factories.in_storage()
    assert b"it goes on" in sent(operator, run, PNG).content
    assert "Add the photo" not in operator.get(f"/runs/{run.pk}/").content.decode()


def _files() -> list[Path]:
    from django.conf import settings

    return [path for path in Path(settings.RUNS_DIR).rglob("*") if path.is_file()]
