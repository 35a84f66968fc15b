"""The inventory's pages as a browser uses them: forms, actions, import and export."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from hosts.models import Host

SPEC = {
    "disks": [
        {"serial": "SATA-1", "bus": "sata", "size_mb": 256, "model": "Big"},
        {"serial": "NVME-1", "bus": "nvme", "size_mb": 512},
        {"serial": "STICK", "bus": "usb", "size_mb": 16},
        {"wwn": "0x5000", "bus": "sas", "size_mb": 16},
    ]
}
LIST, CHANGE = "admin:hosts_host_changelist", "admin:hosts_host_change"
FORMAT = {"csv": "0", "yaml": "1"}


def form_of(client: Client, host: Host | None) -> dict[str, Any]:
    """What a browser would send if the operator changed nothing."""
    url = reverse("admin:hosts_host_change", args=[host.pk]) if host else reverse("admin:hosts_host_add")
    context = client.get(url).context
    data: dict[str, Any] = {}
    for form in (context["adminform"].form, *(f for s in context["inline_admin_formsets"] for f in s.formset)):
        for bound in form:
            value = bound.value()
            if value not in (None, False):
                data[bound.html_name] = "on" if value is True else value
    for inline in context["inline_admin_formsets"]:
        for bound in inline.formset.management_form:
            data[bound.html_name] = bound.value()
    return data


def send(client: Client, host: Host | None, **changes: Any) -> Any:
    url = reverse("admin:hosts_host_change", args=[host.pk]) if host else reverse("admin:hosts_host_add")
    data = {key: value for key, value in {**form_of(client, host), **changes}.items() if value is not None}
    return client.post(url, data)


def errors(response: Any) -> str:
    assert response.status_code == 200
    context = response.context
    formsets = [error for inline in context["inline_admin_formsets"] for error in inline.formset.errors]
    return str([context["adminform"].form.errors.as_data(), formsets])


def do(client: Client, action: str, *hosts: Host, **more: Any) -> Any:
    return client.post(reverse(LIST), {"action": action, "_selected_action": [host.pk for host in hosts], **more})


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in response.wsgi_request._messages]


def preview(client: Client, text: str, kind: str = "yaml") -> Any:
    file = SimpleUploadedFile(f"hosts.{kind}", text.encode())
    return client.post(reverse("admin:hosts_host_import"), {"format": FORMAT[kind], "import_file": file})


def confirm(client: Client, response: Any) -> Any:
    form = response.context["confirm_form"]
    return client.post(reverse("admin:hosts_host_process_import"), form.initial)


def export(client: Client, kind: str) -> str:
    url = reverse("admin:hosts_host_export")
    chosen = {field: "on" for field in client.get(url).context["form"].fields if field.startswith("hostresource_")}
    return client.post(url, {"format": FORMAT[kind], **chosen}).content.decode()
