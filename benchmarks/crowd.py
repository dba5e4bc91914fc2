"""A site that has run for a month: two accounts, one busy and one quiet, as PostgreSQL makes them.

Each row is a copy of one that our own code has written, with another key, time and recipient, so
that a million take seconds. The quiet account's rows are the oldest: they lie behind all others.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DAYS = 29
#: The first rows, all of them the quiet account's.
QUIET = 100
#: Of a site with many kinds, the ones with most verifications first.
COUNTRIES = (
    *("US", "ID", "IN", "BR", "DE", "GB", "MX", "FR", "ES", "PH", "NG", "TR"),
    *("IT", "PL", "NL", "CA", "AU", "JP", "AR", "CO", "ZA", "KE", "VN", "TH"),
)

# Of row `i` of `count`: its time, spread over the days, and a key that begins with it.
_MOMENT = f"%(now)s - ({DAYS} * (%(count)s - i)::float8 / %(count)s + 0.01) * interval '1 day'"
_DIGITS = (
    "lpad(to_hex(floor(extract(epoch from m) * 1000)::bigint), 12, '0')"
    " || '7' || substr(md5(i::text), 1, 3) || '8' || substr(md5('-' || i), 1, 15)"
)
_KEY = f"({_DIGITS})::uuid"
_PHONE = (
    "'+1' || (ARRAY[201, 212, 213, 312, 415, 503, 617, 702, 808, 917])[i %% 10 + 1]"
    " || (3000000 + i / 10)"
)
# The same key without a time, for tables whose keys are random.
_RANDOM = "md5(i::text)::uuid"


@dataclass
class Crowd:
    """The two accounts with their services, and a row of each kind."""

    busy: Any
    quiet: Any
    service: Any
    quiet_service: Any
    hook: Any
    now: dt.datetime


def fill(count: int) -> Crowd:
    """Write `count` verifications and attempts, and a quarter of that of all else that grows."""
    crowd = _owners()
    _verifications(crowd, count)
    _factors(crowd, count // 4)
    _others(crowd, count // 4)
    _sql("ANALYZE")
    return crowd


def _owners() -> Crowd:
    from django.utils import timezone

    from django_verify.models import Account, VerifyService, Webhook

    busy, quiet = (Account.objects.create(friendly_name=name) for name in ("Busy", "Quiet"))
    service, quiet_service = (
        VerifyService.objects.create(account=owner, friendly_name=owner.friendly_name)
        for owner in (busy, quiet)
    )
    url = "https://example.com/"
    hook = Webhook.objects.create(
        service=service, friendly_name="Hook", event_types=["*"], webhook_url=url
    )
    return Crowd(busy, quiet, service, quiet_service, hook, timezone.now())


def fill_of_many_kinds(count: int) -> Crowd:
    """Write verifications and attempts alone, to many countries, by several channels and senders.

    Few countries have most of them, as everywhere, and a sender or a language goes with a country.
    """
    crowd = _owners()
    # A number between 0 and 1 for each row, in no order, and the place of its country.
    place = "(24 * power(((i::bigint * 48271) %% 99991) / 99991.0, 3))::int"
    channel = "(ARRAY['sms', 'sms', 'sms', 'sms', 'whatsapp', 'call'])[(i / 7) %% 6 + 1]"
    names = ", ".join(f"'{name}'" for name in COUNTRIES)
    country = f"(ARRAY[{names}])[{place} %% 24 + 1]"
    locale = f"(ARRAY['en', 'es', 'pt-BR', 'de', 'fr', 'id'])[{place} %% 6 + 1]"
    sender = f"(ARRAY['twilio', 'vonage', 'memory'])[{place} %% 3 + 1]"
    waited = "m + interval '1 second' * (4 + (i::bigint * 7919) %% 90)"
    _verifications(
        crowd,
        count,
        of_start={"country": country, "channel": channel, "date_updated": waited},
        of_attempt={"channel": channel, "locale": locale, "sender": sender},
    )
    _sql("ANALYZE")
    return crowd


def _verifications(
    crowd: Crowd,
    count: int,
    of_start: Mapping[str, str] | None = None,
    of_attempt: Mapping[str, str] | None = None,
) -> None:
    from django_verify import verifications
    from django_verify.models import VerificationAttempt

    row = verifications.start(crowd.service, "+12012340000")
    attempt = row.attempts.get()
    mine = f"CASE WHEN i <= {QUIET} THEN '%s'::uuid ELSE '%s'::uuid END"
    account = mine % (crowd.quiet.sid[2:], crowd.busy.sid[2:])
    times = {"date_created": "m", "date_updated": "m"}
    starts = {
        **times,
        "sid": _KEY,
        "account_id": account,
        "service_id": mine % (crowd.quiet_service.sid[2:], crowd.service.sid[2:]),
        "sent_at": "m",
        "expires_at": "m + interval '10 minutes'",
        "to": _PHONE,
        "recipient_key": _PHONE,
        "status": "CASE WHEN i %% 4 = 0 THEN 'expired' ELSE 'approved' END",
        "country": f"CASE WHEN i <= {QUIET} THEN 'GB' ELSE 'US' END",
        "send_log": f"'sms VL' || {_DIGITS}",
    }
    _multiply(crowd, row, count, **starts | dict(of_start or {}))
    VerificationAttempt.objects.filter(pk=attempt.pk).update(due_at=None, message_status="sent")
    attempt.refresh_from_db()
    sent = {
        **times,
        "sid": _KEY,
        "account_id": account,
        "verification_id": _KEY,
        "message_status": f"CASE WHEN i <= {QUIET} THEN 'failed' ELSE 'delivered' END",
        "provider_sid": "md5(i::text)",
    }
    _multiply(crowd, attempt, count, **sent | dict(of_attempt or {}))


def _factors(crowd: Crowd, count: int) -> None:
    from django_verify.models import Challenge, Entity, Factor, Notification

    mine = {"account": crowd.busy, "service": crowd.service}
    entity = Entity.objects.create(identity="person", identity_key="person", **mine)
    factor = Factor.objects.create(
        entity=entity, friendly_name="App", factor_type="push", status="verified", **mine
    )
    from django.utils import timezone

    now = timezone.now()
    challenge = Challenge.objects.create(
        entity=entity,
        factor=factor,
        factor_type="push",
        serial=1,
        status="approved",
        expiration_date=now,
        **mine,
    )
    note = Notification.objects.create(
        challenge=challenge, ttl=300, status="sent", due_at=None, expires_at=now
    )
    named = {"identity": "'person-' || i", "identity_key": "'person-' || i"}
    _multiply(crowd, entity, count, sid=_RANDOM, date_created="m", **named)
    _multiply(crowd, factor, count, sid=_RANDOM, entity_id=_RANDOM, date_created="m")
    _multiply(
        crowd,
        challenge,
        count,
        sid=_RANDOM,
        entity_id=_RANDOM,
        factor_id=_RANDOM,
        date_created="m",
        expiration_date="m",
    )
    _multiply(
        crowd, note, count, sid=_RANDOM, challenge_id=_RANDOM, date_created="m", expires_at="m"
    )


def _others(crowd: Crowd, count: int) -> None:
    """Write rows of the tables that stand alone."""
    from django.utils import timezone

    from django_verify import models

    now = timezone.now()
    event = models.WebhookDelivery.objects.create(
        webhook=crowd.hook, event_type="factor.created", status="delivered"
    )
    _multiply(crowd, event, count, sid=_KEY, event_id=_RANDOM, date_created="m", due_at="m")
    decision = models.GuardDecision.objects.create(
        account=crowd.busy,
        service=crowd.service,
        attempt_sid="VL" + "0" * 32,
        recipient_key="+12012340000",
        country="US",
        channel="sms",
        cause="block",
        outcome="refused",
        reason="14 of 14 numbers new",
    )
    next_id = "nextval('django_verify_guarddecision_id_seq')"
    named = {"attempt_sid": _RANDOM, "recipient_key": _PHONE}
    _multiply(crowd, decision, count, id=next_id, date_created="m", **named)
    number = models.SafeListNumber.objects.create(account=crowd.busy, phone_number="+12012340000")
    _multiply(crowd, number, count, sid=_KEY, key=_PHONE, phone_number=_PHONE, date_created="m")
    device = models.DeviceKey.objects.create(key="0" * 64, public_key=b"0")
    hexadecimal = "md5(i::text) || md5('-' || i)"
    _multiply(crowd, device, count, key=hexadecimal, date_created="m", used_at="m")
    token = models.SpentToken.objects.create(key="0" * 64, expires_at=now)
    _multiply(crowd, token, count, key=hexadecimal, expires_at="m + interval '30 days'")
    counts = models.BucketCount.objects.create(key="0", count=1, max=1, ends_at=now)
    _multiply(crowd, counts, count, key=hexadecimal, ends_at="m + interval '30 days'")
    reads = models.StatusReadCount.objects.create(
        verification_sid="VE" + "0" * 32,
        **dict.fromkeys(("minute", "in_minute", "hour", "in_hour", "day", "in_day"), 1),
        ends_at=now,
    )
    _multiply(crowd, reads, count, verification_sid=_RANDOM, ends_at="m + interval '30 days'")


def _multiply(crowd: Crowd, row: Any, count: int, **expressions: str) -> None:
    """Copy a row, with SQL expressions of its number `i` and its moment `m` in these columns."""
    options = row._meta  # noqa: SLF001 - a documented API
    names = [field.column for field in options.concrete_fields]
    values = ", ".join(expressions.get(name, f't."{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    key = options.pk.get_db_prep_value(row.pk, _connection())
    _sql(
        f"INSERT INTO {options.db_table} ({columns}) SELECT {values}"
        f" FROM {options.db_table} t, generate_series(1, %(count)s) i,"
        f" LATERAL (SELECT {_MOMENT} AS m) moments WHERE t.{options.pk.column} = %(key)s",
        count=count,
        key=key,
        now=crowd.now,
    )


def _sql(statement: str, **values: Any) -> None:
    with _connection().cursor() as cursor:
        cursor.execute(statement, values or None)


def _connection() -> Any:
    from django.db import connection

    return connection
