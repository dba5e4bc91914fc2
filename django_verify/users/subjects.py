"""The users' numbers of one person, given out or released; users themselves are the site's."""

from __future__ import annotations

from typing import Any

from django.db import router
from django.db.models import QuerySet

from django_verify.data_subjects import Person
from django_verify.users import verified_phones
from django_verify.users.models import VerifiedPhone


def export(person: Person) -> list[dict[str, Any]]:
    """Return the numbers of a person, verified or claimed, as values of JSON."""
    return [
        {
            "user": str(row.user_id),
            "number": row.e164,
            "is_primary": bool(row.is_primary),
            "channel": row.channel,
            "verified_at": row.verified_at and row.verified_at.isoformat(),
            "date_created": row.date_created.isoformat(),
        }
        for row in _rows(person).order_by("pk")
    ]


def erase(person: Person, *, dry_run: bool) -> int:
    """Release the numbers of a person from whichever users have them; return how many."""
    found = list(_rows(person))
    if not dry_run:
        for row in found:
            verified_phones.release(row, reason="erased")
    return len(found)


def _rows(person: Person) -> QuerySet[VerifiedPhone]:
    """Return the numbers of a person; they belong to no account, so for one there are none."""
    rows = VerifiedPhone.objects.using(router.db_for_write(VerifiedPhone)).select_related("user")
    return rows.none() if person.account else rows.filter(key__in=person.keys)
