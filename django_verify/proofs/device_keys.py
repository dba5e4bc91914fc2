"""Keys of devices that a maker has vouched for once: their public halves, and how far they are.

A device proves itself by them later; how such a proof is verified is in the gate that reads it.
"""

from __future__ import annotations

import hashlib
from functools import partial

from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify.db import queries, retry, savepoints
from django_verify.models import DeviceKey


def rows() -> QuerySet[DeviceKey]:
    """Return all keys of the database that is written, in no order."""
    return DeviceKey.objects.using(queries.database()).order_by()


@sensitive_variables()
def keep(key_id: str, public_key: bytes) -> bool:
    """Keep a key; False where it was kept before, for a key is vouched for once."""
    row = DeviceKey(key=_digest(key_id), public_key=public_key)
    using = queries.database()
    write = partial(row.save, using=using, force_insert=True)
    return savepoints.tolerate(write, using=using, ignore=IntegrityError) is None


@sensitive_variables()
def find(key_id: str) -> bytes | None:
    """Return the public half of a key; None for one that is unknown or was revoked."""
    found = rows().filter(key=_digest(key_id)).values_list("public_key", flat=True).first()
    return None if found is None else bytes(found)


@sensitive_variables()
def advance(key_id: str, counter: int) -> bool:
    """Move a key's counter on; False unless it grows. Of callers with one counter one succeeds."""
    behind = rows().filter(key=_digest(key_id), counter__lt=counter)
    return retry.alone(behind.update, counter=counter, used_at=timezone.now()) == 1


def _digest(key_id: str) -> str:
    """Return what stands for an id; unkeyed, for the keys of the ring rotate and a row stays."""
    return hashlib.sha256(b"device-key\0" + key_id.encode()).hexdigest()
