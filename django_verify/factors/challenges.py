"""Challenges of a verified factor: create, fetch, answer.

A guess is charged before it is looked at; the answer counts by two conditional updates in one
transaction, of the factor and of the challenge.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import exceptions, factors, signals
from django_verify.db import queries, retry, savepoints
from django_verify.db.autocommit import require_autocommit
from django_verify.events import outbox
from django_verify.exceptions import InvalidFactorParameter, NotFound, misuse
from django_verify.factors import FactorKind, Proof
from django_verify.models import Challenge, Entity, Factor
from django_verify.net.times import seconds_until

LIFETIME = dt.timedelta(minutes=5)
MAX_LIFETIME = dt.timedelta(minutes=60)
CHECKS = 5
GUESSES_PER_DAY = 20
# How often a creation or a charge reads again after losing to another one.
MAX_TRIES = 20

_DAY = dt.timedelta(hours=24)
_Status = Challenge.Status


def rows() -> QuerySet[Challenge]:
    """Return all challenges of the database that is written, with entity and factor, unordered."""
    together = Challenge.objects.select_related("entity", "factor__entity")
    return together.using(queries.database()).order_by()


def fetch(entity: Entity, sid: str) -> Challenge:
    """Return a challenge of an entity. Raises NotFound."""
    found = rows().filter(sid=sid, entity_id=entity.sid).first()
    if found is None:
        raise NotFound
    return found


def narrowed(found: QuerySet[Challenge], status: str, now: dt.datetime) -> QuerySet[Challenge]:
    """Return the challenges of a status, where what has run out counts as expired."""
    over = Q(status=_Status.PENDING, expiration_date__lte=now)
    if status == _Status.EXPIRED:
        return found.filter(over | Q(status=_Status.EXPIRED))
    return found.filter(Q(status=status) & ~over)


def guesses_made(factor: Factor, now: dt.datetime) -> int:
    """Return how many guesses at a factor's challenges count in its running day."""
    since = factor.guesses_since
    return factor.guesses if since is not None and since > now - _DAY else 0


@sensitive_variables()
def create(
    factor: Factor,
    *,
    expiration_date: dt.datetime | None = None,
    details: Mapping[str, Any] | None = None,
    hidden_details: Mapping[str, str] | None = None,
    auth_payload: str = "",
    as_written: bool = False,
) -> Challenge:
    """Ask a factor; with a payload it is answered at once.

    Raises FactorUnverified, TooManyChallenges, and InvalidFactorParameter for an expiration that
    has passed or lies more than an hour ahead, or for what this kind of factor cannot be asked.
    """
    if not isinstance(factor, Factor):
        raise misuse.expected("a Factor", factor, "entities.fetch_factor returns one by its SID")
    if auth_payload:
        require_autocommit("challenges.create")
    kind = factors.get(factor.factor_type)
    if not factor.is_verified:
        raise exceptions.FactorUnverified
    if auth_payload:
        auth_payload = _read(auth_payload, kind, factor, as_written)
    for _ in range(MAX_TRIES):
        now = timezone.now()
        challenge = _new(factor, now, details=details, hidden_details=hidden_details)
        challenge.expiration_date = _expiration(expiration_date, now)
        kind.prepare(challenge, factor, now)
        try:
            with savepoints.atomic(queries.database()):
                # The unique serial lets one of several creations in; the others read again and meet
                # the limits with that one counted.
                challenge.save(using=queries.database(), force_insert=True)
                kind.after_create(challenge, factor)
        except DatabaseError as error:
            if not retry.is_conflict(error):
                raise
            # The other conflict is a factor that was deleted meanwhile, for which no try helps.
            if not _factors().filter(sid=factor.sid).exists():
                raise NotFound from None
            continue
        return answer(challenge, auth_payload) if auth_payload else challenge
    raise exceptions.Conflict


@sensitive_variables()
def _read(auth_payload: str, kind: FactorKind, factor: Factor, as_written: bool) -> str:
    """Return a payload as an answer takes it. Raises InvalidFactorParameter, before it counts."""
    if not kind.guessable:
        raise InvalidFactorParameter("auth_payload", "only a totp factor has one here")
    auth_payload = auth_payload if as_written else kind.typed(auth_payload)
    kind.read(factor, auth_payload)
    return auth_payload


def _new(factor: Factor, now: dt.datetime, **members: Any) -> Challenge:
    return Challenge(
        account_id=factor.account_id,
        service_id=factor.service_id,
        entity=factor.entity,
        factor=factor,
        factor_type=factor.factor_type,
        serial=_next_serial(factor, now),
        date_created=now,
        date_updated=now,
        **members,
    )


@sensitive_variables()
def answer(
    challenge: Challenge,
    payload: str = "",
    *,
    metadata: Mapping[str, str] | None = None,
    as_written: bool = False,
) -> Challenge:
    """Take a payload as the answer; the outcome is the challenge's status.

    A wrong code is no error: the challenge stays pending. Raises ChallengeAnswered,
    ChallengeExpired, MaxChallengeChecksReached, ChallengeVerificationFailed for a signature that
    is wrong, and AtomicBlockError inside a transaction.
    """
    require_autocommit("challenges.answer")
    if not payload:
        return _note(challenge, metadata)
    factor = challenge.factor
    if factor is None:
        raise InvalidFactorParameter("auth_payload", "a passkey answers at Passkeys")
    kind = factors.get(factor.factor_type)
    payload = payload if as_written else kind.typed(payload)
    kind.read(factor, payload)
    _refuse_over(challenge, timezone.now())
    if kind.guessable:
        # Each committed on its own, before the code is looked at: a crash or a rollback in between
        # costs a guess and never gives one.
        charge(challenge)
        factor = _charge_factor(factor)
    now = timezone.now()
    proof = kind.prove(factor, payload, now, challenge)
    # A code that was used before is answered like a wrong one.
    if proof is None or not settle(challenge, factor, proof, metadata=metadata):
        return fetch(factor.entity, challenge.sid)
    return challenge


