"""The verbs of a verification: start, check, fetch, approve, cancel, expire.

Every face (the HTTP API, the admin, commands, a host's own code) calls these; none of them sees
a request. Changes of state are single conditional updates whose row count decides who won.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Unpack

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import delivery, exceptions, fraud, senders, sids, signals
from django_verify.crypto import codes
from django_verify.db import queries, statements
from django_verify.db.autocommit import require_autocommit
from django_verify.db.config_cache import Known
from django_verify.events import cloudevents
from django_verify.exceptions import InvalidParameter, NotFound, misuse
from django_verify.limits import counters
from django_verify.logs import logger
from django_verify.messages import channels
from django_verify.models import Verification, VerificationAttempt, VerifyService
from django_verify.net import times
from django_verify.verifications import arguments, sna, store
from django_verify.verifications.request import StartOptions, StartRequest
from django_verify.verifications.validation import (
    Start,
    accept,
    guard,
    look_up,
    read_recipient,
    read_typed,
)

# How long a canceled or used-up verification can still be fetched after its lifetime.
READABLE_AFTER = dt.timedelta(hours=24)

_Status = Verification.Status


@sensitive_variables()
def start(
    service: VerifyService,
    to: str | StartRequest,
    channel: str = "sms",
    **options: Unpack[StartOptions],
) -> Verification:
    """Send a code to a recipient, by the service's rules, and return its verification.

    Takes the recipient as people type it, the channel and the fields of `StartRequest` as
    keywords; a face that has built the request passes that alone, and its recipient is read as it
    is. While one is pending for the recipient, this is a resend: same SID, same code, any
    channel. A start that another one has overtaken since `asked_at` (by
    default, since now) sends nothing. With a `client` the verification is that client's alone, and
    starts of others do not join it; where the host forbids its start, that is written all the same
    and nothing is sent. Nothing is sent for a test number either, whose verification states that
    `is_test`.
    The message leaves after the current transaction commits; whether the provider took it is
    recorded in the attempt, not raised. Raises the family of `exceptions`, and TypeError and
    ValueError for arguments that no start can have.
    """
    if not isinstance(service, VerifyService):
        raise misuse.not_a_service(service)
    request = to
    if not isinstance(request, StartRequest):
        request = arguments.start_request(service, request, channel, options)
    accepted = accept(service, request)
    asked_at = request.asked_at or timezone.now()
    past = store.read(accepted, request.known)
    metered = [*request.meters]
    if request.rate_limits:
        metered += counters.meters(service, request.rate_limits, past.service_version)
    # From what costs nothing to what costs money: the host's word, the limits, the look-up. A start
    # that one of them refuses has used nothing of those behind it.
    _ask_host(accepted)
    guard(accepted, past)
    if metered:
        counters.consume(metered)
    look_up(accepted)
    sna_url = "" if accepted.sends else sna.mint(accepted.attempt.sid, accepted.recipient.to)
    try:
        attempt = store.write(accepted, past, sna_url, asked_at)
    finally:
        fraud.record(accepted.attempt)  # what the guard counted against it, once that is undone
    if request.client is not None:
        request.client.latest_attempt = attempt
    if accepted.sends:
        # A worker that is woken before the commit finds no row, and a rollback must leave no
        # message. `robust`: an engine's fault is no reason to refuse a start that is written.
        call = delivery.after_commit(attempt)
        transaction.on_commit(call, using=queries.database(), robust=True)
    return attempt.verification


@sensitive_variables()
def check(
    service: VerifyService,
    code: str = "",
    *,
    to: str = "",
    verification_sid: str = "",
    amount: str = "",
    payee: str = "",
    sna_client_token: str = "",
    as_written: bool = False,
    known: Known | None = None,
) -> Verification:
    """Compare a code once; the answer's `status` is `approved` or `pending`.

    Code and recipient are read as people type them: digits of any script, spaces and punctuation
    between. What cannot be the code is refused uncharged. `as_written` takes both as they are.
    Without a code it asks what silent network authentication found, where that was the channel.
    The guess is charged and committed before the code is looked at. Raises NotFound when there
    is nothing to check, MaxChecksReached when the guesses are used up, and AtomicBlockError
    inside a transaction, whose rollback could take the charge back.
    """
    require_autocommit("verifications.check")
    if not isinstance(service, VerifyService):
        raise misuse.not_a_service(service)
    if not as_written:
        code, to, verification_sid, amount, payee = _as_typed(
            code, to, verification_sid, amount, payee
        )
    if code and not 4 <= len(code) <= 10:
        raise InvalidParameter("code", "it has 4–10 characters")
    if not (to or verification_sid):
        raise exceptions.CheckTargetMissing
    recipient, payment = _read_started(service, to) if to else None, (amount, payee)
    if as_written and code and not (verification_sid or amount or payee):
        row = _charge_at_once(service, recipient, known)
        if row is not None:
            return _compare(row, code, payment)
    row = _to_check(service, recipient, verification_sid, payment, known)
    if not code:
        return _check_sna(row, sna_client_token)
    if row.amount is not None and not (amount and payee):
        raise exceptions.TransactionRequired
    if not as_written:
        code = typed(row, code)
    return _compare(_charge(row), code, payment)


def _as_typed(
    code: str, to: str, verification_sid: str, amount: str, payee: str
) -> tuple[str, str, str, str, str]:
    """Return what a check takes, as people and programs write it."""
    code = arguments.text("code", code)
    # Nothing but spaces is a malformed code, and not a check without one, which asks the carrier.
    code = (codes.without_spacing(code) or " ") if code else ""
    to = arguments.recipient(to) if to else ""
    verification_sid = arguments.optional("verification_sid", verification_sid)
    # Compared as text, so that an amount that is a number would cost a guess each time.
    amount = arguments.optional("amount", amount)
    payee = arguments.optional("payee", payee)
    return code, to, verification_sid, amount, payee


@sensitive_variables()
def _compare(row: Verification, code: str, payment: tuple[str, str]) -> Verification:
    """Compare a code that has been charged, and approve the row if it is right."""
    last = row.checks >= row.max_checks
    # A wrong payment costs a guess as a wrong code does, and the answer does not reveal which it
    # was.
    payment_is_right = row.amount is None or (row.amount, row.payee) == payment
    if not (_is_right(row, code) and payment_is_right):
        if last:
            signals.verification_failed.send_robust(sender=Verification, verification=row)
        return row
    # The last guess has ended the verification when it was charged, and may still win it.
    charged_as = _Status.MAX_ATTEMPTS_REACHED if last else _Status.PENDING
    if not _move(row, _Status.APPROVED, confirmed=True, where={"status": charged_as}):
        # Another check was right first, or the site has canceled it: a code counts once.
        raise _why_not(_again(row), timezone.now())
    signals.verification_approved.send_robust(sender=Verification, verification=row)
    _conclude(row)
    return row


@sensitive_variables()
def typed(row: Verification, code: str) -> str:
    """Return a code as it is compared with a row's. Raises InvalidParameter for what is none.

    One that is over is left to the charge, which raises the reason.
    """
    if row.status != _Status.PENDING:
        return code
    try:
        return codes.read(row, code)
    except ValueError as error:
        raise InvalidParameter("code", str(error)) from None


def fetch(service: VerifyService, sid_or_to: str, *, as_written: bool = False) -> Verification:
    """Return a verification by SID or recipient, which is read as people type it.

    Approved and expired ones are gone; canceled and used-up ones stay readable for a day.
    Raises NotFound.
    """
    now = timezone.now()
    located = _located(service, sid_or_to, as_written)
    readable = [row for row in located if _is_readable(row, now)]
    if not readable:
        raise NotFound
    return next((row for row in readable if row.status == _Status.PENDING), readable[0])


def approve(service: VerifyService, sid_or_to: str, *, as_written: bool = False) -> Verification:
    """Approve a pending verification whose code the site compared by itself. Raises NotFound.

    It is named as for `fetch`.
    """
    located = _located(service, sid_or_to, as_written)
    return _end(located, _Status.APPROVED, (_Status.PENDING,))


def cancel(service: VerifyService, sid_or_to: str, *, as_written: bool = False) -> Verification:
    """End a verification, so that the next start makes a new code. Raises NotFound.

    One whose guesses are used up can be canceled too; the guesses stay counted.
    """
    located = _located(service, sid_or_to, as_written)
    return _end(located, _Status.CANCELED, (_Status.PENDING, _Status.MAX_ATTEMPTS_REACHED))


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
    return counted.exclude(live).update(forgiven=True)


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
    done = over.filter(sid__in=quiet).update(**changes) if quiet else 0
    # Each of the others has an event of its own, in a transaction with its change.
    loud = [sid for sid, reports in batch if reports]
    for row in over.filter(sid__in=loud):
        event = cloudevents.of_status(row, _Status.EXPIRED)
        done += cloudevents.update(over.filter(sid=row.sid), changes, event)
    return done


def _ask_host(start: Start) -> None:
    """Let the host's receivers refuse; their VerifyError goes to the caller as it is.

    A client without credentials does not learn that a recipient is forbidden: its start goes on,
    and its message is withheld.
    """
    try:
        # Not `send_robust`, by which a receiver could not refuse.
        signals.verification_starting.send(
            sender=VerifyService,
            service=start.service,
            to=start.recipient.to,
            channel=start.channel.name,
        )
    except PermissionDenied as error:
        if start.request.client is None:
            raise exceptions.Forbidden(str(error)) from None
        start.attempt.withheld = VerificationAttempt.Withheld.BLOCKED


@sensitive_variables()
def _read_started(service: VerifyService, to: str) -> channels.Recipient:
    """Read the recipient of what was started before. Raises InvalidParameter.

    A number stays one while it has verifications, though the rule that opened its range has ended.
    """
    try:
        return read_recipient(channels.parse_recipient, to)
    except InvalidParameter:
        recipient = channels.of_any_range(to)
        if recipient is None or not queries.of_recipient(service, recipient.key):
            raise
        return recipient


@sensitive_variables()
def _to_check(
    service: VerifyService,
    recipient: channels.Recipient | None,
    verification_sid: str,
    payment: tuple[str, str],
    known: Known | None,
) -> Verification:
    """Return the row that a check names; when it names it twice, both must agree."""
    if verification_sid or recipient is None:
        found = queries.verification(sids.canonical(verification_sid), service, known)
        found = [r for r in found if not recipient or channels.same_recipient(r.to, recipient.to)]
    else:
        found = _about(queries.at_check(service, recipient.key, known), recipient, payment)
        # A live one may stand behind many newer ones of other spellings, services and clients.
        found = found or _about(
            queries.live_of_recipient(service, recipient.key), recipient, payment
        )
    if not found:
        raise NotFound
    return _of_service(found[0], service)


def _of_service(row: Verification, service: VerifyService) -> Verification:
    """Return a row with its service."""
    if not service._state.adding:  # noqa: SLF001 - a documented API; a pointer has no columns
        statements.relate(row, service=service)
    return row


def _about(
    rows: list[Verification], recipient: channels.Recipient, payment: tuple[str, str]
) -> list[Verification]:
    """Return the rows of a recipient, and of a payment where one is named."""
    found = [row for row in rows if channels.same_recipient(row.to, recipient.to)]
    if not all(payment):
        return found
    return [row for row in found if row.amount is None or (row.amount, row.payee) == payment]


def _check_sna(row: Verification, client_token: str) -> Verification:
    """Approve a live verification whose carrier has confirmed the number; charges no guess."""
    if row.channel != "sna":
        raise InvalidParameter("code", "it has 4–10 characters")
    now = timezone.now()
    if not (row.status == _Status.PENDING and store.is_live(row, now)):
        raise _why_not(row, now)
    if sna.is_matched(row.sid, row.to, client_token):
        if not _move(row, _Status.APPROVED, where={"status": _Status.PENDING}):
            raise _why_not(_again(row), now)
        signals.verification_approved.send_robust(sender=Verification, verification=row)
        _conclude(row)
    return row


def _charge_at_once(
    service: VerifyService, recipient: channels.Recipient | None, known: Known | None
) -> Verification | None:
    """Find the row that a check names and take its next guess, by one statement; else None.

    What is found is what `_to_check` would return, and the guess what `_charge` would take.
    """
    if recipient is None or known is None:
        return None
    row = queries.charge(service, recipient.to, recipient.key, known, timezone.now())
    return None if row is None else _of_service(row, service)


def _charge(row: Verification) -> Verification:
    """Take the next guess of a row, committed, and return the row as it was just before that.

    Only its `checks` record the guess. Naming the count that was read makes each guess a
    numbered ticket: no row changed where another check took it, or a resend came between.
    """
    # Every other check and every resend can come between once, so that the tries outlast them all.
    for _ in range(row.max_checks + row.max_sends + 1):
        now = timezone.now()
        if not (row.status == _Status.PENDING and store.is_live(row, now)):
            raise _why_not(row, now)
        ticket = row.checks + 1
        last = ticket >= row.max_checks
        # `sends` too: a resend may have replaced the code that the row in hand would open.
        unchanged = queries.unchanged(
            sid=row.sid,
            status=_Status.PENDING,
            checks=row.checks,
            sends=row.sends,
            expires_at__gt=now,
        )
        changes: dict[str, object] = {"checks": ticket, "date_updated": now}
        if last:
            # Only the row in hand can still open a sealed code, for this comparison.
            changes |= {"status": _Status.MAX_ATTEMPTS_REACHED, "sealed_code": ""}
        event = None
        if last:
            event = cloudevents.of_status(
                row, _Status.MAX_ATTEMPTS_REACHED, checks=ticket, result="FAILURE"
            )
        if cloudevents.update(unchanged, changes, event):
            row.checks, row.date_updated = ticket, now
            return row
        row = _again(row)
    raise _why_not(row, timezone.now())


def _again(row: Verification) -> Verification:
    try:
        return queries.verifications().get(sid=row.sid)
    except Verification.DoesNotExist:
        raise NotFound from None


def _why_not(row: Verification, now: dt.datetime) -> exceptions.VerifyError:
    if row.status == _Status.MAX_ATTEMPTS_REACHED and not row.is_over(now):
        return exceptions.MaxChecksReached(retry_after=times.seconds_until(row.expires_at, now))
    return NotFound()


@sensitive_variables()
def _is_right(row: Verification, code: str) -> bool:
    try:
        expected = codes.reveal(row)
    except LookupError:
        # No traceback: the frames in an error report would show the code.
        logger.error("%s: its key is no longer configured, so no code can be right", row.sid)
        return False
    return codes.matches(expected, code)


def _located(service: VerifyService, sid_or_to: str, as_written: bool) -> list[Verification]:
    if not isinstance(service, VerifyService):
        raise misuse.not_a_service(service)
    if not as_written:
        sid_or_to = arguments.plain("sid_or_to", sid_or_to)
    if sids.is_sid("VE", sid_or_to):
        return _by_sid(service, sid_or_to)
    to = sid_or_to if as_written else read_typed(sid_or_to)
    try:
        # The contract gives this part of a path no form, so what names nothing is absent.
        return _by_recipient(service, to)
    except InvalidParameter:
        raise NotFound from None


def _by_sid(service: VerifyService, sid: str) -> list[Verification]:
    return queries.verification(sids.canonical(sid), service)


def _by_recipient(service: VerifyService, to: str) -> list[Verification]:
    """Return the service's latest verifications of a recipient, newest first; no client's own."""
    recipient = _read_started(service, to)
    rows = queries.of_recipient(service, recipient.key)
    if len(rows) == queries.HISTORY:
        # A live one may stand behind many newer rows of other spellings.
        rows += queries.live_of_recipient(service, recipient.key)
    return [row for row in rows if not row.client and channels.same_recipient(row.to, recipient.to)]


def _is_readable(row: Verification, now: dt.datetime) -> bool:
    if row.status in {_Status.CANCELED, _Status.MAX_ATTEMPTS_REACHED}:
        return not row.is_over(now - READABLE_AFTER)
    return row.current_status(now) == _Status.PENDING


def _end(located: list[Verification], status: str, from_statuses: tuple[str, ...]) -> Verification:
    now = timezone.now()
    for row in located:
        if row.status in from_statuses and not row.is_over(now):
            break
    else:
        raise NotFound
    where = {"status__in": from_statuses, "expires_at__gt": now}
    if not _move(row, status, where=where):
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
    _conclude(row)
    return row


def _conclude(row: Verification) -> None:
    """Have the outcome reported, once it is committed, where a sender wants to know it."""
    if aliases := senders.taking_outcomes():
        report = partial(delivery.conclude, row, aliases)
        transaction.on_commit(report, using=queries.database(), robust=True)


def _move(
    row: Verification, status: str, *, where: Mapping[str, object], confirmed: bool = False
) -> bool:
    """Change the status if the row still is as `where` names it, and wipe a sealed code."""
    changes = {
        "status": status,
        "sealed_code": "",
        "confirmed": confirmed,
        "date_updated": timezone.now(),
    }
    event = cloudevents.of_status(row, status, result="SUCCESS" if confirmed else "")
    if not cloudevents.update(queries.unchanged(sid=row.sid, **where), changes, event):
        return False
    for name, value in changes.items():
        setattr(row, name, value)
    return True
