"""Writes a start, the verification and the attempt to deliver its code or neither, and an end.

The unique serial of `Verification` serialises the starts for one recipient; nothing is sent here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial

from django.db import DatabaseError, transaction
from django.utils import timezone

from django_verify import delivery, exceptions, fraud, retention, senders, sids, signals
from django_verify.crypto import codes
from django_verify.db import queries, retry, savepoints, statements
from django_verify.db.config_cache import Known
from django_verify.db.statements import Rows, Statement
from django_verify.events import cloudevents
from django_verify.exceptions import NotFound
from django_verify.limits import counters
from django_verify.models import Verification, VerificationAttempt, VerifyService
from django_verify.net import times
from django_verify.verifications import guess_budget, sna
from django_verify.verifications.guess_budget import History
from django_verify.verifications.validation import Start

# How often a start reads again after losing to another one for the same recipient.
MAX_TRIES = 8
# How far the clocks of two machines may be apart. A send that is later by more was written before
# the clock went back, and would otherwise refuse every resend until the clock is there again.
SKEW = dt.timedelta(seconds=60)

_Status = Verification.Status
_TEST = VerificationAttempt.Withheld.TEST


def read(start: Start, known: Known | None = None) -> History:
    """Return the recipient's verifications, on which its budget and a resend depend.

    What the request goes by is compared on the way. Raises Outdated.
    """
    key = start.recipient.key
    block = fraud.block_of(start.service, key) if start.sends and not start.is_test else None
    return guess_budget.history(start.service, key, timezone.now(), known, block)


def write(start: Start, past: History, sna_url: str, asked_at: dt.datetime) -> VerificationAttempt:
    """Write the verification and its attempt, or the attempt of a resend, all or nothing.

    Counts the start in its meters: the first try of a new verification by the statement that writes
    it, where that is one, and any other before it is written. Raises TooManyRequests.

    Of several starts for one recipient at one moment, one sends; another that then finds a live
    verification with a younger send than its own request sends nothing more and reports that.
    `past` may be older: a try that it misleads changes nothing, and the next reads again.
    """
    using, seen, quiet, lost = queries.database(), None, False, 0
    for number in range(retry.STATEMENT_TRIES):
        now = timezone.now()
        # Without the comparison: what the request went by was right when it was let in.
        past = read(start) if number or past.is_outdated(now) else past
        live = next((r for r in past.rows if start.is_about(r) and is_live(r, now)), None)
        alone = _is_one_statement(start, past, live, now)
        # A full limit undoes the statement and is not named: a second try counts first.
        counting = _count(start, beside=alone and not (live or number)) if start.metered else None
        if live is not None:
            found = live.sid, live.sends
            _refuse_resend(start, live, asked_at, now, has_lost=bool(number) and found != seen)
            seen = found
        try:
            # In a transaction of the caller's a lost race is undone to here, and no further.
            with nullcontext() if alone else savepoints.atomic(using):
                attempt = (
                    _resend(start, past, live, sna_url, now, lost)
                    if live
                    else _create(start, past, sna_url, now, lost, counting, quiet=quiet)
                )
        except cloudevents.NotRecorded as failure:
            failure.forgo()
            quiet = True
        except DatabaseError as error:
            if not retry.is_conflict(error):
                raise
            if retry.is_deadlock(error):
                continue  # perhaps to a start for another recipient, by a count that both share
        else:
            if attempt is not None:
                return attempt
        if (lost := lost + 1) == MAX_TRIES:
            break
    raise _why_lost(start)


def _why_lost(start: Start) -> exceptions.VerifyError:
    """Return why every try has failed: for a service that is gone each one fails as a race does."""
    services = VerifyService.objects.using(queries.database())
    is_there = services.filter(sid=start.service.sid).exists()
    return exceptions.ConcurrentStarts() if is_there else NotFound()


def _refuse_resend(
    start: Start, live: Verification, asked_at: dt.datetime, now: dt.datetime, *, has_lost: bool
) -> None:
    """Refuse to send once more what is used up, or was sent since the start was asked for.

    A second try that `has_lost` to another start of this verification finds its code sent.
    """
    _refuse_exhausted(live, now)
    is_younger = asked_at < live.sent_at <= now + SKEW
    if has_lost or is_younger or start.is_outdated_by(live):
        raise exceptions.ConcurrentStarts


def _count(start: Start, *, beside: bool) -> Statement | None:
    """Return what counts a start `beside` its rows; None where it has been counted instead."""
    counting = counters.counting(start.metered) if beside else None
    if counting is None:
        counters.consume(start.metered)
        start.metered = ()
    return counting


def _is_one_statement(
    start: Start, past: History, live: Verification | None, now: dt.datetime
) -> bool:
    """Whether all that this start writes is one statement, which needs no transaction."""
    using = queries.database()
    return (
        statements.are_one_statement(using, *cloudevents.STARTED)
        and transaction.get_autocommit(using)
        and start.request.client is None
        and not fraud.may_write(start.attempt, past.latest_place, now)
        and not (live is None and past.rows and retention.may_be_purged(past.rows[0], now))
    )


def _create(
    start: Start,
    past: History,
    sna_url: str,
    now: dt.datetime,
    tries: int,
    counting: Statement | None,
    *,
    quiet: bool,
) -> VerificationAttempt:
    """Write both rows, what counts the start, and its event unless it is to be `quiet`."""
    using, client = queries.database(), start.request.client
    try:
        row = _row(start, past, sna_url, now, tries)
    except exceptions.VerifyError:
        if counting:  # what is refused by now stays counted, and a full limit comes before it
            counters.consume(start.metered)
        raise
    attempt = _complete(start, row, now)
    row.send_log = _sent(row, attempt)
    cloudevents.insert(row, attempt, quiet=quiet, beside=counting)
    if client:
        client.verification = row
        client.save(force_insert=True)
    if signals.verification_started.has_listeners(Verification):
        send = partial(signals.verification_started.send_robust, sender=Verification)
        transaction.on_commit(partial(send, verification=row), using=using)
    return attempt


def _row(start: Start, past: History, sna_url: str, now: dt.datetime, tries: int) -> Verification:
    """Return the new verification, with what it may have of the recipient's budget."""
    service, recipient, client = start.service, start.recipient, start.request.client
    if past.rows:
        retention.hold(past.rows[0], now)
    row = statements.new(
        Verification,
        sid=sids.verification(now),
        account_id=service.account_id,
        service_id=service.sid,
        to=recipient.to,
        recipient_key=recipient.key,
        # Starts that have read the same history take the same number, and the constraint lets one
        # in: the guesses that the others would reserve are not there any more.
        serial=past.rows[0].serial + 1 if past.rows else 1,
        channel=start.channel.name,
        country=recipient.country,
        amount=start.amount,
        payee=start.payee,
        code_length=start.code_length,
        max_sends=service.max_sends,
        lookup=dict(start.lookup),
        sna_url=sna_url,
        client=start.client_sid,
        recognized=client is not None and bool(client.recognized_by),
        is_test=start.is_test,
        reports=service.verify_event_subscription_enabled,
        date_created=now,
        date_updated=now,
        sent_at=now,
        expires_at=now + dt.timedelta(seconds=service.lifetime),
        **fraud.charge(start.attempt, past.latest_place, now, tries),
    )
    statements.relate(row, service=service)
    row.account_version = past.account_version
    row.code_length, row.max_checks = _reserved(start, past, row, now)
    if start.custom_code:
        row.sealed_code = codes.seal(start.custom_code, bound_to=row.sid, key_id=row.key_id)
    return row


