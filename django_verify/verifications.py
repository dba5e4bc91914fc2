"""The verbs of a verification: start, check, fetch, approve, cancel, expire.

Every face (the HTTP API, the admin, commands, a host's own code) calls these; none of them sees
a request. Changes of state are single conditional updates whose row count decides who won.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, router, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import channels, codes, conf, delivery, exceptions, sids, signals
from django_verify.channels import Address, Channel
from django_verify.exceptions import InvalidParameter, NotFound
from django_verify.models import Verification, VerificationAttempt, VerifyService
from django_verify.models.services import validate_friendly_name

logger = logging.getLogger("django_verify")

# How often a start reads again after losing to another one for the same address.
TURNS = 8
# Rows of an address that a start reads at first; more only when these do not settle its budget.
HISTORY = 20
# How long a canceled or used-up verification can still be fetched after its lifetime.
READABLE_AFTER = dt.timedelta(hours=24)

_DAY = dt.timedelta(hours=24)
_APP_HASH = re.compile(r"[0-9A-Za-z+/]{11}\Z")
_SEND_DIGITS = re.compile(r"[0-9wW#*]{1,32}\Z")
_Status = Verification.Status


@dataclass(frozen=True, slots=True)
class _Order:
    """A start that has been found valid."""

    service: VerifyService
    channel: Channel
    address: Address
    locale: str
    amount: str | None = field(repr=False)
    payee: str | None = field(repr=False)
    custom_code: str = field(repr=False)
    custom_friendly_name: str = ""
    app_hash: str = ""
    send_digits: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, repr=False)

    def is_about(self, row: Verification) -> bool:
        """Whether a row is for the same service, address and, under PSD2, transaction."""
        return (
            row.service_id == self.service.sid
            and (row.amount, row.payee) == (self.amount, self.payee)
            and channels.same_address(row.to, self.address.to)
        )

    @property
    def code_length(self) -> int:
        return len(self.custom_code) or self.service.code_length


@sensitive_variables()
def start(
    service: VerifyService,
    to: str,
    channel: str = "sms",
    *,
    locale: str = "",
    custom_friendly_name: str = "",
    custom_code: str = "",
    amount: str = "",
    payee: str = "",
    app_hash: str = "",
    send_digits: str = "",
    device_ip: str = "",
    tags: Mapping[str, str] | None = None,
) -> Verification:
    """Send a code to an address, by the service's rules, and return its verification.

    While one is pending for the address, this is a resend: same SID, same code, any channel.
    The message leaves after the current transaction commits; whether the provider took it is
    told by the attempt, not by an exception. Raises the family of `exceptions`.
    """
    row = channels.get(channel)
    if row.name not in service.channels:
        raise exceptions.ChannelDisabled
    address = row.parse(to)
    if not delivery.route(service, row.name):
        raise row.unrouted
    psd2 = service.psd2_enabled
    order = _Order(
        service=service,
        channel=row,
        address=address,
        locale=channels.choose_locale(row, locale, to),
        amount=amount if psd2 else None,
        payee=payee if psd2 else None,
        custom_code=custom_code,
        custom_friendly_name=custom_friendly_name,
        app_hash=app_hash,
        send_digits=send_digits,
        tags=tags or {},
    )
    _refuse_misuse(order)
    _refuse_malformed(order, device_ip)
    _ask_host(order)
    attempt = _write(order)
    using = router.db_for_write(Verification)
    transaction.on_commit(partial(delivery.deliver, attempt), using=using)
    return attempt.verification


@sensitive_variables()
def check(
    service: VerifyService,
    code: str,
    *,
    to: str = "",
    verification_sid: str = "",
    amount: str = "",
    payee: str = "",
) -> Verification:
    """Compare a code once; the answer's `status` is `approved` or `pending`.

    The guess is charged and committed before the code is looked at. Raises NotFound when there
    is nothing to check, MaxChecksReached when the guesses are used up, and AtomicBlockError
    inside a transaction, whose rollback could take the charge back.
    """
    _refuse_open_transaction()
    if not 4 <= len(code) <= 10:
        raise InvalidParameter("code", "it has 4–10 characters")
    if not (to or verification_sid):
        raise exceptions.CheckTargetMissing
    row = _to_check(service, to, verification_sid, amount, payee)
    if row.amount is not None and not (amount and payee):
        raise exceptions.TransactionRequired
    row = _charge(row)
    last = row.checks >= row.max_checks
    transaction_is_right = row.amount is None or (row.amount, row.payee) == (amount, payee)
    if not (_is_right(row, code) and transaction_is_right):
        if last:
            signals.verification_failed.send_robust(sender=Verification, verification=row)
        return row
    # The last guess has ended the verification when it was charged, and may still win it.
    charged_as = _Status.MAX_ATTEMPTS_REACHED if last else _Status.PENDING
    if not _move(row, _Status.APPROVED, status=charged_as):
        raise _why_not(_rows().get(sid=row.sid), timezone.now())
    signals.verification_approved.send_robust(sender=Verification, verification=row)
    return row


def fetch(service: VerifyService, sid_or_to: str) -> Verification:
    """Return a verification by SID or address.

    Approved and expired ones are gone; canceled and used-up ones stay readable for a day.
    Raises NotFound.
    """
    now = timezone.now()
    readable = [row for row in _located(service, sid_or_to) if _is_readable(row, now)]
    if not readable:
        raise NotFound
    return next((row for row in readable if row.status == _Status.PENDING), readable[0])


def approve(service: VerifyService, sid_or_to: str) -> Verification:
    """Approve a pending verification whose code the site compared by itself. Raises NotFound."""
    return _end(service, sid_or_to, _Status.APPROVED, (_Status.PENDING,))


def cancel(service: VerifyService, sid_or_to: str) -> Verification:
    """End a verification, so that the next start makes a new code. Raises NotFound.

    One whose guesses are used up can be canceled too; the guesses stay counted.
    """
    return _end(
        service, sid_or_to, _Status.CANCELED, (_Status.PENDING, _Status.MAX_ATTEMPTS_REACHED)
    )


def expire(limit: int = 1000) -> int:
    """Mark what has run out and wipe its sealed codes, up to `limit` rows; return how many.

    No verb depends on it: a pending row past its lifetime counts as expired everywhere.
    """
    now = timezone.now()
    over = _rows().filter(
        status=_Status.PENDING, expires_at__lte=now, date_created__gt=now - 7 * _DAY
    )
    batch = list(over.values_list("sid", flat=True)[:limit])
    changes = {"status": _Status.EXPIRED, "sealed_code": "", "date_updated": now}
    return over.filter(sid__in=batch).update(**changes) if batch else 0


class AtomicBlockError(RuntimeError):
    """A check ran where its charge could be rolled back."""


def _refuse_open_transaction() -> None:
    using = router.db_for_write(Verification)
    connection = transaction.get_connection(using)
    if connection.get_autocommit():
        return
    message = (
        "verifications.check() charges a guess that must not be rolled back: call it outside"
        " transaction.atomic(), and mark views with transaction.non_atomic_requests."
    )
    if not connection.in_atomic_block:
        raise AtomicBlockError(message)
    try:
        # Django decides: inside TestCase's own transaction a durable block is allowed.
        with transaction.atomic(using=using, durable=True):
            pass
    except RuntimeError:
        raise AtomicBlockError(message) from None


def _rows() -> QuerySet[Verification]:
    """Rows of the database that is written, never of a replica that lags behind it."""
    return Verification.objects.using(router.db_for_write(Verification))


def _refuse_misuse(order: _Order) -> None:
    """Refuse what the service or the channel does not offer."""
    service, channel = order.service, order.channel.name
    if order.amount is not None:
        if not (order.amount and order.payee):
            raise exceptions.TransactionRequired
        if channel == "call":
            raise exceptions.ChannelWithoutPsd2
    if order.custom_code and not service.custom_code_enabled:
        raise exceptions.FeatureDisabled
    if order.custom_friendly_name and not service.custom_friendly_name_enabled:
        raise exceptions.FeatureDisabled
    if order.app_hash and channel != "sms":
        raise exceptions.AppHashNeedsSms


def _refuse_malformed(order: _Order, device_ip: str) -> None:
    """Refuse values that could not be stored, or would change the message's shape."""
    if order.custom_code and not codes.is_custom_code(order.custom_code):
        raise InvalidParameter("custom_code", "4–10 ASCII letters and digits")
    if order.app_hash and not _APP_HASH.match(order.app_hash):
        raise InvalidParameter("app_hash", "11 characters of the base64 alphabet")
    if order.send_digits and not _SEND_DIGITS.match(order.send_digits):
        raise InvalidParameter("send_digits", "at most 32 of 0–9, w, W, # and *")
    for name in ("amount", "payee"):
        value = getattr(order, name) or ""
        if len(value) > 64 or not value.isprintable():
            raise InvalidParameter(name, "at most 64 printable characters")
    if order.custom_friendly_name:
        try:
            validate_friendly_name(order.custom_friendly_name)
        except ValidationError as error:
            raise InvalidParameter("custom_friendly_name", error.messages[0]) from None
    if device_ip:
        try:
            ipaddress.ip_address(device_ip)
        except ValueError:
            raise InvalidParameter("device_ip", "not an IP address") from None
    _refuse_malformed_tags(order.tags)


