"""Accounts, and the actions that libraries bring to the administration without asking for a permission."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from axes.admin import AccessAttemptAdmin
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.views import LoginView
from django.db.models import Field, ManyToManyField, Q, QuerySet
from django.http import HttpRequest

# axes 8.3.1 answers it 500: it asks the request for what only a login's has. Attempts expire by themselves.
AccessAttemptAdmin.actions = ()

admin.site.unregister(User)


class DatedList(ChangeList):
    """Django's, which answers 500 to the last year of all calendars."""

    def get_filters(self, request: HttpRequest) -> Any:
        try:
            return super().get_filters(request)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from None


def mend_dated_lists() -> None:
    """Called when every admin is there, those of libraries too."""
    for model_admin in admin.site._registry.values():
        if model_admin.date_hierarchy:
            model_admin.get_changelist = lambda request, **_: DatedList  # type: ignore[method-assign]


def close_actions() -> None:
    """Django offers an action that names no permission to everybody who may see the list, as those of libraries do: it
    asks for the permission to change, then. Called when every admin is there."""
    for model_admin in admin.site._registry.values():
        for function, _, _ in model_admin._get_base_actions():
            if not getattr(function, "allowed_permissions", None):
                function.allowed_permissions = ("change",)


class Login(LoginView):
    """Django's, which answers 500 to somebody who is logged in and whom an address sends on to the login itself."""

    def get_success_url(self) -> str:
        address = super().get_success_url()
        return self.get_default_redirect_url() if address == self.request.path else address


@admin.register(User)
class AccountAdmin(UserAdmin):
    """Nobody gives more than they have: who is no superuser changes no superuser, makes none, and hands out only
    groups whose permissions they all have. Permissions are given by groups."""

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _is_below(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _is_below(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Sequence[str]:
        more = [] if request.user.is_superuser else ["is_superuser", "user_permissions"]
        return [*super().get_readonly_fields(request, obj), *more]

    def formfield_for_manytomany(self, db_field: ManyToManyField, request: HttpRequest, **kwargs: Any) -> Field:
        if db_field.name == "groups":
            kwargs["queryset"] = Group.objects.filter(pk__in=[group.pk for group in _grantable(request.user)])
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_deleted_objects(self, objs: QuerySet[User], request: HttpRequest) -> tuple[list, dict, set, list]:
        """The list's own action asks for the permission once, not for each account."""
        to_delete, counts, permissions, protected = super().get_deleted_objects(objs, request)
        above = [f"{user} may do more than you" for user in objs if not _is_below(request, user)]
        return to_delete, counts, permissions, protected + above


def _is_below(request: HttpRequest, account: User | None) -> bool:
    """Whether this account, were it active, may do nothing that the one that asks may not."""
    if account is None or request.user.is_superuser:
        return True
    held = Permission.objects.filter(Q(user=account) | Q(group__user=account)).select_related("content_type")
    return not account.is_superuser and {_full_name(one) for one in held} <= request.user.get_all_permissions()


def _grantable(giver: User) -> Iterable[Group]:
    groups = Group.objects.prefetch_related("permissions__content_type")
    if giver.is_superuser:
        return groups
    own = giver.get_all_permissions()
    return [group for group in groups if {_full_name(one) for one in group.permissions.all()} <= own]


def _full_name(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"
