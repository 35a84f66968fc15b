"""Import and export of the inventory on pages. A page imports a bounded number of hosts; the command takes any
number."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from import_export.results import Result

from hosts import access, formats, previews, resources
from hosts.admin.permissions import EXPORT, IMPORT, WAKE
from hosts.admin.runs_side import RunsSide
from hosts.forms import HostExportForm, HostImportForm

MOST = 1000
"""Hosts that a page imports at once, in one transaction."""


class Exchange(RunsSide):
    """Mixed into the hosts' ModelAdmin."""

    resource_classes = (resources.HostResource,)
    formats = list(formats.FORMATS)
    import_form_class = HostImportForm
    export_form_class = HostExportForm
    import_template_name = "admin/hosts/host/import.html"
    export_template_name = "admin/hosts/host/export.html"
    tmp_storage_class = previews.Previews
    show_change_form_export = False
    admin_site: Any
    opts: Any

    def import_action(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Show the preview. Its file is kept only if the import can be confirmed."""
        access.require(request, IMPORT)
        response: TemplateResponse = super().import_action(request, **kwargs)  # type: ignore[misc]
        shown = response.context_data
        assert shown is not None, "the page has a form, or a preview"
        if "confirm_form" not in shown and (file := shown["form"].files.get("import_file")) is not None:
            previews.remove(getattr(file, "tmp_storage_name", ""))
        return response

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Carry out a confirmed import. The preview's file is deleted afterwards, also when the import fails."""
        access.require(request, IMPORT)
        name = request.POST.get("import_file_name", "")
        if request.method == "POST" and (reason := _why_not(request, name)):
            return self._wrong_address(request, "import", reason)
        try:
            answer: HttpResponse = super().process_import(request, **kwargs)  # type: ignore[misc]
            return answer
        finally:
            previews.remove(name)

    def export_action(self, request: HttpRequest) -> HttpResponse:
        access.require(request, EXPORT)
        try:
            answer: HttpResponse = super().export_action(request)  # type: ignore[misc]
            return answer
        except IncorrectLookupParameters as error:
            return self._wrong_address(request, "export", f"the filter in the URL is not valid: {error}")

    def _wrong_address(self, request: HttpRequest, verb: str, reason: str) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, "verb": verb}
        context["refusals"] = [(verb.capitalize(), reason)]
        return TemplateResponse(request, "admin/hosts/host/refused.html", context, status=400)

    def get_import_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        more = {
            "busy": self.busy_hosts,
            "profiles": frozenset(self.profile_titles()),
            "may_wake": access.may(request.user, WAKE),
            "most": MOST,
        }
        return {**super().get_import_resource_kwargs(request, **kwargs), **more}  # type: ignore[misc]

    def process_result(self, result: Result, request: HttpRequest) -> HttpResponse:
        """Report rows that became wrong between the preview and its confirmation."""
        if problems := resources.problems(result):
            messages.error(request, f"Nothing was imported. Since you looked: {'; '.join(problems[:5])}.")
            return redirect("admin:hosts_host_import")
        answer: HttpResponse = super().process_result(result, request)  # type: ignore[misc]
        return answer

    def add_data_read_fail_error_to_form(self, form: forms.Form, error: Exception) -> None:
        form.add_error("import_file", f"The file can't be read: {error}")


def _why_not(request: HttpRequest, name: str) -> str:
    """Why this confirmation belongs to no preview that was shown; empty if it does."""
    if request.POST.get("format") not in [str(number) for number in range(len(formats.FORMATS))]:
        return "the form names an unknown format: choose the file again"
    if request.POST.get("resource", "") not in ("", "0") or not request.POST.get("original_file_name"):
        return "the form does not come from a preview: choose the file again"
    if not previews.is_there(name):
        return "the preview no longer exists: it is kept for an hour and for one confirmation. Choose the file again"
    return ""
