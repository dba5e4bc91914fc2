"""The keys of recipients, computed anew after a change of the table of spellings.

Everything is safe while requests are served: each recipient is moved in one transaction, whose
loser reads again, and what is moved already is left alone. So a run that was cut off is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.db import IntegrityError
from django.db.models import CharField
from django.db.models.functions import Cast

from django_verify.contact import emails, phones
from django_verify.db import queries, retry, savepoints
from django_verify.models import SafeListNumber, TestNumber, Verification
from django_verify.models.testnumbers import key_of


def recipient_key(to: str) -> str:
    """Return the key of a number or a mailbox that was written before, by today's table."""
    return emails.key_of(to) if "@" in to else phones.fold(to)


def verifications(after: str = "", *, batch: int = 1000) -> Iterator[tuple[str, int]]:
    """Move verifications to the keys of today, in the order of their SIDs, a batch at a time.

    Yields the last SID that was looked at, and how many recipients were moved with the batch.
    """
    columns = ("sid", "account_id", "to", "recipient_key")
    while True:
        rows = queries.verifications().filter(sid__gt=after) if after else queries.verifications()
        found = list(rows.order_by("sid").values_list(*columns)[:batch])
        if not found:
            return
        # Of a row whose recipient was wiped, the key is what says who it was.
        moves = {(account, old, recipient_key(to or old)) for _, account, to, old in found}
        moved = sum(_move(*move) for move in sorted(moves) if move[1] != move[2])
        after = found[-1][0]
        yield after, moved


@retry.on_conflict
def _move(account_sid: str, old: str, new: str) -> int:
    """Give a recipient's verifications their new key, in the order in which they were started.

    Where two spellings become one, both histories are numbered anew, from the next number that a
    start would take: one at the same moment takes the same, and one of the two reads again.
    """
    columns = ("sid", "to", "recipient_key", "serial", "date_created")
    mine = queries.verifications().filter(account_id=account_sid).only(*columns)
    with savepoints.atomic(queries.database()):
        leaving = mine.filter(recipient_key=old)
        going = [row for row in leaving if recipient_key(row.to or old) == new]
        if not going:
            return 0
        staying = list(mine.filter(recipient_key=new))
        serial = max((row.serial for row in staying), default=0)
        for row in sorted([*going, *staying], key=_started):
            serial += 1
            unchanged = mine.filter(sid=row.sid, recipient_key=row.recipient_key, serial=row.serial)
            if not unchanged.update(recipient_key=new, serial=serial):
                raise IntegrityError  # another run or start has it: read again
    return 1


def _started(row: Verification) -> tuple[Any, str]:
    return row.date_created, row.sid


def safe_listed(batch: int) -> tuple[int, list[str]]:
    """Key the safe list anew, in E.164; of two entries that become one person's, one stays."""
    return _rekey(SafeListNumber, _of_entry, batch, is_spare=True)


def test_pairs(batch: int) -> tuple[int, list[str]]:
    """Key the test numbers anew; return how many, and the SIDs of those whose key is in use."""
    return _rekey(TestNumber, _of_pair, batch)


def _of_entry(row: SafeListNumber) -> dict[str, str]:
    # A number in a host's format says not whose it is; the key was made from E.164.
    written = row.number if row.number.startswith("+") else row.key
    return {"key": phones.fold(written), "phone_number": written}


def _of_pair(row: TestNumber) -> dict[str, str]:
    return {"key": key_of(row.recipient), "recipient": row.recipient}


def _rekey(
    model: Any, compute: Callable[[Any], dict[str, str]], batch: int, *, is_spare: bool = False
) -> tuple[int, list[str]]:
    """Write the columns that differ; where another row has the key, a spare one is deleted."""
    using, after, done, conflicting = queries.database(), "", 0, []
    column = "phone_number" if model is SafeListNumber else "recipient"
    # As it is in the database: read through its field, a number has no format.
    stored = Cast(column, CharField(max_length=254))
    rows = model.objects.using(using).annotate(stored=stored).order_by("pk")
    while found := list((rows.filter(pk__gt=after) if after else rows)[:batch]):
        for row in found:
            changes = compute(row)
            if (row.key, row.stored) == tuple(changes.values()):
                continue
            mine = model.objects.using(using).filter(pk=row.pk, key=row.key)
            try:
                with savepoints.atomic(using):
                    done += mine.update(**changes)
            except IntegrityError:
                if is_spare:
                    done += mine.delete()[0]
                else:
                    conflicting.append(row.pk)
        after = found[-1].pk
    return done, conflicting
