"""The keys of users' numbers, computed anew after a change of the table of spellings."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, router
from django.db.models import CharField
from django.db.models.functions import Cast

from django_verify.contact import phones
from django_verify.db import savepoints
from django_verify.users.models import VerifiedPhone


def numbers(batch: int = 1000) -> tuple[int, list[Any]]:
    """Write the keys that differ, and numbers that are not in E.164.

    Returns how many rows, and the primary keys of those that stay as they are, because the same or
    another user has the number under its other spelling: whose it is, only the site can say.
    """
    using, done, conflicting, after = router.db_for_write(VerifiedPhone), 0, [], 0
    # As it is in the database: read through its field, a number has no format.
    stored = Cast("number", CharField(max_length=128))
    rows = VerifiedPhone.objects.using(using).annotate(stored=stored).order_by("pk")
    while found := list(rows.filter(pk__gt=after)[:batch]):
        for row in found:
            # A number of another format says not whose it is; the key was made from E.164.
            written = row.e164 if row.e164.startswith("+") else row.key
            key = phones.fold(written)
            if (key, written) == (row.key, row.stored):
                continue
            mine = rows.filter(pk=row.pk, key=row.key, claim=row.claim)
            claim = key if row.is_verified else None
            try:
                with savepoints.atomic(using):
                    done += mine.update(key=key, claim=claim, number=written)
            except IntegrityError:
                conflicting.append(row.pk)
        after = found[-1].pk
    return done, conflicting
