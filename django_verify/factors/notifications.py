"""Push notifications of challenges: queued with the challenge, sent after the commit.

The row is the outbox, and leased by `db.leases`. No transaction is open while a push service is
called, and another process takes a row over when its lease has lapsed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import conf, exceptions, logs, push_senders
from django_verify.crypto import codes
from django_verify.db import leases, queries, reconnect, retry, savepoints
from django_verify.exceptions import InvalidFactorParameter, NotFound
from django_verify.logs import logger
from django_verify.models import Challenge, Factor, Notification, PushCredential
from django_verify.push_senders import Credential, PushError, PushMessage

LONGEST_TTL = 300
#: Notifications that may be asked for, besides the one that comes with the challenge.
ASKED = 3
_Status = Notification.Status


def rows() -> QuerySet[Notification]:
    """Return all notifications of the database that is written, in no order."""
    return Notification.objects.using(queries.database()).order_by()


LEASES = leases.Leases(
    model=Notification,
    seconds=lambda: conf.current().DELIVERY_LEASE,
    waits=(2, 4, 8, 16, 32, 60),
    far=2 * LONGEST_TTL,
)


@retry.on_conflict
def ask(challenge: Challenge, ttl: int = LONGEST_TTL) -> Notification:
    """Queue a further notification of a push challenge.

    Raises PlatformWithoutNotifications, ChallengeExpired, ChallengeAnswered,
    MaxNotificationsReached, and InvalidFactorParameter for a challenge of another kind.
    """
    if challenge.factor_type != Factor.Type.PUSH or challenge.factor is None:
        raise InvalidFactorParameter("challenge_sid", "only push challenges have notifications")
    if not 0 <= ttl <= LONGEST_TTL:
        raise InvalidFactorParameter("ttl", f"0–{LONGEST_TTL}")
    now = timezone.now()
    _refuse_over(challenge, now)
    if challenge.factor.config["notification_platform"] == "none":
        raise exceptions.PlatformWithoutNotifications
    challenges = Challenge.objects.using(queries.database())
    left = challenges.filter(
        sid=challenge.sid,
        status=Challenge.Status.PENDING,
        expiration_date__gt=now,
        notifications_asked__lt=ASKED,
    )
    with savepoints.atomic(queries.database()):
        # Counted and queued in one transaction, or a failure would use up one of the few.
        if left.update(notifications_asked=F("notifications_asked") + 1):
            return enqueue(challenge, ttl)
    again = challenges.filter(sid=challenge.sid).first()
    if again is None:
        raise NotFound
    _refuse_over(again, now)
    raise exceptions.MaxNotificationsReached


def enqueue(challenge: Challenge, ttl: int) -> Notification:
    """Write a notification in the caller's transaction, and have it sent after the commit."""
    now = timezone.now()
    row = Notification(
        challenge=challenge,
        ttl=ttl,
        due_at=now,
        date_created=now,
        date_updated=now,
        expires_at=now + dt.timedelta(seconds=ttl),
    )
    row.save(using=queries.database(), force_insert=True)
    transaction.on_commit(partial(wake, row.sid), using=queries.database(), robust=True)
    return row


def wake(sid: str) -> None:
    """Send a notification that was just committed. Never raises: a worker finds it anyway.

    Where messages are left to workers, so is this one: to `deliverattempts --loop`.
    """
    if conf.current().DISPATCH != "inline":
        return
    try:
        deliver(sid)
    except Exception as error:  # noqa: BLE001 - the caller's answer stands: the row is written
        logger.error("%s was interrupted: %s", sid, type(error).__name__)


def deliver_due(limit: int = 100, *, stop: Callable[[], bool] = lambda: False) -> int:
    """Send what is due, the longest waiting first; return how many notifications were claimed.

    Any number of processes may run it. A row that raises is put off and stops nobody; only a
    database that fails is raised.
    """
    return LEASES.deliver_due(deliver, limit, stop)