def _reserved(start: Start, past: History, row: Verification, now: dt.datetime) -> tuple[int, int]:
    """Return the code's length and the guesses that a new row gets of the recipient's budget."""
    return guess_budget.reserve(
        past,
        row,
        wanted=start.service.max_checks,
        now=now,
        fixed=bool(start.custom_code),
        has_clients=past.has_clients or start.request.client is not None,
    )


def _resend(
    start: Start, past: History, row: Verification, sna_url: str, now: dt.datetime, tries: int
) -> VerificationAttempt | None:
    """Count one more send; None when the row changed since it was read.

    What is a test stays one, whatever has become of the pair since.
    """
    if row.is_test:
        start.is_test, start.custom_code, start.attempt.withheld = True, "", _TEST
    place = fraud.charge(start.attempt, past.latest_place, now, tries)
    row.service = start.service
    row.sna_url = sna_url
    attempt = _complete(start, row, now)
    changes: dict[str, object] = {
        "channel": start.channel.name,
        "sends": row.sends + 1,
        "send_log": f"{row.send_log},{_sent(row, attempt)}",
        "sna_url": sna_url,
        "is_test": start.is_test,
        "date_updated": now,
        "sent_at": now,
        **place,
    }
    if start.lookup:
        changes["lookup"] = dict(start.lookup)
    if start.custom_code:
        changes |= _with_new_code(start, past, row, now)
    # `sends` numbers the resends: of two at one moment one changes the row, and the other sends
    # nothing.
    conditions = {"status": _Status.PENDING, "sends": row.sends, "expires_at__gt": now}
    if start.custom_code:
        conditions["checks"] = row.checks  # the new code's guesses build on it
    if not _change(queries.unchanged(sid=row.sid, **conditions), changes, attempt):
        return None
    for name, value in changes.items():
        setattr(row, name, value)
    return attempt


