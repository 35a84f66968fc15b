"""The operator's pages, in every situation a run can be in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from runs import runpage
from runs.models import Run
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(factories.UserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize("scene", factories.ALL_SCENES, ids=lambda scene: scene.__name__)
def test_every_page_of_every_situation_renders(operator: Client, scene: Callable[[], Run | None]) -> None:
    run = scene()
    assert operator.get(reverse("dashboard")).status_code == 200
    if run is None:
        return
    assert operator.get(run.host.get_absolute_url()).status_code == 200
    page = operator.get(run.get_absolute_url()).content.decode()
    for name in runpage.PARTS:
        assert f'id="{name}"' in page
        part = operator.get(reverse("run-parts", args=[run.pk]), {"part": name})
        assert part.status_code == 200
        assert f'id="{name}"' in part.content.decode()
