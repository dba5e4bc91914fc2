"""Heartbeats of the background workers."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class WorkerHeartbeat(models.Model):
    """When a process of a command last finished a pass, whichever of its processes it was."""

    name = models.CharField(_("command"), primary_key=True, max_length=64, editable=False)
    beat_at = models.DateTimeField(_("last at work"))

    class Meta:
        verbose_name = _("worker heartbeat")
        verbose_name_plural = _("worker heartbeats")
        default_permissions = ()
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
