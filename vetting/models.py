"""Data about the installation as a whole."""

from __future__ import annotations

from django.db import models


class GivenPermission(models.Model):
    """A permission that a role was given once. If an administrator takes it away from the role, the next upgrade does
    not give it again."""

    role = models.CharField(max_length=150)
    permission = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["role", "permission"], name="given_once_per_role")]

    def __str__(self) -> str:
        return f"{self.role}: {self.permission}"
