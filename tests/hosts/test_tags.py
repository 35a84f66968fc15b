"""Tags: bounded words, the same from the form and from a file, for filters and routes."""

from __future__ import annotations

import pytest
import tablib
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from hosts import bounds, tags
from hosts.models import Host
from hosts.resources import HostResource, problems

pytestmark = pytest.mark.django_db


def imported(cell: object) -> list[str]:
    resource = HostResource(profiles=["quick"])
    return problems(resource.import_data(tablib.Dataset(["pve-1", cell], headers=["name", "tags"])))


def test_tags_are_kept_in_one_form_wherever_they_come_from() -> None:
    host = Host(name="pve-1", tags=" Rack3,prod  rack3 ")
    host.clean()
    host.save()
    assert host.tags == "prod rack3" and host.tag_list == ["prod", "rack3"]
    assert imported("Rack4, lab") == [] and Host.objects.get().tags == "lab rack4"
    assert imported(["b", "a"]) == [] and Host.objects.get().tags == "a b"
    assert imported(None) == [] and Host.objects.get().tags == "a b"
    assert HostResource().export().dict[0]["tags"] == "a b"
    assert imported("") == [] and Host.objects.get().tags == ""


@pytest.mark.parametrize("wrong", ["-a", "a/b", "ä", "a" * 33, " ".join(f"t{n}" for n in range(bounds.TAGS.most + 1))])
def test_what_is_no_tag_is_refused_everywhere(wrong: str) -> None:
    with pytest.raises(ValidationError) as error:
        Host(name="pve-1", tags=wrong).clean()
    assert set(error.value.message_dict) == {"tags"}
    assert imported(wrong) and not Host.objects.exists()


def test_as_many_of_the_longest_as_are_allowed_fit_into_the_column() -> None:
    most = " ".join(f"{n:02}" + "x" * 30 for n in range(bounds.TAGS.most))
    host = Host(name="pve-1", tags=most)
    host.full_clean()
    assert len(host.tag_list) == bounds.TAGS.most and len(host.tags) <= tags.COLUMN_CHARACTERS


def test_the_list_is_filtered_by_a_whole_tag(admin_client: Client) -> None:
    for number, words in enumerate(("rack3", "prod rack3", "rack3 zfs", "a rack3 z", "rack33", "")):
        Host.objects.create(name=f"pve-{number}", tags=words)
    page = admin_client.get(reverse("admin:hosts_host_changelist"), {"tag": "rack3"})
    assert [host.name for host in page.context["cl"].result_list] == ["pve-0", "pve-1", "pve-2", "pve-3"]
