"""Rows that are there before anything is measured: verifications that are over, copied in SQL.

Each function runs in a process that has its side's settings. A row that the side has written, or
would write, is copied as often as it is asked for. Keys are in the order of time, and a run asks
for none of the recipients.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

# Of row `i`: 32 hexadecimal digits, a key of a SID's type, and a text like a number.
_DIGITS = {
    "postgresql": "lpad(to_hex({base} + i), 12, '0') || lpad(to_hex(i), 20, '0')",
    "mysql": "LOWER(CONCAT(LPAD(HEX({base} + i), 12, '0'), LPAD(HEX(i), 20, '0')))",
    "sqlite": "printf('%%012x%%020x', {base} + i, i)",
}
_SID = {"postgresql": "({digits})::uuid", "mysql": "UNHEX({digits})", "sqlite": "{digits}"}
# In no order, as people come; every row has another one.
_PLACE = "20000000 + i * 48271 {modulo} 99999989"
_RECIPIENT = {
    "postgresql": f"'+1' || lpad(({_PLACE})::text, 10, '0')",
    "mysql": f"CONCAT('+1', LPAD({_PLACE}, 10, '0'))",
    "sqlite": f"'+1' || printf('%%010d', {_PLACE})",
}
# As a provider names its messages, where the database can.
_NAME = {"postgresql": "md5(i::text)", "mysql": "MD5(i)", "sqlite": _DIGITS["sqlite"]}
_LOG = {
    "postgresql": "'sms VL' || {digits}",
    "mysql": "CONCAT('sms VL', {digits})",
    "sqlite": "'sms VL' || {digits}",
}
_SERIES = {
    "postgresql": "SELECT i::bigint FROM generate_series(1, %s) AS series(i)",
    "mysql": "SELECT seq AS i FROM seq_1_to_{count} WHERE seq <= %s",
    "sqlite": "WITH RECURSIVE series(i) AS"
    " (SELECT 1 UNION ALL SELECT i + 1 FROM series WHERE i < %s) SELECT i FROM series",
}


def floor(rows: int) -> None:
    """Write approved verifications of the floor."""
    from benchmarks.floor.models import Verification

    row = Verification(
        code_hash="0" * 64, status="approved", attempts=1, created_at=int(time.time())
    )
    _multiply(row, rows, id=_digits(rows), recipient=_recipient())


def lawful(rows: int) -> None:
    """Write approved verifications of the lawful floor with their attempts."""
    from benchmarks.lawful.models import ApiKey, Attempt, Verification

    now, digits = int(time.time() * 1000), _digits(rows)
    row = Verification(
        account=ApiKey.objects.get().id,
        serial=1,
        created_at=now,
        updated_at=now,
        expires_at=now + 600_000,
        checks=2,
        max_checks=5,
        sends=1,
        nonce=uuid.uuid4().hex,
        key_id="1",
        status="approved",
    )
    _multiply(row, rows, id=digits, recipient=_recipient())
    sent = Attempt(created_at=now, lease="", status="sent")
    _multiply(sent, rows, id=digits, verification=digits, provider_id=_based(_NAME, rows))


def ours(service: Any, rows: int) -> None:
    """Write rows as a cycle leaves them: approved at the second check, its message sent."""
    from benchmarks import numbers
    from django_verify import verifications

    row = verifications.start(service, next(numbers.fresh(2_000_000)))
    attempt = row.attempts.get()
    row.status, row.checks = "approved", 2
    attempt.message_status, attempt.due_at, attempt.lease = "sent", None, ""
    digits, recipient = _digits(rows), _recipient()
    sid = _of_vendor(_SID).replace("{digits}", digits)
    log = _of_vendor(_LOG).replace("{digits}", digits)
    _multiply(row, rows, sid=sid, to=recipient, recipient_key=recipient, send_log=log)
    _multiply(attempt, rows, sid=sid, verification_id=sid, provider_sid=_based(_NAME, rows))


def _multiply(row: Any, count: int, **expressions: str) -> None:
    """Write copies of a row, but for the columns that have an expression of `i`."""
    from django.db import connection

    quote = connection.ops.quote_name
    fields = row._meta.concrete_fields  # noqa: SLF001
    columns = ", ".join(quote(field.column) for field in fields)
    given = [field for field in fields if field.attname not in expressions]
    values = ", ".join(expressions.get(field.attname, "%s") for field in fields)
    bound = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in given]
    series = _of_vendor(_SERIES).replace("{count}", str(count))
    table = quote(row._meta.db_table)  # noqa: SLF001
    sql = f"INSERT INTO {table} ({columns}) SELECT {values} FROM ({series}) AS source"
    with connection.cursor() as cursor:
        cursor.execute(sql, [*bound, count])


def _digits(rows: int) -> str:
    return _based(_DIGITS, rows)


def _based(texts: Mapping[str, str], rows: int) -> str:
    # Older than whatever is written later.
    return _of_vendor(texts).replace("{base}", str(int(time.time() * 1000) - rows))


def _recipient() -> str:
    return _of_vendor(_RECIPIENT).replace("{modulo}", "%%")


def _of_vendor(texts: Mapping[str, str]) -> str:
    from django.db import connection

    return texts[connection.vendor]