def _refuse_malformed_tags(tags: Mapping[Any, Any]) -> None:
    texts = [*tags.keys(), *tags.values()]
    if len(tags) > 10 or not all(isinstance(t, str) and len(t) <= 128 for t in texts):
        raise InvalidParameter("tags", "at most 10 pairs of texts of at most 128 characters")


def _ask_host(order: _Order) -> None:
    """Let the host's receivers refuse; their VerifyError goes to the caller as it is."""
    try:
        signals.verification_starting.send(
            sender=VerifyService,
            service=order.service,
            to=order.address.to,
            channel=order.channel.name,
        )
    except PermissionDenied as error:
        raise exceptions.Forbidden(str(error)) from None


def _write(order: _Order) -> VerificationAttempt:
    """Write the verification and its attempt, or the attempt of a resend, in one transaction.

    Of several starts for one address at one moment, one sends; another that then finds a live
    verification of its own kind sends nothing more and says so.
    """
    using = router.db_for_write(Verification)
    for turn in range(TURNS):
        now = timezone.now()
        history = _history(order, now)
        live = next((r for r in history if order.is_about(r) and _is_live(r, now)), None)
        if live is not None:
            _refuse_exhausted(live, now)
            if turn:
                raise exceptions.ConcurrentStarts
        try:
            with transaction.atomic(using=using):
                attempt = _resend(order, live, now) if live else _create(order, history, now)
        except IntegrityError:
            continue
        if attempt is not None:
            return attempt
    if not VerifyService.objects.using(using).filter(sid=order.service.sid).exists():
        raise NotFound
    raise exceptions.ConcurrentStarts


