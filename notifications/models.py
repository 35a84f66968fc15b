"""Messages and their delivery. A notice claims one event; a delivery is the one attempt to reach one target."""

from __future__ import annotations

from django.db import models

from runs.models import RunEvent


class Cursor(models.Model):
    """How far the outbox was read. One row."""

    name = models.CharField(max_length=32, primary_key=True)
    last_event = models.BigIntegerField(default=0)


class Notice(models.Model):
    """This event was taken up. Its key is the event's, so only one worker can."""

    event = models.OneToOneField(RunEvent, primary_key=True, on_delete=models.CASCADE, related_name="notice")


class Delivery(models.Model):
    """`attempted_at` without `sent_at` or `problem`: it is being sent, or the worker died while sending it. It is not
    sent again; the next try of its job records that the result is not known. `due_at`: to a receiver that is a program
    it is sent again then, after `tries` tries."""

    event = models.ForeignKey(RunEvent, on_delete=models.CASCADE, related_name="deliveries")
    target = models.CharField(max_length=100)
    attempted_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=300, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "deliveries"
        permissions = [("send_delivery", "Can send a message again")]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="notifications_due"),
        ]
        constraints = [models.UniqueConstraint(fields=["event", "target"], name="one_delivery_per_target")]

    def __str__(self) -> str:
        return f"{self.event.tells} of run {self.event.run_id} to {self.target}"
