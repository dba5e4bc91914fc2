"""Three tables: callers, verifications, and attempts to deliver, which are the outbox.

Keys are hexadecimal and times are milliseconds, so that constant SQL needs no converter.
"""

from __future__ import annotations

from django.db import models


class ApiKey(models.Model):
    """A caller; `version` grows with every change."""

    id = models.CharField(primary_key=True, max_length=32)
    key_hash = models.CharField(max_length=64, unique=True)
    is_active = models.BooleanField(default=True)
    version = models.IntegerField(default=1)

    class Meta:
        db_table = "lawful_key"

    def __str__(self) -> str:
        return self.pk


class Verification(models.Model):
    """One recipient being verified; of two starts at one moment one gets the serial."""

    id = models.CharField(primary_key=True, max_length=32)
    account = models.CharField(max_length=32)
    recipient = models.CharField(max_length=16)
    serial = models.IntegerField()
    created_at = models.BigIntegerField()
    updated_at = models.BigIntegerField()
    expires_at = models.BigIntegerField()
    checks = models.SmallIntegerField()
    max_checks = models.SmallIntegerField()
    sends = models.SmallIntegerField()
    nonce = models.CharField(max_length=32)
    key_id = models.CharField(max_length=8)
    status = models.CharField(max_length=16)

    class Meta:
        db_table = "lawful_verification"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "recipient", "serial"], name="lawful_verification_serial"
            )
        ]

    def __str__(self) -> str:
        return self.pk


class Attempt(models.Model):
    """One message on its way; what is due is found by its time."""

    id = models.CharField(primary_key=True, max_length=32)
    verification = models.CharField(max_length=32, db_index=True)
    created_at = models.BigIntegerField()
    due_at = models.BigIntegerField(null=True)
    lease = models.CharField(max_length=32)
    status = models.CharField(max_length=16)
    provider_id = models.CharField(max_length=64)

    class Meta:
        db_table = "lawful_attempt"
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(due_at__isnull=False), name="lawful_due"
            )
        ]

    def __str__(self) -> str:
        return self.pk
