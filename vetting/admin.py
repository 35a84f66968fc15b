"""Accounts in the administration, and corrections of what Django and libraries bring to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from axes.admin import AccessAttemptAdmin
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.contrib.auth.views import LoginView
from django.db.models import ManyToManyField, Q, QuerySet
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest

# The action of axes 8.3.1 is answered 500, since it reads a value that only a login request has. Attempts expire by
# themselves anyway.
AccessAttemptAdmin.actions = ()

admin.site.unregister(User)


class DatedList(ChangeList):
    """Django's list, without its answer 500 to the year 9999."""

    def get_filters(self, request: HttpRequest) -> Any:
        try:
            return super().get_filters(request)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from None


def mend_dated_lists() -> None:
    """Called when every admin is registered, also those of libraries."""
    for model_admin in admin.site._registry.values():
        if model_admin.date_hierarchy:
            model_admin.get_changelist = lambda request, **_: DatedList  # type: ignore[method-assign]


def hide_the_queue() -> None:
    """Take the rows of django-q2 out of the administration: whoever adds a schedule runs code, and the round repairs
    the queue by itself. Called when every admin is registered."""
    admin.site.unregister([model for model in admin.site._registry if model._meta.app_label == "django_q"])


def close_actions() -> None:
    """Make every action need a permission. Actions of libraries name none, and Django offers such an action to
    everybody who may see the list. Here they need the permission to change. Called when every admin is registered."""
    for model_admin in admin.site._registry.values():
        for function, _, _ in model_admin._get_base_actions():  # type: ignore[attr-defined]  # private: no types
            if not getattr(function, "allowed_permissions", None):
                function.allowed_permissions = ("change",)


class Login(LoginView):
    """Django's login, without its answer 500 to a logged-in user whose `next` address is the login itself."""

    def get_success_url(self) -> str:
        address = super().get_success_url()
        return self.get_default_redirect_url() if address == self.request.path else address


@admin.register(User)
class AccountAdmin(UserAdmin):  # type: ignore[type-arg]  # Django 5.2's takes none at run time
    """Nobody can give more permissions than they have. Only a superuser can change or make a superuser. Others give
    only groups whose permissions they all have themselves. Permissions are given by groups."""

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _is_below(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _is_below(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        more = [] if request.user.is_superuser else ["is_superuser", "user_permissions"]
        return [*super().get_readonly_fields(request, obj), *more]

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelMultipleChoiceField[Any] | None:
        if db_field.name == "groups":
            kwargs["queryset"] = Group.objects.filter(pk__in=[group.pk for group in _grantable(request.user)])
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_deleted_objects(
        self, objs: Sequence[Any] | QuerySet[Any], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Protect accounts that may do more than the user: the list's delete action checks the permission once, not for
        each account."""
        to_delete, counts, permissions, protected = super().get_deleted_objects(objs, request)
        above = [f"{user} may do more than you" for user in objs if not _is_below(request, user)]
        return to_delete, counts, permissions, protected + above


def _is_below(request: HttpRequest, account: User | None) -> bool:
    """Whether this account, if it were active, could do nothing that the requesting user can't."""
    if account is None or request.user.is_superuser:
        return True
    held = Permission.objects.filter(Q(user=account) | Q(group__user=account)).select_related("content_type")
    return not account.is_superuser and {_full_name(one) for one in held} <= request.user.get_all_permissions()


def _grantable(giver: User | AnonymousUser) -> Iterable[Group]:
    groups = Group.objects.prefetch_related("permissions__content_type")
    if giver.is_superuser:
        return groups
    own = giver.get_all_permissions()
    return [group for group in groups if {_full_name(one) for one in group.permissions.all()} <= own]


def _full_name(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"