def _history(order: _Order, now: dt.datetime) -> list[Verification]:
    """Return the address's verifications within the account, newest first, as far as needed."""
    rows = (
        _rows()
        .filter(account_id=order.service.account_id, address_key=order.address.key)
        .order_by("-serial")
    )
    recent = list(rows[:HISTORY])
    settled = len(recent) < HISTORY or (
        recent[-1].expires_at <= now - _DAY and any(row.valid for row in recent)
    )
    return (
        recent if settled else recent + list(rows[HISTORY : conf.current().ADDRESS_STARTS_PER_DAY])
    )


def _create(order: _Order, history: list[Verification], now: dt.datetime) -> VerificationAttempt:
    service, address = order.service, order.address
    row = Verification(
        account_id=service.account_id,
        service=service,
        to=address.to,
        address_key=address.key,
        serial=history[0].serial + 1 if history else 1,
        channel=order.channel.name,
        country=address.country,
        amount=order.amount,
        payee=order.payee,
        code_length=order.code_length,
        max_checks=_guesses(order, history, now),
        max_sends=service.max_sends,
        date_created=now,
        date_updated=now,
        expires_at=now + dt.timedelta(seconds=service.lifetime),
    )
    if order.custom_code:
        row.sealed_code = codes.seal(order.custom_code, bound_to=row.sid, key_id=row.key_id)
    attempt = _attempt(order, row, now)
    row.send_code_attempts = [_sent(attempt)]
    row.save(force_insert=True)
    attempt.save(force_insert=True)
    transaction.on_commit(
        partial(signals.verification_started.send_robust, sender=Verification, verification=row),
        using=router.db_for_write(Verification),
    )
    return attempt