@sensitive_variables()
def deliver(sid: str) -> bool:
    """Send one notification if it is due and unclaimed; return whether it was ours.

    Any number of processes may call it for the same row.
    """
    now = timezone.now()
    together = rows().select_related("challenge__service", "challenge__factor")
    row = together.filter(LEASES.due(now), sid=sid).first()
    if row is None or not LEASES.claim(row, now, tries=row.tries + 1, date_updated=now):
        return False
    factor, reason = row.challenge.factor, _obsolete(row, now)
    if reason or factor is None:
        _finish(row, _Status.DROPPED, error=reason)
        return True
    try:
        sender = push_senders.configured()[factor.config["notification_platform"]]
        provider_id = sender.send(_message(row, factor, now), _credential(row.challenge))
    except reconnect.FAILURES:
        raise
    except push_senders.TemporaryPushError as error:
        _put_off(row, error)
    except PushError as error:
        _finish(row, _Status.FAILED, error=str(error))
        if isinstance(error, push_senders.Unregistered):
            _mark_gone(factor)
    except Exception as error:  # noqa: BLE001 - a sender's bug must not lose the row
        _finish(row, _Status.FAILED, error=f"{type(error).__name__} in the push sender")
    else:
        _finish(row, _Status.SENT, provider_id=str(provider_id or "")[:255])
    return True


def _finish(row: Notification, status: str, *, error: str = "", **changes: Any) -> None:
    """Record the outcome, if the lease is still ours; a try that failed is a line in the log."""
    if error and status != _Status.DROPPED:
        logger.warning("%s: the push sender failed: %s", row.sid, logs.without_numbers(error))
    changes |= {"status": status, "error": error[:128], "date_updated": timezone.now()}
    LEASES.finish(row, changes)


def _put_off(row: Notification, error: push_senders.TemporaryPushError) -> None:
    """Let the row be due again later, or end it where its time would be over by then."""
    due_at = LEASES.later(row.tries, error.retry_after or 0)
    if due_at < row.expires_at:
        _finish(row, _Status.PENDING, error=str(error), due_at=due_at)
    else:
        _finish(row, _Status.FAILED, error=str(error))


def _obsolete(row: Notification, now: dt.datetime) -> str:
    """Return why a notification is not sent any more, or nothing; its try is counted already."""
    challenge, factor = row.challenge, row.challenge.factor
    # The first try may be a little late, also of one that is for now or never.
    grace = row.date_created + dt.timedelta(seconds=conf.current().DELIVERY_LEASE)
    if now >= row.expires_at and (row.tries > 1 or now >= grace):
        return "its time was over"
    if challenge.current_status(now) != Challenge.Status.PENDING or factor is None:
        return "the challenge was over"
    platform = factor.config["notification_platform"]
    if platform == "none":
        return "the device takes no notifications"
    if factor.binding.get("gone") == _digest(factor):
        return "the device has given its token up"
    if platform not in push_senders.configured():
        return "no push sender is configured for the platform"
    return ""


def _message(row: Notification, factor: Factor, now: dt.datetime) -> PushMessage:
    left = int((row.expires_at - now).total_seconds())
    return PushMessage(
        sid=row.sid,
        token=factor.config["notification_token"],
        app_id=factor.config["app_id"],
        factor_sid=factor.sid,
        challenge_sid=row.challenge_id,
        message=(row.challenge.details or {}).get("message", ""),
        ttl=max(left, 0),
    )


@sensitive_variables()
def _credential(challenge: Challenge) -> Credential | None:
    """Return what the service's credential holds; None where the service names none."""
    factor, service = challenge.factor, challenge.service
    assert factor is not None  # noqa: S101 - `deliver` has looked
    platform = factor.config["notification_platform"]
    sid = getattr(service, f"push_{platform}_credential_sid")
    if not sid:
        return None
    known = PushCredential.objects.using(queries.database())
    row = known.filter(sid=sid, account_id=service.account_id, type=platform).first()
    if row is None:
        raise PushError("the service names a push credential that does not exist")
    key_id, _, box = row.sealed_secret.partition("$")
    try:
        secret = codes.unseal(box, bound_to=row.sid, key_id=key_id)
    except LookupError:
        raise PushError("the key of the push credential is no longer configured") from None
    return Credential(secret, row.team_id, row.key_id, row.topic, row.sandbox)


def _mark_gone(factor: Factor) -> None:
    """Remember a token that its device has given up; another one is sent to again."""
    factors = Factor.objects.using(queries.database())
    binding = {**factor.binding, "gone": _digest(factor)}
    factors.filter(sid=factor.sid).update(binding=binding)


def _digest(factor: Factor) -> str:
    return hashlib.sha256(str(factor.config["notification_token"]).encode()).hexdigest()


def _refuse_over(challenge: Challenge, now: dt.datetime) -> None:
    status = challenge.current_status(now)
    if status == Challenge.Status.EXPIRED:
        raise exceptions.ChallengeExpired
    if status != Challenge.Status.PENDING:
        raise exceptions.ChallengeAnswered
