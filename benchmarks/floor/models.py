"""Two tables: who may call, and what is being verified."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone


class ApiKey(models.Model):
    """A caller."""

    key_hash = models.CharField(max_length=64, unique=True)
    is_active = models.BooleanField(default=True)
    is_authenticated = True

    def __str__(self) -> str:
        return str(self.pk)


class Verification(models.Model):
    """One number being verified."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    to = models.CharField(max_length=16)
    code_hash = models.CharField(max_length=64)
    status = models.CharField(max_length=16, default="pending")
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.pk)
