"""The tokens of the REST API."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from restapi import scopes


class ApiToken(models.Model):
    """With this a program uses the REST API as its account, within `scopes`. The token itself is shown once, when it is
    made. `digest` is its SHA-256: a token has 256 random bits, so a slow hash would protect nothing."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60, help_text="What it is for. The history of a run shows it.")
    scopes = models.JSONField(default=list)
    digest = models.CharField(max_length=64, unique=True)
    begins = models.CharField(max_length=12, help_text="How the token begins, to recognise it.")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    secret: str = ""
    """No column: the token itself, in memory while it is made."""

    class Meta:
        ordering = ("user", "name")
        verbose_name = "API token"
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="one_token_per_name")]

    def __str__(self) -> str:
        return f"{self.user.get_username()} (token {self.name})"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def scopes_in_words(self) -> str:
        return ", ".join(scope.name for scope in scopes.SCOPES if scope.name in self.scopes)
