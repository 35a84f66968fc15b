from __future__ import annotations

import io

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db
GOOD = "correct horse battery"


def give(monkeypatch: pytest.MonkeyPatch, text: str, *arguments: str) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    out = io.StringIO()
    call_command("admin_user", *arguments, stdout=out)
    return out.getvalue()


def test_it_makes_an_administrator_whose_password_is_kept_as_bcrypt(
    monkeypatch: pytest.MonkeyPatch, real_hashers: None
) -> None:
    give(monkeypatch, f"{GOOD}\n", "ada", "--password-stdin")
    user = get_user_model().objects.get(username="ada")
    assert user.is_superuser and user.is_staff
    assert user.password.startswith("bcrypt_sha256$")
    assert user.check_password(GOOD)


def test_a_second_time_it_sets_a_new_password(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, f"{GOOD}\n", "ada", "--password-stdin")
    assert "has a new password" in give(monkeypatch, "another long one\n", "ada", "--password-stdin")
    assert get_user_model().objects.get().check_password("another long one")


def test_if_missing_leaves_an_existing_administrator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, f"{GOOD}\n", "ada", "--password-stdin")
    assert "nothing was changed" in give(monkeypatch, "", "--if-missing")
    assert get_user_model().objects.count() == 1


@pytest.mark.parametrize("password", ["short", "", "password1234"])
def test_a_weak_password_is_refused_and_nobody_is_made(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    with pytest.raises(CommandError):
        give(monkeypatch, f"{password}\n", "--password-stdin")
    assert not get_user_model().objects.exists()


def test_without_a_terminal_it_says_how_to_give_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="--password-stdin"):
        give(monkeypatch, "")


def test_the_administrator_can_log_in(monkeypatch: pytest.MonkeyPatch, rf: object) -> None:
    give(monkeypatch, f"{GOOD}\n", "ada", "--password-stdin")
    assert authenticate(rf.get("/"), username="ada", password=GOOD) is not None
