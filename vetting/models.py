"""Data about the installation as a whole."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class GivenPermission(models.Model):
    """A permission that a role was given once. If an administrator takes it away from the role, the next upgrade does
    not give it again."""

    role = models.CharField(max_length=150)
    permission = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["role", "permission"], name="given_once_per_role")]

    def __str__(self) -> str:
        return f"{self.role}: {self.permission}"


class ProviderAccount(models.Model):
    """The account of a user at the identity provider. Issuer and subject never change; names may."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="provider_account")
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)
    # We switched the user off, since no role was left. A user whom an administrator switched off stays off.
    switched_off = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="one_account_per_subject")]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class UsedLogin(models.Model):
    """The state of a login through the identity provider whose answer came. It is accepted once."""

    state = models.CharField(max_length=100, unique=True)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"
