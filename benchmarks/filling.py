"""Rows that are there before anything is measured: verifications that are over, written in bulk.

Each function runs in a process that has its side's settings.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
import uuid
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

from benchmarks import numbers

BATCH = 5000
# Above every number that a run asks for, so that what is filled is nobody's history.
FIRST = 20_000_000


def floor(rows: int) -> None:
    """Write approved verifications of the floor."""
    from benchmarks.floor.models import Verification

    def make(to: str) -> Any:
        now = int(time.time())
        return Verification(
            id=uuid.uuid4().hex,
            recipient=to,
            code_hash=secrets.token_hex(32),
            status="approved",
            attempts=1,
            created_at=now,
        )

    for numbers_of_batch in _batches(rows):
        Verification.objects.bulk_create(map(make, numbers_of_batch), batch_size=1000)


def lawful(rows: int) -> None:
    """Write approved verifications of the lawful floor with their attempts."""
    from benchmarks.lawful.models import ApiKey, Attempt, Verification

    account = ApiKey.objects.get().id
    for numbers_of_batch in _batches(rows):
        now = int(time.time() * 1000)
        made = [
            Verification(
                id=uuid.uuid4().hex,
                account=account,
                recipient=to,
                serial=1,
                created_at=now,
                updated_at=now,
                expires_at=now + 600_000,
                checks=1,
                max_checks=5,
                sends=1,
                nonce=secrets.token_hex(16),
                key_id="1",
                status="approved",
            )
            for to in numbers_of_batch
        ]
        sent = [
            Attempt(
                id=uuid.uuid4().hex,
                verification=row.id,
                created_at=now,
                lease="",
                status="sent",
                provider_id=uuid.uuid4().hex,
            )
            for row in made
        ]
        Verification.objects.bulk_create(made, batch_size=1000)
        Attempt.objects.bulk_create(sent, batch_size=1000)


def ours(service: Any, rows: int, recipients: Iterator[str] | None = None) -> None:
    """Write rows as a cycle leaves them: approved at the second check, its message sent."""
    from django.utils import timezone

    from django_verify import verifications
    from django_verify.models import Verification, VerificationAttempt

    first = verifications.start(service, next(recipients or numbers.fresh(FIRST - 100)))
    attempt = first.attempts.get()
    for numbers_of_batch in _batches(rows, recipients):
        made, sent = [], []
        for to in numbers_of_batch:
            now = timezone.now()
            dates = {"date_created": now, "date_updated": now}
            row = _copy(
                first,
                status="approved",
                checks=2,
                to=to,
                recipient_key=to,
                serial=1,
                sent_at=now,
                expires_at=now + dt.timedelta(minutes=10),
                **dates,
            )
            message = _copy(
                attempt,
                verification_id=row.sid,
                message_status="sent",
                provider_sid=secrets.token_hex(16),
                due_at=None,
                lease="",
                **dates,
            )
            row.send_log = f"sms {message.sid}"
            made.append(row)
            sent.append(message)
        Verification.objects.bulk_create(made, batch_size=1000)
        VerificationAttempt.objects.bulk_create(sent, batch_size=1000)


def _copy(row: Any, **changes: Any) -> Any:
    """Return a row like another, but for its key and its secrets."""
    names = [field.attname for field in row._meta.concrete_fields]  # noqa: SLF001
    kept = {name: getattr(row, name) for name in names if name not in {"sid", "nonce"}}
    return type(row)(**{**kept, **changes})


def _batches(rows: int, recipients: Iterator[str] | None = None) -> Iterator[list[str]]:
    """Yield that many numbers; without any given, texts that look like some."""
    source = recipients or (f"+1{FIRST + number:010d}" for number in count())
    while batch := list(islice(source, min(rows, BATCH))):
        yield batch
        rows -= len(batch)