@retry.on_conflict
def settle(
    challenge: Challenge, factor: Factor, proof: Proof, *, metadata: Mapping[str, str] | None = None
) -> bool:
    """Let a proof count, once; False when it was used before.

    Raises what `answer` raises when the challenge was over first.
    """
    using = queries.database()
    now = timezone.now()
    changes: dict[str, Any] = {
        "status": proof.status,
        "date_responded": now,
        "date_updated": now,
        "entity": factor.entity,
        "factor": factor,
    }
    if metadata is not None:
        changes["metadata"] = metadata
    with savepoints.atomic(using):
        # The factor first, as deletions do: two that meet wait for each other, and not in a circle.
        still = _factors().filter(sid=factor.sid, status=Factor.Status.VERIFIED, **proof.where)
        # A value always changes, so that the row count is 1 on MySQL too.
        if not still.update(date_updated=F("date_updated"), **proof.changes):
            return False
        pending = rows().filter(sid=challenge.sid, status=_Status.PENDING, expiration_date__gt=now)
        if not pending.update(**changes):
            # Raised inside, so that the proof is not used up.
            raise _why_over(challenge, now)
        for name, value in changes.items():
            setattr(challenge, name, value)
        _notify(challenge)
    return True


def _notify(challenge: Challenge) -> None:
    """Queue the webhooks of an answer, and send its signal after the commit."""
    approved = challenge.status == _Status.APPROVED
    outbox.challenge_event("approved" if approved else "denied", challenge)
    signal = signals.challenge_approved if approved else signals.challenge_denied
    send = partial(signal.send_robust, sender=Challenge, challenge=challenge)
    transaction.on_commit(send, using=queries.database())


def _factors() -> QuerySet[Factor]:
    return Factor.objects.using(queries.database()).order_by()


def _expiration(wanted: dt.datetime | None, now: dt.datetime) -> dt.datetime:
    if wanted is None:
        return now + LIFETIME
    if not now < wanted <= now + MAX_LIFETIME:
        raise InvalidFactorParameter("expiration_date", "it must be in the next 60 minutes")
    return wanted


def _next_serial(factor: Factor, now: dt.datetime) -> int:
    """Return the number of a new challenge. Raises TooManyChallenges.

    The limit of an hour is kept by looking at the challenge so many numbers back: it must be
    older than that.
    """
    mine = Challenge.objects.using(queries.database()).filter(factor_id=factor.sid)
    newest = mine.order_by("-serial").values_list("serial", flat=True).first()
    serial = (newest or 0) + 1
    for count, time in factors.get(factor.factor_type).challenge_limits(factor):
        before = mine.filter(serial=serial - count).values_list("date_created", flat=True).first()
        if before is not None and before + time > now:
            raise exceptions.TooManyChallenges(retry_after=seconds_until(before + time, now))
    return serial


def _note(challenge: Challenge, metadata: Mapping[str, str] | None) -> Challenge:
    """Keep what a device reports about itself, while the challenge is pending."""
    if metadata is None:
        raise InvalidFactorParameter("auth_payload", "this parameter is required")
    now = timezone.now()
    pending = rows().filter(sid=challenge.sid, status=_Status.PENDING, expiration_date__gt=now)
    if not retry.alone(pending.update, metadata=metadata, date_updated=now):
        raise _why_over(challenge, now)
    challenge.metadata, challenge.date_updated = dict(metadata), now
    return challenge


def charge(challenge: Challenge, most: int = CHECKS) -> None:
    """Take one of the guesses of a challenge, committed. Raises what `answer` raises."""
    now = timezone.now()
    left = rows().filter(
        sid=challenge.sid, status=_Status.PENDING, expiration_date__gt=now, checks__lt=most
    )
    if not retry.alone(left.update, checks=F("checks") + 1, date_updated=now):
        raise _why_over(challenge, now)


def _charge_factor(factor: Factor) -> Factor:
    """Take one of the day's guesses of a factor, committed, and return the row anew.

    A right code gives its guess back, so the owner's own log-ins do not use the day up.
    """
    mine = _factors().filter(sid=factor.sid)
    now = timezone.now()
    in_day = mine.filter(guesses__lt=GUESSES_PER_DAY, guesses_since__gt=now - _DAY)
    over = mine.filter(Q(guesses_since=None) | Q(guesses_since__lte=now - _DAY))
    one_more = {"guesses": F("guesses") + 1}
    charged = (
        retry.alone(in_day.update, **one_more)
        or retry.alone(over.update, guesses=1, guesses_since=now)
        or retry.alone(in_day.update, **one_more)  # another guess has just begun the day
    )
    # Read after the charge: another answer may have moved the last accepted step on.
    row = mine.select_related("entity").first()
    if row is None:
        raise NotFound
    if not charged:
        over_at = (row.guesses_since or now) + _DAY
        raise exceptions.MaxChallengeChecksReached(retry_after=seconds_until(over_at, now))
    return row


def _refuse_over(challenge: Challenge, now: dt.datetime) -> None:
    if challenge.current_status(now) != _Status.PENDING:
        raise _why_over(challenge, now)


def _why_over(challenge: Challenge, now: dt.datetime) -> exceptions.VerifyError:
    row = rows().filter(sid=challenge.sid).first()
    if row is None:
        return NotFound()
    status = row.current_status(now)
    if status == _Status.PENDING:
        return exceptions.MaxChallengeChecksReached()
    if status == _Status.EXPIRED:
        return exceptions.ChallengeExpired()
    return exceptions.ChallengeAnswered()
