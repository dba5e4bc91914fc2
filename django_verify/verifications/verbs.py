"""The verbs of a verification: start, check, fetch; those that end one are in `endings`.

Every face (the HTTP API, the admin, commands, a host's own code) calls these; none of them sees
a request. Changes of state are single conditional updates whose row count decides who won.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Unpack

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import delivery, exceptions, fraud, sids, signals
from django_verify.crypto import codes
from django_verify.db import queries, statements
from django_verify.db.autocommit import require_autocommit
from django_verify.db.config_cache import Known
from django_verify.events import cloudevents
from django_verify.exceptions import InvalidParameter, NotFound, misuse
from django_verify.limits import counters
from django_verify.limits.counters import Meter
from django_verify.logs import logger
from django_verify.messages import channels
from django_verify.models import Verification, VerificationAttempt, VerifyService
from django_verify.net import times
from django_verify.verifications import arguments, sna, store
from django_verify.verifications.guess_budget import History
from django_verify.verifications.request import StartOptions, StartRequest
from django_verify.verifications.validation import (
    Start,
    accept,
    asks_a_provider,
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

    Takes the recipient as people type it, the channel and the fields of `StartRequest` as keywords;
    a face that has built the request passes that alone. While one is pending for the recipient,
    this is a resend: same SID, same code, any channel. A start that another one has overtaken since
    `asked_at` (default: now) sends nothing. With a `client` the verification is that client's
    alone, and starts of others do not join it; where the host forbids its start, it is written and
    not sent, as it is for a test number, whose verification states that `is_test`. The message
    leaves after the transaction commits; whether the provider took it is recorded in the attempt.
    Raises the family of `exceptions`, and TypeError and ValueError for impossible arguments.
    """
    if not isinstance(service, VerifyService):
        raise misuse.not_a_service(service)
    request = to
    if not isinstance(request, StartRequest):
        request = arguments.start_request(service, request, channel, options)
    accepted = accept(service, request)
    asked_at = request.asked_at or timezone.now()
    past = store.read(accepted, request.known)
    metered = _all_meters(service, request, past) if request.rate_limits else request.meters
    accepted.metered = metered
    # From what costs nothing to what costs money: a refusal has used nothing of those behind it.
    _ask_host(accepted)
    guard(accepted, past)
    if metered and asks_a_provider(accepted):
        counters.consume(metered)
        accepted.metered = ()
    look_up(accepted)
    sna_url = "" if accepted.sends else sna.mint(accepted.attempt.sid, accepted.recipient.to)
    try:
        attempt = store.write(accepted, past, sna_url, asked_at)
    finally:
        fraud.record(accepted.attempt)  # what the guard counted against it, once that is undone
    if request.client is not None:
        request.client.latest_attempt = attempt
    if accepted.sends:
        # `robust`: an engine's fault is no reason to refuse a start that is written.
        transaction.on_commit(delivery.after_commit(attempt), using=queries.database(), robust=True)
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


def _all_meters(service: VerifyService, request: StartRequest, past: History) -> Sequence[Meter]:
    """Return the caller's own meters and those of the limits that a start names."""
    named = counters.meters(service, request.rate_limits, past.service_version)
    return [*request.meters, *named]


@sensitive_variables()
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
    if not store.move(row, _Status.APPROVED, confirmed=True, where={"status": charged_as}):
        # Another check was right first, or the site has canceled it: a code counts once.
        raise _why_not(_again(row), timezone.now())
    signals.verification_approved.send_robust(sender=Verification, verification=row)
    store.conclude(row)
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
    rows = located(service, sid_or_to, as_written)
    readable = [row for row in rows if _is_readable(row, now)]
    if not readable:
        raise NotFound
    return next((row for row in readable if row.status == _Status.PENDING), readable[0])


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
        if not store.move(row, _Status.APPROVED, where={"status": _Status.PENDING}):
            raise _why_not(_again(row), now)
        signals.verification_approved.send_robust(sender=Verification, verification=row)
        store.conclude(row)
    return row


@sensitive_variables()
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


def located(service: VerifyService, sid_or_to: str, as_written: bool) -> list[Verification]:
    """Return the verifications that a SID or a recipient names. Raises NotFound."""
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
