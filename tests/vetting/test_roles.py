"""The roles that ship: given once, kept up to date, and never against what an administrator decided."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from vetting import roles
from vetting.models import GivenPermission

pytestmark = pytest.mark.django_db
GOOD = "correct horse battery"


def held(role: str) -> set[str]:
    rows = Group.objects.get(name=role).permissions.select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


def permission(name: str) -> Permission:
    app, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def test_migrating_makes_the_roles() -> None:
    assert {role: held(role) for role in roles.ROLES} == {role: set(names) for role, names in roles.ROLES.items()}


def test_doing_it_again_changes_nothing() -> None:
    before = GivenPermission.objects.count()
    assert roles.give_all() == []
    assert GivenPermission.objects.count() == before


def test_an_upgrade_keeps_what_an_administrator_added_and_took_away() -> None:
    group = Group.objects.get(name=roles.OPERATOR)
    group.permissions.add(permission("hosts.change_host"))
    group.permissions.remove(permission("runs.override_run"))
    roles.give_all()
    assert held(roles.OPERATOR) == set(roles.ROLES[roles.OPERATOR]) - {"runs.override_run"} | {"hosts.change_host"}


def test_a_permission_of_a_newer_version_is_given() -> None:
    Group.objects.get(name=roles.OPERATOR).permissions.remove(permission("runs.retry_run"))
    GivenPermission.objects.filter(role=roles.OPERATOR, permission="runs.retry_run").delete()
    roles.give_all()
    assert "runs.retry_run" in held(roles.OPERATOR)


def test_staff_of_a_version_without_roles_become_operators_and_are_told() -> None:
    users = get_user_model().objects
    staff = users.create_user("bob", is_staff=True)
    staff.user_permissions.add(permission("hosts.change_host"))
    users.create_user("carol")
    users.create_superuser("ada", password=GOOD)
    Group.objects.all().delete()
    GivenPermission.objects.all().delete()
    assert roles.give_all() == ["bob is staff, and has the role operator from now on"]
    assert [user.username for user in Group.objects.get(name=roles.OPERATOR).user_set.all()] == ["bob"]
    assert staff.has_perm("hosts.change_host") and not get_user_model().objects.get(pk=staff.pk).has_perm(
        "hosts.import_host"
    )


def test_staff_that_is_made_later_stays_without_a_role() -> None:
    get_user_model().objects.create_user("bob", is_staff=True)
    assert roles.give_all() == []
    assert not Group.objects.get(name=roles.OPERATOR).user_set.exists()


# --- the command ---------------------------------------------------------------------------------------------------


def admin_user(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{GOOD}\n"))
    out = io.StringIO()
    call_command("admin_user", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("role", list(roles.ROLES))
def test_the_command_makes_an_account_with_a_role(monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    assert f"bob made, role {role}." in admin_user(monkeypatch, "bob", "--role", role, "--password-stdin")
    user = get_user_model().objects.get(username="bob")
    assert (user.is_staff, user.is_superuser, user.groups.get().name) == (True, False, role)
    assert user.get_all_permissions() == set(roles.ROLES[role])


def test_the_command_changes_a_role_and_keeps_the_password_and_other_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    admin_user(monkeypatch, "bob", "--role", "viewer", "--password-stdin")
    user = get_user_model().objects.get(username="bob")
    user.groups.add(Group.objects.create(name="night shift"))
    assert "keeps its password" in admin_user(monkeypatch, "bob", "--role", "operator", "--keep-password")
    assert sorted(user.groups.values_list("name", flat=True)) == ["night shift", "operator"]
    assert get_user_model().objects.get(username="bob").check_password(GOOD)


def test_a_new_password_makes_nobody_a_superuser(monkeypatch: pytest.MonkeyPatch) -> None:
    admin_user(monkeypatch, "bob", "--role", "viewer", "--password-stdin")
    assert "has a new password, role viewer" in admin_user(monkeypatch, "bob", "--password-stdin")
    assert not get_user_model().objects.get(username="bob").is_superuser


def test_a_superuser_gets_no_role(monkeypatch: pytest.MonkeyPatch) -> None:
    admin_user(monkeypatch, "ada", "--password-stdin")
    with pytest.raises(CommandError, match="is a superuser, who may do everything"):
        admin_user(monkeypatch, "ada", "--role", "viewer", "--password-stdin")
    assert get_user_model().objects.get(username="ada").is_superuser


# --- nobody gives more than they have ------------------------------------------------------------------------------


def administrator() -> Client:
    user = get_user_model().objects.create_user("root2", is_staff=True)
    user.groups.add(Group.objects.get(name=roles.ADMINISTRATOR))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def change(client: Client, user: object, **sent: object) -> int:
    address = reverse("admin:auth_user_change", args=[user.pk])
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    return client.post(address, {"username": user.username, "is_staff": "on", **joined, **sent}).status_code


def test_an_administrator_makes_no_superuser_and_gives_no_group_above_their_own() -> None:
    bob = get_user_model().objects.create_user("bob")
    above = Group.objects.create(name="runs anything")
    above.permissions.add(permission("django_q.add_schedule"))
    client = administrator()
    assert change(client, bob, groups=[above.pk]) == 200  # the form again, with its fault
    sent = {"groups": [Group.objects.get(name="viewer").pk], "user_permissions": [above.permissions.get().pk]}
    assert change(client, bob, is_superuser="on", is_active="on", **sent) == 302
    bob = get_user_model().objects.get(pk=bob.pk)
    assert (bob.is_superuser, bob.get_all_permissions()) == (False, set(roles.ROLES["viewer"]))


@pytest.mark.parametrize("active", [True, False])
def test_an_administrator_changes_no_account_above_their_own(active: bool) -> None:
    users = get_user_model().objects
    ada = users.create_superuser("ada", password=GOOD, is_active=active)
    bob = users.create_user("bob", is_staff=True, is_active=active)
    bob.user_permissions.add(permission("django_q.add_schedule"))
    client = administrator()
    for user in (ada, bob):
        assert change(client, user) == 403
        password = reverse("admin:auth_user_password_change", args=[user.pk])
        assert client.post(password, {"password1": GOOD, "password2": GOOD}).status_code == 403
        assert client.post(reverse("admin:auth_user_delete", args=[user.pk]), {"post": "yes"}).status_code == 403
    sent = {"action": "delete_selected", "_selected_action": [ada.pk, bob.pk], "post": "yes"}
    client.post(reverse("admin:auth_user_changelist"), sent)
    assert users.filter(username__in=["ada", "bob"]).count() == 2
