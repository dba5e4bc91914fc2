"""Ends a verification without its code: approve, cancel, expire; and what an operator forgives.

Each end is one conditional update, whose row count decides who won.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from django_verify import signals
from django_verify.db import queries, retry
from django_verify.events import cloudevents
from django_verify.exceptions import NotFound, misuse
from django_verify.models import Verification, VerifyService
from django_verify.verifications import store, verbs

_Status = Verification.Status


def approve(service: VerifyService, sid_or_to: str, *, as_written: bool = False) -> Verification:
    """Approve a pending verification whose code the site compared by itself. Raises NotFound.

    It is named as for `fetch`.
    """
    rows = verbs.located(service, sid_or_to, as_written)
    return _end(rows, _Status.APPROVED, (_Status.PENDING,))


def cancel(service: VerifyService, sid_or_to: str, *, as_written: bool = False) -> Verification:
    """End a verification, so that the next start makes a new code. Raises NotFound.

    One whose guesses are used up can be canceled too; the guesses stay counted.
    """
    rows = verbs.located(service, sid_or_to, as_written)
    return _end(rows, _Status.CANCELED, (_Status.PENDING, _Status.MAX_ATTEMPTS_REACHED))


def release(row: Verification) -> int:
    """Forgive the wrong guesses of a row's recipient within its account; return how many rows.

    A convenience for an operator whom the owner asks: codes are as short as the service's at once.
    What is live stays reserved.
    """
    if not isinstance(row, Verification):
        raise misuse.expected("a Verification", row)
    counted = queries.verifications().filter(
        account_id=row.account_id, recipient_key=row.recipient_key, forgiven=False
    )
    # An expired row may still be stored as pending.
    live = Q(status=_Status.PENDING, expires_at__gt=timezone.now())
    return retry.alone(counted.exclude(live).update, forgiven=True)


def unlock(row: Verification) -> int:
    """Release a row's recipient and end what is locked, so that the next start makes a code.

    For an operator whom the owner asks. Returns how many verifications were locked.
    """
    release(row)
    locked = queries.verifications().filter(
        account_id=row.account_id,
        recipient_key=row.recipient_key,
        status=_Status.MAX_ATTEMPTS_REACHED,
        expires_at__gt=timezone.now(),
    )
    ended = 0
    for each in locked:
        with suppress(NotFound):
            _end([each], _Status.CANCELED, (_Status.MAX_ATTEMPTS_REACHED,))
            ended += 1
    return ended


def expire(limit: int = 1000, *, since: dt.datetime | None = None) -> int:
    """Mark what has run out and wipe its sealed codes, up to `limit` rows; return how many.

    No verb depends on it: a pending row past its lifetime counts as expired everywhere. With
    `since`, what had run out before is left alone: no index selects the pending rows, so
    this is what saves a large site from reading all that ever ended.
    """
    now = timezone.now()
    over = queries.verifications().filter(status=_Status.PENDING, expires_at__lte=now)
    if since is not None:
        over = over.filter(expires_at__gt=since)
    batch = list(over.values_list("sid", "reports")[:limit])
    changes = {"status": _Status.EXPIRED, "sealed_code": "", "date_updated": now}
    quiet = [sid for sid, reports in batch if not reports]
    # Under the condition again, or what was approved since it was read would expire.
    done = retry.alone(over.filter(sid__in=quiet).update, **changes) if quiet else 0
    # Each of the others has an event of its own, in a transaction with its change.
    loud = [sid for sid, reports in batch if reports]
    for row in over.filter(sid__in=loud):
        event = cloudevents.of_status(row, _Status.EXPIRED)
        done += cloudevents.update(over.filter(sid=row.sid), changes, event)
    return done


def _end(rows: list[Verification], status: str, from_statuses: tuple[str, ...]) -> Verification:
    now = timezone.now()
    for row in rows:
        if row.status in from_statuses and not row.is_over(now):
            break
    else:
        raise NotFound
    where = {"status__in": from_statuses, "expires_at__gt": now}
    if not store.move(row, status, where=where):
        raise NotFound
    signal = (
        signals.verification_approved
        if status == _Status.APPROVED
        else signals.verification_canceled
    )
    transaction.on_commit(
        partial(signal.send_robust, sender=Verification, verification=row),
        using=queries.database(),
    )
    store.conclude(row)
    return row
