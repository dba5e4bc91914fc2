"""Two tables: who may call, and what is being verified. Times are seconds, for constant SQL."""

from __future__ import annotations

from django.db import models


class ApiKey(models.Model):
    """A caller."""

    key_hash = models.CharField(max_length=64, unique=True)
    is_active = models.BooleanField(default=True)
    is_authenticated = True

    def __str__(self) -> str:
        return str(self.pk)


class Verification(models.Model):
    """One number being verified."""

    id = models.CharField(primary_key=True, max_length=32)
    recipient = models.CharField(max_length=16)
    code_hash = models.CharField(max_length=64)
    status = models.CharField(max_length=16)
    attempts = models.SmallIntegerField()
    created_at = models.BigIntegerField()

    class Meta:
        db_table = "floor_verification"

    def __str__(self) -> str:
        return self.pk
