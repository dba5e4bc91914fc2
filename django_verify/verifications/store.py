"""One start, written: the verification and the attempt to deliver its code, in one transaction.

Starts for one address take turns by the unique serial of `Verification`; nothing is sent here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from django.db import DatabaseError, transaction
from django.utils import timezone

from django_verify import conf, exceptions, sids, signals
from django_verify.crypto import codes
from django_verify.db import queries, retry, savepoints
from django_verify.delivery import dispatch
from django_verify.events import cloudevents
from django_verify.exceptions import NotFound
from django_verify.models import Verification, VerificationAttempt, VerifyService
from django_verify.verifications import guess_budget, sna
from django_verify.verifications.guess_budget import History
from django_verify.verifications.request import Order

# How often a start reads again after losing to another one for the same address.
TURNS = 8
# How far the clocks of two machines may be apart. A send that is later by more was written before
# the clock went back, and would otherwise refuse every resend until the clock is there again.
SKEW = dt.timedelta(seconds=60)

_Status = Verification.Status
_TEST = VerificationAttempt.Withheld.TEST


def write(order: Order, sna_url: str, asked_at: dt.datetime) -> VerificationAttempt:
    """Write the verification and its attempt, or the attempt of a resend, in one transaction.

    Of several starts for one address at one moment, one sends; another that then finds a live
    verification with a younger send than its own question sends nothing more and says so.
    """
    using = queries.database()
    for turn in range(TURNS):
        now = timezone.now()
        past = guess_budget.history(order.service.account_id, order.address.key, now)
        live = next((r for r in past.rows if order.is_about(r) and is_live(r, now)), None)
        if live is not None:
            _refuse_exhausted(live, now)
            if turn or asked_at < live.sent_at <= now + SKEW or order.is_outdated_by(live):
                raise exceptions.ConcurrentStarts
        try:
            with savepoints.atomic(using):
                attempt = (
                    _resend(order, past, live, sna_url, now)
                    if live
                    else _create(order, past, sna_url, now)
                )
        except DatabaseError as error:
            if not retry.collided(error):
                raise
            continue
        if attempt is not None:
            return attempt
    if not VerifyService.objects.using(using).filter(sid=order.service.sid).exists():
        raise NotFound
    raise exceptions.ConcurrentStarts


def _create(order: Order, past: History, sna_url: str, now: dt.datetime) -> VerificationAttempt:
    service, address = order.service, order.address
    row = Verification(
        sid=sids.verification(now),
        account_id=service.account_id,
        service=service,
        to=address.to,
        address_key=address.key,
        serial=past.next_serial,
        channel=order.channel.name,
        country=address.country,
        amount=order.amount,
        payee=order.payee,
        code_length=order.code_length,
        max_checks=guess_budget.reserve(
            past,
            wanted=service.max_checks,
            code_length=order.code_length,
            now=now,
            sparing=order.client is not None,
        ),
        max_sends=service.max_sends,
        lookup=dict(order.lookup),
        sna_url=sna_url,
        client=order.client_sid,
        is_test=order.is_test,
        reports=service.verify_event_subscription_enabled,
        date_created=now,
        date_updated=now,
        sent_at=now,
        expires_at=now + dt.timedelta(seconds=service.lifetime),
    )
    if order.custom_code:
        row.sealed_code = codes.seal(order.custom_code, bound_to=row.sid, key_id=row.key_id)
    attempt = _attempt(order, row, now)
    row.send_log = _sent(attempt)
    row.save(force_insert=True)
    attempt.save(force_insert=True)
    if order.client is not None:
        order.client.verification = row
        order.client.save(force_insert=True)
    cloudevents.started(row, attempt)
    told = partial(signals.verification_started.send_robust, sender=Verification, verification=row)
    transaction.on_commit(told, using=queries.database())
    return attempt


def _resend(
    order: Order, past: History, row: Verification, sna_url: str, now: dt.datetime
) -> VerificationAttempt | None:
    """Count one more send; None when the row changed since it was read.

    What is a test stays one, whatever has become of the pair since.
    """
    if row.is_test:
        order = replace(order, is_test=True, custom_code="", withheld=_TEST)
    row.service = order.service
    row.sna_url = sna_url
    attempt = _attempt(order, row, now)
    changes: dict[str, object] = {
        "channel": order.channel.name,
        "sends": row.sends + 1,
        "send_log": f"{row.send_log},{_sent(attempt)}",
        "sna_url": sna_url,
        "is_test": order.is_test,
        "date_updated": now,
        "sent_at": now,
    }
    if order.lookup:
        changes["lookup"] = dict(order.lookup)
    if order.custom_code:
        sealed = codes.seal(order.custom_code, bound_to=row.sid, key_id=row.key_id)
        changes |= {
            "sealed_code": sealed,
            "code_length": order.code_length,
            "max_checks": _guesses_of_a_new_code(order, past, row, now),
        }
    unchanged = queries.verifications().filter(
        sid=row.sid, status=_Status.PENDING, sends=row.sends, expires_at__gt=now
    )
    if order.custom_code:
        unchanged = unchanged.filter(checks=row.checks)  # the new code's guesses build on it
    if not unchanged.update(**changes):
        return None
    for name, value in changes.items():
        setattr(row, name, value)
    attempt.save(force_insert=True)
    return attempt


def _guesses_of_a_new_code(order: Order, past: History, row: Verification, now: dt.datetime) -> int:
    """Return the guesses of a row whose code the caller replaces, perhaps by a shorter one."""
    others = History([other for other in past.rows if other.sid != row.sid], past.before)
    allowed = guess_budget.reserve(
        others, wanted=row.max_checks, code_length=order.code_length, now=now
    )
    if allowed <= row.checks:
        raise exceptions.MaxSendsReached("Too many wrong codes were tried for this address")
    return allowed


def _attempt(order: Order, row: Verification, now: dt.datetime) -> VerificationAttempt:
    # Silent network authentication sends nothing: its attempt is complete with its URL.
    state: dict[str, Any] = {"message_status": "sent", "tries": 1, "sna_url": row.sna_url}
    if order.channel.compose is not None:
        state = {}
    elif order.sna_client_token:
        state["sna_client_token_hash"] = sna.TOKEN_DEMANDED
    attempt = VerificationAttempt(
        sid=order.attempt_sid,
        verification=row,
        channel=order.channel.name,
        locale=order.locale,
        custom_friendly_name=order.custom_friendly_name,
        app_hash=order.app_hash,
        autofill_domain=order.autofill_domain,
        send_digits=order.send_digits if order.channel.name == "call" else "",
        template=asdict(order.wording) if order.wording else {},
        tags=dict(order.tags),
        # A page of attempts goes by their keys, and the time of a key is what it shows.
        date_created=conf.stored(sids.moment_of(order.attempt_sid)),
        date_updated=now,
        channel_configuration=dict(order.configuration),
        fallback_channel=order.fallback_channel,
        withheld=order.withheld,
        **state,
    )
    if order.channel.compose is not None:
        dispatch.prepare(attempt, now)
    return attempt


def _sent(attempt: VerificationAttempt) -> str:
    return f"{attempt.channel} {attempt.sid}"


def is_live(row: Verification, now: dt.datetime) -> bool:
    """Whether a row still stands between its address and a new verification."""
    open_ = row.status in {_Status.PENDING, _Status.MAX_ATTEMPTS_REACHED}
    return open_ and not row.is_over(now)


def _refuse_exhausted(row: Verification, now: dt.datetime) -> None:
    if row.status == _Status.MAX_ATTEMPTS_REACHED or row.sends >= row.max_sends:
        raise exceptions.MaxSendsReached(
            retry_after=guess_budget.seconds_until(row.expires_at, now)
        )
