"""From an attempt row to a sent message and back: compose, send, record.

The row is the outbox. It is written in the start's transaction, already leased to the process
that wrote it; no transaction is open while a provider is called; the outcome is accepted only
from the holder of the lease. When that process dies, the lease lapses and `sweep` sends the
message from another one.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets

from django.db.models import F
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import channels, codes, conf, senders, signals
from django_verify.channels import Draft
from django_verify.models import Verification, VerificationAttempt, VerifyService
from django_verify.models.messaging import EVERYWHERE
from django_verify.wording import Wording

logger = logging.getLogger("django_verify")

MESSAGES_PER_ATTEMPT = 2
TRIES = 3

_Status = VerificationAttempt.MessageStatus


def route(service: VerifyService, channel: str, country: str = "") -> list[str]:
    """Return the sender aliases that a service's message to a country would try, in order.

    The country's messaging service comes first, then the one for all, then the service's own
    senders, then the site's. A SID that names no messaging service stands for the service's own.
    """
    countries = service.messaging_routes.get(channel, {})
    chosen = countries.get(country, countries.get(EVERYWHERE, ()))
    return senders.route(channel, chosen or service.senders.get(channel, ()))


def lease(now: dt.datetime) -> dict[str, object]:
    """Return the fields that make the caller the one who may send an attempt from now on."""
    until = now + dt.timedelta(seconds=conf.current().DELIVERY_LEASE)
    return {
        "lease": secrets.token_hex(16),
        "lease_until": until,
        "message_status": _Status.SENDING,
    }


@sensitive_variables()
def deliver(attempt: VerificationAttempt) -> bool:
    """Send an attempt whose lease the caller holds, and record what became of it.

    Tries the route's senders in order while they fail temporarily, two messages at most. Never
    raises for what a sender does; returns whether the message was accepted.
    """
    service = attempt.verification.service
    outcome: dict[str, str] = {"error_message": "no sender serves this channel"}
    for alias in route(service, attempt.channel, attempt.country)[:MESSAGES_PER_ATTEMPT]:
        try:
            receipt = senders.get(alias).send(_compose(attempt))
        except senders.SendError as error:
            outcome = {"sender": alias, "error_code": error.code, "error_message": str(error)}
            if not isinstance(error, senders.TemporarySendError):
                break
        except Exception as error:  # noqa: BLE001 - a provider's bug must not lose the row
            # Its text may hold the message, so only the type is told.
            outcome = {"sender": alias, "error_message": f"{type(error).__name__} in the sender"}
            break
        else:
            sent = {
                "sender": alias,
                "provider_sid": receipt.provider_sid,
                "price_value": receipt.price_value,
                "price_currency": receipt.price_currency,
            }
            return _finish(attempt, _Status.SENT, sent)
    logger.warning("%s was not sent: %s", attempt.sid, outcome["error_message"])
    return _finish(attempt, _Status.FAILED, outcome)


def sweep(limit: int = 100) -> int:
    """Send the attempts whose process died before it finished; return how many were taken over.

    Each is claimed by one conditional update, so any number of sweepers may run.
    """
    now = timezone.now()
    lapsed = VerificationAttempt.objects.filter(
        message_status__in=(_Status.QUEUED, _Status.SENDING), lease_until__lt=now
    )
    taken = 0
    for sid in list(lapsed.order_by("lease_until").values_list("sid", flat=True)[:limit]):
        claim = lease(now)
        if not lapsed.filter(sid=sid).update(tries=F("tries") + 1, **claim):
            continue
        taken += 1
        attempt = VerificationAttempt.objects.select_related("verification__service").get(sid=sid)
        if reason := _obsolete(attempt, now):
            _finish(attempt, _Status.FAILED, {"error_message": reason})
        else:
            deliver(attempt)
    return taken


def _obsolete(attempt: VerificationAttempt, now: dt.datetime) -> str:
    if attempt.verification.current_status(now) != Verification.Status.PENDING:
        return "the verification was over before the message was sent"
    if attempt.tries > TRIES:
        return "given up after several interrupted tries"
    return ""


@sensitive_variables()
def _compose(attempt: VerificationAttempt) -> senders.Message:
    verification = attempt.verification
    service = verification.service
    compose = channels.get(attempt.channel).compose
    assert compose is not None  # noqa: S101 - channels.get offers no other
    draft = Draft(
        attempt_sid=attempt.sid,
        to=verification.to,
        code=codes.reveal(verification),
        friendly_name=attempt.custom_friendly_name or service.friendly_name,
        locale=attempt.locale,
        minutes=service.lifetime // 60,
        amount=verification.amount,
        payee=verification.payee,
        app_hash=attempt.app_hash,
        send_digits=attempt.send_digits,
        tts_name=service.tts_name,
        ask_for_key=service.dtmf_input_required,
        warn=service.do_not_share_warning_enabled,
        wording=Wording(**attempt.template) if attempt.template else None,
    )
    return compose(draft)


def _finish(attempt: VerificationAttempt, status: str, outcome: dict[str, str]) -> bool:
    """Record the outcome if the lease is still ours, and tell the listeners."""
    changes = {name: value[: _width(name)] for name, value in outcome.items()}
    changes |= {"message_status": status, "lease": ""}
    now = timezone.now()
    held = VerificationAttempt.objects.filter(sid=attempt.sid, lease=attempt.lease)
    if not held.update(date_updated=now, lease_until=None, **changes):
        logger.warning("%s: the lease was lost before the outcome was known", attempt.sid)
        return False
    for name, value in changes.items():
        setattr(attempt, name, value)
    attempt.date_updated, attempt.lease_until = now, None
    sent = status == _Status.SENT
    signal = signals.attempt_sent if sent else signals.attempt_failed
    signal.send_robust(sender=VerificationAttempt, attempt=attempt)
    return sent


def _width(name: str) -> int | None:
    field = VerificationAttempt._meta.get_field(name)  # noqa: SLF001 - a documented API
    return getattr(field, "max_length", None)
