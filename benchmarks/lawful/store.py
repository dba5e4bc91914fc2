"""The statements of a start and a check, written once, and the rules that they keep."""

from __future__ import annotations

import hmac
import secrets
import time
import uuid
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction

from benchmarks.lawful import codes
from benchmarks.lawful.authentication import Caller

LIFETIME, DAY, LEASE = 600_000, 86_400_000, 60_000
MAX_CHECKS, MAX_SENDS, MAX_STARTS, GUESSES_A_DAY, GUESSES_IN_ALL = 5, 5, 200, 20, 100
TRIES = 8
KEY_ID = "1"

# The key comes first: one row without a history is a caller who may call, and none is a key that
# has changed since it was read.
_COLUMNS = "id, serial, status, checks, max_checks, sends, expires_at, nonce, key_id"
HISTORY = (
    f"SELECT {', '.join('v.' + name for name in _COLUMNS.split(', '))} FROM lawful_key k"
    " LEFT JOIN lawful_verification v ON v.account = k.id AND v.recipient = %s"
    " WHERE k.id = %s AND k.version = %s ORDER BY v.serial DESC LIMIT 200"
)
LIVE = HISTORY.replace("LIMIT 200", "LIMIT 1")
INSERT = (
    "INSERT INTO lawful_verification (id, account, recipient, serial, created_at, updated_at,"
    " expires_at, checks, max_checks, sends, nonce, key_id, status)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, 0, %s, 1, %s, %s, 'pending')"
)
RESEND = (
    "UPDATE lawful_verification SET sends = sends + 1, updated_at = %s"
    " WHERE id = %s AND status = 'pending' AND sends = %s AND expires_at > %s"
)
INSERT_ATTEMPT = (
    "INSERT INTO lawful_attempt (id, verification, created_at, due_at, lease, status, provider_id)"
    " VALUES (%s, %s, %s, %s, %s, 'sending', '')"
)
FINISH = (
    "UPDATE lawful_attempt SET due_at = NULL, lease = '', status = 'sent', provider_id = %s"
    " WHERE id = %s AND lease = %s"
)
CHARGE = (
    "UPDATE lawful_verification SET checks = checks + 1, updated_at = %s"
    " WHERE id = %s AND status = 'pending' AND checks < max_checks AND expires_at > %s"
)
APPROVE = (
    "UPDATE lawful_verification SET status = 'approved', updated_at = %s"
    " WHERE id = %s AND status = 'pending'"
)


class KeyChanged(Exception):
    """The caller's key is not what it was when this process read it."""


class Refused(Exception):
    """The request cannot be served; it carries the HTTP status."""


class Row(NamedTuple):
    """A verification as the statements above return it."""

    id: str
    serial: int
    status: str
    checks: int
    max_checks: int
    sends: int
    expires_at: int
    nonce: str
    key_id: str


def start(caller: Caller, to: str) -> tuple[str, int]:
    """Write a verification or a resend with its attempt, send, and record what came of it."""
    for _ in range(TRIES):
        now = int(time.time() * 1000)
        past = _history(HISTORY, caller, to)
        live = (
            past[0] if past and past[0].status == "pending" and past[0].expires_at > now else None
        )
        attempt, lease = uuid.uuid4().hex, uuid.uuid4().hex
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                row = _resend(cursor, live, now) if live else _create(cursor, caller, to, past, now)
                if row is None:
                    continue  # another start has sent its code
                cursor.execute(INSERT_ATTEMPT, (attempt, row.id, now, now + LEASE, lease))
        except IntegrityError:
            continue  # another start has taken the serial
        _send(to, codes.derive(row.id, row.nonce, row.key_id))
        with connection.cursor() as cursor:
            cursor.execute(FINISH, (attempt, attempt, lease))
        return row.id, now
    raise Refused(429)


def check(caller: Caller, to: str, code: str) -> tuple[str, str]:
    """Charge a guess, compare, and approve; return the verification and its status."""
    now = int(time.time() * 1000)
    rows = _history(LIVE, caller, to)
    if not rows:
        raise Refused(404)
    row = rows[0]
    with connection.cursor() as cursor:
        cursor.execute(CHARGE, (now, row.id, now))
        if not cursor.rowcount:
            raise Refused(404)
        right = codes.derive(row.id, row.nonce, row.key_id)
        if not hmac.compare_digest(code.encode(), right.encode()):
            return row.id, "pending"
        cursor.execute(APPROVE, (now, row.id))
        if not cursor.rowcount:
            raise Refused(404)
    return row.id, "approved"


def _history(sql: str, caller: Caller, to: str) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(sql, (to, caller.id, caller.version))
        rows = cursor.fetchall()
    if not rows:
        raise KeyChanged
    return [] if rows[0][0] is None else [Row(*row) for row in rows]


def _create(cursor, caller: Caller, to: str, past: list[Row], now: int) -> Row:
    pk, nonce = uuid.uuid4().hex, secrets.token_hex(16)
    serial, expires = past[0].serial + 1 if past else 1, now + LIFETIME
    guesses = _guesses(past, now)
    cursor.execute(
        INSERT,
        (pk, caller.id, to, serial, now, now, expires, guesses, nonce, KEY_ID),
    )
    return Row(pk, serial, "pending", 0, guesses, 1, expires, nonce, KEY_ID)


def _resend(cursor, live: Row, now: int) -> Row | None:
    if live.sends >= MAX_SENDS:
        raise Refused(429)
    cursor.execute(RESEND, (now, live.id, live.sends, now))
    return live if cursor.rowcount else None


def _guesses(past: list[Row], now: int) -> int:
    """Return what a new verification may be guessed at, of what the recipient has left.

    A live one counts with all that it may still compare, an approved one without the right guess.
    """
    today = [row for row in past if row.expires_at > now - DAY]
    lasting = []
    for row in past:
        if row.status == "approved":
            break
        lasting.append(row)
    left = min(
        MAX_CHECKS,
        GUESSES_A_DAY - sum(_spent(row, now) for row in today),
        GUESSES_IN_ALL - sum(_spent(row, now) for row in lasting),
    )
    if left < 1 or len(today) >= MAX_STARTS:
        raise Refused(429)
    return left


def _is_live(row: Row, now: int) -> bool:
    return row.status == "pending" and row.expires_at > now


def _spent(row: Row, now: int) -> int:
    if _is_live(row, now):
        return row.max_checks
    return row.checks - (row.status == "approved")


def _send(to: str, code: str) -> str:
    """Compose a message, and hand it to nobody."""
    return f"{to}: Your verification code is: {code}. Do not share it with anyone."