def _resend(order: _Order, row: Verification, now: dt.datetime) -> VerificationAttempt | None:
    """Count one more send; None when the row changed since it was read."""
    attempt = _attempt(order, row, now)
    changes: dict[str, object] = {
        "channel": order.channel.name,
        "sends": row.sends + 1,
        "send_code_attempts": [*row.send_code_attempts, _sent(attempt)],
        "date_updated": now,
    }
    if order.custom_code:
        sealed = codes.seal(order.custom_code, bound_to=row.sid, key_id=row.key_id)
        changes |= {"sealed_code": sealed, "code_length": order.code_length}
    unchanged = _rows().filter(
        sid=row.sid, status=_Status.PENDING, sends=row.sends, expires_at__gt=now
    )
    if not unchanged.update(**changes):
        return None
    for name, value in changes.items():
        setattr(row, name, value)
    row.service = order.service
    attempt.save(force_insert=True)
    return attempt


def _attempt(order: _Order, row: Verification, now: dt.datetime) -> VerificationAttempt:
    return VerificationAttempt(
        account_id=order.service.account_id,
        verification=row,
        channel=order.channel.name,
        country=order.address.country,
        locale=order.locale,
        custom_friendly_name=order.custom_friendly_name,
        app_hash=order.app_hash,
        send_digits=order.send_digits if order.channel.name == "call" else "",
        tags=dict(order.tags),
        tries=1,
        date_created=now,
        date_updated=now,
        **delivery.lease(now),
    )


def _sent(attempt: VerificationAttempt) -> dict[str, str]:
    time = attempt.date_created.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"time": time, "channel": attempt.channel, "attempt_sid": attempt.sid}


def _guesses(order: _Order, history: list[Verification], now: dt.datetime) -> int:
    """Reserve the guesses of a new verification from what its address has left.

    A live verification counts with all that it may still compare, so that the reserve holds
    whatever happens to it. Raises when nothing is left.
    """
    settings = conf.current()
    day = [row for row in history if row.expires_at > now - _DAY]
    if len(day) >= settings.ADDRESS_STARTS_PER_DAY:
        raise exceptions.TooManyRequests(
            "Too many verifications of this address in 24 hours",
            retry_after=_seconds_until(day[-1].expires_at + _DAY, now),
        )
    per_day = (
        settings.ADDRESS_GUESSES_PER_DAY
        if order.code_length >= 6
        else settings.ADDRESS_GUESSES_PER_DAY_SHORT_CODE
    )
    used_today = sum(_spent(row, now) for row in day)
    in_a_row = sum(_spent(row, now) for row in takewhile(lambda row: not row.valid, history))
    left = min(per_day - used_today, settings.ADDRESS_GUESSES_IN_A_ROW - in_a_row)
    if left < 1:
        oldest = min((row.expires_at for row in day if _spent(row, now)), default=now)
        raise exceptions.MaxSendsReached(
            "Too many wrong codes were tried for this address",
            retry_after=_seconds_until(oldest + _DAY, now),
        )
    return min(order.service.max_checks, left)


def _spent(row: Verification, now: dt.datetime) -> int:
    """Wrong guesses of a row; of a live one, all that it may come to."""
    if row.status == _Status.PENDING and not row.is_over(now):
        return row.max_checks
    return max(row.checks - 1, 0) if row.valid else row.checks


def _is_live(row: Verification, now: dt.datetime) -> bool:
    open_ = row.status in {_Status.PENDING, _Status.MAX_ATTEMPTS_REACHED}
    return open_ and not row.is_over(now)


def _refuse_exhausted(row: Verification, now: dt.datetime) -> None:
    if row.status == _Status.MAX_ATTEMPTS_REACHED or row.sends >= row.max_sends:
        raise exceptions.MaxSendsReached(retry_after=_seconds_until(row.expires_at, now))


def _seconds_until(moment: dt.datetime, now: dt.datetime) -> int:
    return max(math.ceil((moment - now).total_seconds()), 1)


