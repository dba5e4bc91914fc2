"""Writes down what becomes of messages: codes entered, messages that do not arrive, receipts.

Receivers of the app's own signals, after the commit of what they are about. Outcomes are kept in
memory for as long as a process goes without reading what is new, and written together, so that a
check pays for none. One that is idle keeps the last ones until it is asked again or ends; of the
latest verifications the others read the approval from their rows.
"""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from django_verify import conf, signals
from django_verify.fraud import guard, spend, table, waiting
from django_verify.models import SendOutcome, Verification, VerificationAttempt

_Kind = SendOutcome.Kind


@receiver(signals.verification_approved, dispatch_uid="django_verify.fraud.converted")
def _converted(verification: Verification, **_: Any) -> None:
    if not verification.is_test:
        _write(verification, _Kind.CONVERTED)


@receiver(signals.attempt_undelivered, dispatch_uid="django_verify.fraud.undelivered")
def _undelivered(attempt: VerificationAttempt, **_: Any) -> None:
    _write(attempt.verification, _Kind.UNDELIVERED)


@receiver(signals.attempt_failed, dispatch_uid="django_verify.fraud.failed")
def _failed(attempt: VerificationAttempt, **_: Any) -> None:
    # Where no sender has taken it, it has cost nothing and its code could not be entered.
    _write(attempt.verification, _Kind.UNDELIVERED if attempt.messages else _Kind.NOT_SENT)


@receiver(signals.attempt_sent, dispatch_uid="django_verify.fraud.receipt")
def _receipt(attempt: VerificationAttempt, **_: Any) -> None:
    """Correct the caps by what the message cost: as its provider says, or by its channel."""
    is_priced, fallback = bool(attempt.price_value), attempt.fallback_channel
    if not (is_priced or fallback) or conf.current().GUARD_REFRESH is None:
        return
    service = attempt.verification.service
    known = table.current()
    caps = guard.caps_of(known, service) if service is not None else []
    if not caps:
        return
    country, prices = attempt.verification.country, known.prices
    if is_priced:
        actual = spend.worth(attempt.price_value, attempt.price_currency, spend.rates())
    else:
        actual = prices.of(country, attempt.via_channel, attempt.sender)
    # By the channel that the start was priced by, and its sender.
    first = attempt.steps[0][1] if attempt.steps else attempt.sender
    names = [fallback] if fallback else []
    estimated = prices.at_most(country, attempt.channel, first, names)
    if attempt.messages > 1:
        estimated = 0.0  # it was counted for the message before this one
    if actual is not None:
        # Providers report what they take as a negative amount.
        spend.correct(caps, estimated, abs(actual), attempt.date_created)


def _write(row: Verification, kind: str) -> None:
    # What has no place in a block is no evidence.
    if row.guard_block is None or conf.current().GUARD_REFRESH is None:
        return
    # What a process has read some time ago will do: a level that was set since changes little here.
    known = table.latest()
    if known is not None and guard.level_by_sid(known, row.service_id) == guard.OFF:
        return
    waiting.add(row.account_id, row.sid, kind)
