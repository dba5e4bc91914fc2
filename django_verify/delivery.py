"""From an attempt row to a sent message and back: compose, send, record.

The row is the outbox. It is written in the start's transaction, already leased to the process
that wrote it; no transaction is open while a provider is called; the outcome is accepted only
from the holder of the lease. When that process dies, the lease lapses and `sweep` sends the
message from another one.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import secrets

from django.db.models import F, QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import channels, codes, conf, events, senders, signals
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
    outcome: dict[str, str] = {"error_message": "no sender serves this channel"}
    for channel, alias in _plan(attempt):
        try:
            receipt = _receipt(senders.get(alias).send(_compose(attempt, channel)), alias)
        except senders.SendError as error:
            outcome = {"sender": alias, "error_code": error.code, "error_message": str(error)}
            if not isinstance(error, senders.TemporarySendError) and not attempt.fallback_channel:
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


def _receipt(answer: object, alias: str) -> senders.Receipt:
    """Return the receipt; a sender that returned something else has sent, and says no more."""
    if isinstance(answer, senders.Receipt):
        return answer
    logger.warning("the sender %r returned no Receipt", alias)
    return senders.Receipt()


def _plan(attempt: VerificationAttempt) -> list[tuple[str, str]]:
    """Return channel and sender of each message that may be tried; a fallback gets the second."""
    service = _service(attempt)
    own = [(attempt.channel, alias) for alias in route(service, attempt.channel, attempt.country)]
    if not attempt.fallback_channel:
        return own[:MESSAGES_PER_ATTEMPT]
    other = attempt.fallback_channel
    return own[:1] + [(other, alias) for alias in route(service, other, attempt.country)][:1]


def sweep(limit: int = 100) -> int:
    """Send the attempts whose process died before it finished; return how many were taken over.

    Each is claimed by one conditional update, so any number of sweepers may run.
    """
    due = _lapsed(timezone.now()).order_by("lease_until").values_list("sid", flat=True)
    return sum(_take_over(sid) for sid in list(due[:limit]))


def _lapsed(now: dt.datetime) -> QuerySet[VerificationAttempt]:
    return VerificationAttempt.objects.filter(
        message_status__in=(_Status.QUEUED, _Status.SENDING), lease_until__lt=now
    )


def _take_over(sid: str) -> bool:
    """Send one attempt if nobody else has taken it; a lease runs from its own claim."""
    now = timezone.now()
    if not _lapsed(now).filter(sid=sid).update(tries=F("tries") + 1, **lease(now)):
        return False
    attempt = VerificationAttempt.objects.select_related("verification__service").get(sid=sid)
    if reason := _obsolete(attempt, now):
        _finish(attempt, _Status.FAILED, {"error_message": reason})
    else:
        deliver(attempt)
    return True


def _obsolete(attempt: VerificationAttempt, now: dt.datetime) -> str:
    if attempt.verification.service is None:
        return "the service was deleted before the message was sent"
    if attempt.verification.current_status(now) != Verification.Status.PENDING:
        return "the verification was over before the message was sent"
    if attempt.tries > TRIES:
        return "given up after several interrupted tries"
    return ""


def _service(attempt: VerificationAttempt) -> VerifyService:
    service = attempt.verification.service
    assert service is not None  # noqa: S101 - a start has one, and _obsolete looks for it
    return service


@sensitive_variables()
def _compose(attempt: VerificationAttempt, channel: str) -> senders.Message:
    verification, service = attempt.verification, _service(attempt)
    compose = channels.get(channel).compose
    assert compose is not None  # noqa: S101 - channels.get offers no other
    draft = Draft(
        attempt_sid=attempt.sid,
        to=verification.to,
        code=codes.reveal(verification),
        friendly_name=attempt.custom_friendly_name or service.friendly_name,
        locale=attempt.locale,
        minutes=max(math.ceil((verification.expires_at - timezone.now()).total_seconds() / 60), 1),
        amount=verification.amount,
        payee=verification.payee,
        app_hash=attempt.app_hash,
        send_digits=attempt.send_digits,
        tts_name=service.tts_name,
        ask_for_key=service.dtmf_input_required,
        warn=service.do_not_share_warning_enabled,
        configuration=attempt.channel_configuration,
        wording=Wording(**attempt.template) if attempt.template else None,
    )
    return compose(draft)


def _finish(attempt: VerificationAttempt, status: str, outcome: dict[str, str]) -> bool:
    """Record the outcome if the lease is still ours, and tell the listeners."""
    # Providers put anything into their answers; a NUL would not be stored.
    changes = {
        name: str(value).replace("\0", "")[: _width(name)] for name, value in outcome.items()
    }
    changes |= {"message_status": status, "lease": ""}
    now = timezone.now()
    held = VerificationAttempt.objects.filter(sid=attempt.sid, lease=attempt.lease)
    changed: dict[str, object] = {**changes, "date_updated": now, "lease_until": None}
    if not events.update_message(attempt, held, changed):
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
