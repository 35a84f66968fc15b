"""API tokens in the administration: everybody makes, sees and revokes their own; a superuser sees those of all."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers

from restapi import tokens
from restapi.models import ApiToken
from restapi.scopes import READ, SCOPES


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]  # Django 5.2's takes none at run time
    """A new token of `owner`, who is the account that is logged in."""

    owner: Any = None
    scopes = forms.MultipleChoiceField(
        choices=[(scope.name, f"{scope.name}: {scope.title}") for scope in SCOPES],
        widget=forms.CheckboxSelectMultiple,
        initial=[READ.name],
        help_text="The token never does more than your account may do.",
    )
    days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=tokens.LONGEST_DAYS,
        initial=365,
        help_text="How long it is valid. Empty: until it is revoked.",
    )

    class Meta:
        model = ApiToken
        fields = ("name",)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if not self.errors and (why := tokens.why_not(self.owner, given["name"], given["scopes"], given.get("days"))):
            raise forms.ValidationError(why)
        return given


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django 5.2's takes none at run time
    list_display = ("name", "user", "scopes_in_words", "begins", "created_at", "expires_at", "last_used_at")
    list_display_links = ("name",)
    list_select_related = ("user",)
    form = TokenForm

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        rows = super().get_queryset(request)
        return rows if request.user.is_superuser else rows.filter(user_id=request.user.pk)

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        return self.list_display if obj else ("name", "scopes", "days")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        return self.list_display if obj else ()

    def get_form(self, request: HttpRequest, obj: ApiToken | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"owner": request.user})

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        given = form.cleaned_data
        made = tokens.make(request.user, given["name"], given["scopes"], given.get("days"))
        obj.__dict__.update(made.__dict__)

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        """Show the token, once: it is in this answer and nowhere else."""
        shown = render(request, "admin/restapi/apitoken/made.html", {"token": obj, "title": "API token"})
        add_never_cache_headers(shown)
        return shown

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Django looks for the token first, and so leads an account without the permission elsewhere."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False
