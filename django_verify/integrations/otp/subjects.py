"""The devices of one person, given out or deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import router
from django.db.models import Q

from django_verify.data_subjects import Person
from django_verify.integrations.otp.models import VerifyDevice


def export(person: Person) -> list[dict[str, Any]]:
    """Return the devices that are sent to a person, as values of JSON."""
    return [
        {
            "user": str(row.user_id),
            "name": row.name,
            "recipient": row.recipient,
            "channel": row.channel,
            "confirmed": row.confirmed,
        }
        for row in _rows(person)
    ]


def erase(person: Person, *, dry_run: bool) -> int:
    """Delete the devices that are sent to a person; return how many."""
    found = list(_rows(person))
    if not dry_run:
        for row in found:
            row.delete()
    return len(found)


def _rows(person: Person) -> Iterator[VerifyDevice]:
    """Yield the devices of a person; they belong to no account, so for one there are none."""
    if person.account:
        return
    wanted = Q(recipient__in=person.spellings)
    if any("@" in key for key in person.keys):
        # Which addresses are one mailbox, no column says.
        wanted |= Q(recipient__contains="@")
    rows = VerifyDevice.objects.using(router.db_for_write(VerifyDevice)).filter(wanted)
    for row in rows.order_by("pk").iterator():
        if person.is_recipient(row.recipient):
            yield row