def _change(
    unchanged: Rows[Verification], changes: Mapping[str, object], attempt: VerificationAttempt
) -> int:
    """Change a verification and write the attempt, or do nothing at all; return 1 or 0."""
    using = queries.database()
    hit = unchanged.update_and_insert(changes, attempt)
    if hit is None:
        hit = unchanged.update(**changes)
        if hit:
            statements.insert(using, attempt)
    if not hit and not transaction.get_autocommit(using):
        # What the guard has counted for it goes with it.
        transaction.set_rollback(True, using=using)
    return hit


def _with_new_code(
    start: Start, past: History, row: Verification, now: dt.datetime
) -> dict[str, object]:
    """Return the changes of a row whose code the caller replaces by another of its own."""
    # Guesses at a shorter code before it stay as dear as they were.
    length = min(start.code_length, row.code_length if row.checks else start.code_length)
    return {
        # The guesses are reserved anew: of all that are at one moment, one has this number.
        "serial": past.rows[0].serial + 1,
        "sealed_code": codes.seal(start.custom_code, bound_to=row.sid, key_id=row.key_id),
        "code_length": length,
        "max_checks": _guesses_of_a_new_code(past, row, length, now),
    }


def _guesses_of_a_new_code(past: History, row: Verification, length: int, now: dt.datetime) -> int:
    """Return the guesses of a row whose code the caller replaces, perhaps by a shorter one."""
    others = past.without(row.sid)
    renewed = Verification(client=row.client, is_test=row.is_test, code_length=length)
    _, allowed = guess_budget.reserve(others, renewed, wanted=row.max_checks, now=now, fixed=True)
    if allowed <= row.checks:
        raise exceptions.MaxSendsReached("Too many wrong codes were tried for this recipient")
    return allowed


def _complete(start: Start, row: Verification, now: dt.datetime) -> VerificationAttempt:
    """Return the start's attempt with what depends on the verification and the moment."""
    attempt = start.attempt
    attempt.verification_id, attempt.account_id = row.sid, row.account_id
    statements.relate(attempt, verification=row)
    attempt.date_updated = now
    if start.sends:
        delivery.prepare(attempt, now)
        return attempt
    # Silent network authentication sends nothing: its attempt is complete with its URL.
    attempt.message_status, attempt.tries, attempt.sna_url = "sent", 1, row.sna_url
    if start.request.enable_sna_client_token:
        attempt.sna_client_token_hash = sna.TOKEN_DEMANDED
    return attempt


def _sent(row: Verification, attempt: VerificationAttempt) -> str:
    """Return an attempt's entry in the log, which spares an event of most rows another look."""
    entry = f"{attempt.channel} {attempt.sid}"
    has_more = attempt.tags or attempt.custom_friendly_name
    return f"{entry} {attempt.locale}" if row.reports and not has_more else entry


def is_live(row: Verification, now: dt.datetime) -> bool:
    """Whether a row still stands between its recipient and a new verification."""
    # One whose guesses are used up keeps its place, or a new start would bring new ones at once.
    open_ = row.status in {_Status.PENDING, _Status.MAX_ATTEMPTS_REACHED}
    return open_ and not row.is_over(now)


def _refuse_exhausted(row: Verification, now: dt.datetime) -> None:
    if row.status == _Status.MAX_ATTEMPTS_REACHED or row.sends >= row.max_sends:
        raise exceptions.MaxSendsReached(retry_after=times.seconds_until(row.expires_at, now))


def move(
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


def conclude(row: Verification) -> None:
    """Have the outcome reported, once it is committed, where a sender wants to know it."""
    if aliases := senders.taking_outcomes():
        report = partial(delivery.conclude, row, aliases)
        transaction.on_commit(report, using=queries.database(), robust=True)
