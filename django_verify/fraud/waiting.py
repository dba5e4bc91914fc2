"""Outcomes that this process has seen and not written yet: a statement for many of them."""

from __future__ import annotations

import atexit
import threading
import time
from contextlib import suppress
from typing import Any

from django.db import connections, transaction
from django.utils import timezone

from django_verify import conf
from django_verify.db import queries
from django_verify.db.cursors import Kept
from django_verify.models import SendOutcome
from django_verify.models.fields import SidField

#: So many are written without waiting any longer.
MOST = 1000
# Rows of one statement: no database takes parameters without end.
_ROWS = 200
_ACCOUNT, _VERIFICATION = SidField("AC"), SidField("VE")
_COLUMNS = ("account_sid", "verification_sid", "kind", "happened_at")


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
        _insert(queries.database(), outcomes, moment)
    except Exception:
        with _Waiting.lock:
            _Waiting.outcomes = outcomes + _Waiting.outcomes
        raise


def _insert(using: str, outcomes: list[tuple[str, str, str]], moment: float) -> None:
    """Write rows without the objects of `bulk_create`, which take most of its time."""
    connection, options = connections[using], SendOutcome._meta  # noqa: SLF001 - a documented API
    quote = connection.ops.quote_name
    account, verification = _ACCOUNT.get_db_prep_save, _VERIFICATION.get_db_prep_save
    columns = ", ".join(map(quote, _COLUMNS))
    # Names of ours, and hexadecimal digits of SIDs: a driver binds a value at ten times the price
    # of text.
    head = f"INSERT INTO {quote(options.db_table)} ({columns}) VALUES "  # noqa: S608
    row_of = {str(kind): f", '{kind}', {moment!r})" for kind in SendOutcome.Kind}
    rows = []
    for account_sid, sid, kind in outcomes:
        first = _literal(account(account_sid, connection))
        rows.append(f"({first}, {_literal(verification(sid, connection))}{row_of[kind]}")
    for begin in range(0, len(rows), _ROWS):
        with Kept(connection, head) as cursor:
            cursor.execute(head + ", ".join(rows[begin : begin + _ROWS]))


def _literal(bits: Any) -> str:
    """Return a SID's column, hexadecimal digits or bytes, as it is written in a statement."""
    return f"X'{bits.hex()}'" if isinstance(bits, bytes) else f"'{bits}'"


def forget() -> None:
    """Drop what waits."""
    with _Waiting.lock:
        _Waiting.outcomes = []


@atexit.register
def _at_the_end() -> None:
    with suppress(Exception):
        write()
