"""Outcomes that this process has seen and not written yet: a statement for many of them."""

from __future__ import annotations

import atexit
import threading
import time
from contextlib import suppress

from django.db import transaction
from django.utils import timezone

from django_verify import conf
from django_verify.db import queries
from django_verify.models import SendOutcome

#: So many are written without waiting any longer.
MOST = 1000


class _Waiting:
    """What waits, as account, verification and kind, and since when the oldest does."""

    outcomes: list[tuple[str, str, str]] = []
    since = 0.0
    lock = threading.Lock()


def add(account_sid: str, verification_sid: str, kind: str) -> None:
    """Keep an outcome, and write all that wait if the oldest has waited long enough."""
    now = time.monotonic()
    with _Waiting.lock:
        if not _Waiting.outcomes:
            _Waiting.since = now
        _Waiting.outcomes.append((account_sid, verification_sid, kind))
        is_due = now - _Waiting.since >= (conf.current().GUARD_REFRESH or 0)
        is_due = is_due or len(_Waiting.outcomes) >= MOST
    if is_due:
        write()


def write() -> None:
    """Write all that wait; within a transaction, whose rollback would lose them, nothing."""
    if not _Waiting.outcomes or transaction.get_connection(queries.database()).in_atomic_block:
        return
    with _Waiting.lock:
        outcomes, _Waiting.outcomes = _Waiting.outcomes, []
    # The time of the writing: processes go on from the last time that they have read.
    moment = timezone.now().timestamp()
    try:
        SendOutcome.objects.using(queries.database()).bulk_create(
            SendOutcome(account_sid=account, verification_sid=sid, kind=kind, happened_at=moment)
            for account, sid, kind in outcomes
        )
    except Exception:
        with _Waiting.lock:
            _Waiting.outcomes = outcomes + _Waiting.outcomes
        raise


def forget() -> None:
    """Drop what waits."""
    with _Waiting.lock:
        _Waiting.outcomes = []


@atexit.register
def _at_the_end() -> None:
    with suppress(Exception):
        write()