def _to_check(
    service: VerifyService, to: str, verification_sid: str, amount: str, payee: str
) -> Verification:
    """Return the row that a check names; when it names it twice, both must agree."""
    if verification_sid:
        found = _by_sid(service, verification_sid)
        if to:
            address = channels.parse_address(to)
            found = [row for row in found if channels.same_address(row.to, address.to)]
    else:
        now = timezone.now()
        found = [row for row in _by_address(service, to) if _is_live(row, now)]
        if amount and payee:
            found = [r for r in found if r.amount is None or (r.amount, r.payee) == (amount, payee)]
    if not found:
        raise NotFound
    return found[0]


def _charge(row: Verification) -> Verification:
    """Take the next guess of a row, committed, and return the row as it was just before that.

    Only its `checks` tell the guess taken. Naming the count that was read makes each guess a
    numbered ticket: a lost turn means that somebody else took it.
    """
    for _ in range(row.max_checks + 1):
        now = timezone.now()
        if not (row.status == _Status.PENDING and _is_live(row, now)):
            raise _why_not(row, now)
        ticket = row.checks + 1
        last = ticket >= row.max_checks
        unchanged = _rows().filter(
            sid=row.sid, status=_Status.PENDING, checks=row.checks, expires_at__gt=now
        )
        status = _Status.MAX_ATTEMPTS_REACHED if last else _Status.PENDING
        if unchanged.update(checks=ticket, status=status, date_updated=now):
            row.checks, row.date_updated = ticket, now
            return row
        row = _again(row)
    raise _why_not(row, timezone.now())


def _again(row: Verification) -> Verification:
    found = _rows().filter(sid=row.sid).first()
    if found is None:
        raise NotFound
    return found


def _why_not(row: Verification, now: dt.datetime) -> exceptions.VerifyError:
    if row.status == _Status.MAX_ATTEMPTS_REACHED and not row.is_over(now):
        return exceptions.MaxChecksReached(retry_after=_seconds_until(row.expires_at, now))
    return NotFound()


@sensitive_variables()
def _is_right(row: Verification, code: str) -> bool:
    try:
        expected = codes.reveal(row)
    except LookupError:
        logger.exception("%s: its key is not in the ring, so no code can be right", row.sid)
        return False
    return codes.matches(expected, code)


def _located(service: VerifyService, sid_or_to: str) -> list[Verification]:
    if sids.is_sid("VE", sid_or_to):
        return _by_sid(service, sid_or_to)
    try:
        return _by_address(service, sid_or_to)
    except InvalidParameter:
        raise NotFound from None


def _by_sid(service: VerifyService, sid: str) -> list[Verification]:
    return list(
        _rows().filter(
            sid=sids.canonical(sid), service_id=service.sid, account_id=service.account_id
        )
    )


def _by_address(service: VerifyService, to: str) -> list[Verification]:
    """Return the service's latest verifications of an address, newest first."""
    address = channels.parse_address(to)
    rows = _rows().filter(
        account_id=service.account_id, address_key=address.key, service_id=service.sid
    )
    latest = rows.order_by("-serial")[:HISTORY]
    return [row for row in latest if channels.same_address(row.to, address.to)]


def _is_readable(row: Verification, now: dt.datetime) -> bool:
    if row.status in {_Status.CANCELED, _Status.MAX_ATTEMPTS_REACHED}:
        return not row.is_over(now - READABLE_AFTER)
    return row.current_status(now) == _Status.PENDING


def _end(
    service: VerifyService, sid_or_to: str, status: str, from_statuses: tuple[str, ...]
) -> Verification:
    now = timezone.now()
    for row in _located(service, sid_or_to):
        if row.status in from_statuses and not row.is_over(now):
            break
    else:
        raise NotFound
    if not _move(row, status, status__in=from_statuses, expires_at__gt=now):
        raise NotFound
    signal = (
        signals.verification_approved
        if status == _Status.APPROVED
        else signals.verification_canceled
    )
    transaction.on_commit(
        partial(signal.send_robust, sender=Verification, verification=row),
        using=router.db_for_write(Verification),
    )
    return row


def _move(row: Verification, status: str, /, **still: object) -> bool:
    """Change the status if the row is still as told, and wipe a sealed code; False if it is not."""
    now = timezone.now()
    changes = {"status": status, "sealed_code": "", "date_updated": now}
    if not _rows().filter(sid=row.sid, **still).update(**changes):
        return False
    row.status, row.sealed_code, row.date_updated = status, "", now
    return True
