"""Entities and their factors: create, enrol, verify, change, delete; challenges are not here.

Creations of one entity's factors are serialised by the number of its enrolments, so the limits hold
whatever comes at one moment.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F, QuerySet
from django.dispatch import Signal
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import exceptions, factors, signals
from django_verify.db import queries, retry, savepoints
from django_verify.db.autocommit import require_autocommit
from django_verify.events import outbox
from django_verify.exceptions import InvalidFactorParameter, NotFound, misuse
from django_verify.factors import FactorKind, Proof, access_tokens
from django_verify.limits import counters
from django_verify.models import AccessToken, Entity, Factor, VerifyService
from django_verify.net.times import seconds_until

ENROLMENTS_PER_DAY = 100
FAILURES = 5
# How often a write reads again after losing to another one for the same entity or factor.
MAX_TRIES = 20

_IDENTITY = re.compile(r"[0-9A-Za-z-]{8,64}\Z")
_DAY = dt.timedelta(hours=24)


def entities() -> QuerySet[Entity]:
    """Return all entities of the database that is written, in no order."""
    return Entity.objects.using(queries.database()).order_by()


def rows() -> QuerySet[Factor]:
    """Return all factors of the database that is written, with their entities, in no order."""
    return Factor.objects.using(queries.database()).select_related("entity").order_by()


@retry.on_conflict
def create(service: VerifyService, identity: str) -> Entity:
    """Write a new entity.

    Raises EntityExists, TooManyEntities, and InvalidFactorParameter for a bad identity.
    """
    _refuse_malformed(identity)
    if _find(service, identity) is not None:
        raise exceptions.EntityExists
    counters.count_entity(service.account_id)
    entity = _new(service, identity)
    try:
        with savepoints.atomic(queries.database()):
            entity.save(using=queries.database(), force_insert=True)
    except IntegrityError:
        if _find(service, identity) is not None:
            raise exceptions.EntityExists from None
        raise NotFound from None  # the service was deleted meanwhile
    return entity


def fetch(service: VerifyService, identity: str) -> Entity:
    """Return an entity by its identity, in whatever case. Raises NotFound."""
    found = _find(service, identity)
    if found is None:
        raise NotFound
    return found


@retry.on_conflict
def delete(entity: Entity) -> None:
    """Delete an entity with its factors, an event for each, and their challenges.

    Raises NotFound when another request deleted it first.
    """
    mine = entities().filter(sid=entity.sid)
    with savepoints.atomic(queries.database()):
        # Updated first, as enrolments do, so that deletions and enrolments wait for each other.
        if not mine.update(date_updated=timezone.now()):
            raise NotFound
        for factor in rows().filter(entity_id=entity.sid).order_by("sid"):
            _delete(factor)
        mine.delete()


@sensitive_variables()
def enrol(
    service: VerifyService,
    identity: str,
    factor_type: str,
    friendly_name: str,
    *,
    params: Mapping[str, Any] | None = None,
    metadata: Mapping[str, str] | None = None,
    access_token: AccessToken | None = None,
) -> Factor:
    """Write a new, unverified factor; an entity that does not exist yet is created with it.

    `params` are those of the kind, under the wire's names in Python's spelling
    (`config_time_step`). An access token is used up with it. Raises TooManyFactors,
    TooManyEnrolments, TooManyEntities, BindingExists, and the kind's own errors for what it
    cannot use.
    """
    _refuse_malformed(identity)
    kind = factors.get(factor_type)
    for number in range(MAX_TRIES):
        now = timezone.now()
        entity = _find(service, identity) or _new(service, identity)
        _refuse_too_many(entity, kind, now)
        factor = Factor(
            account_id=service.account_id,
            service=service,
            entity=entity,
            friendly_name=friendly_name,
            factor_type=kind.name,
            metadata=metadata,
            date_created=now,
            date_updated=now,
        )
        kind.enrol(factor, entity, params or {})
        # Once in a request, however often it is tried again.
        if _is_new(entity) and not number:
            counters.count_entity(service.account_id)
        try:
            if _write(factor, entity, access_token, now):
                return factor
        except DatabaseError as error:
            _explain(error, service, factor)
    raise exceptions.Conflict


@sensitive_variables()
def verify(factor: Factor, payload: str, *, as_written: bool = False) -> Factor:
    """Verify a new factor; the outcome is the factor's status.

    A code is read as people type it, unless it is `as_written`.
    A guess is charged and committed before it is looked at. Raises MaxFactorChecksReached when
    the guesses are used up, FactorVerificationFailed for a signature that is wrong, and
    AtomicBlockError inside a transaction.
    """
    require_autocommit("entities.verify")
    kind = factors.get(factor.factor_type)
    payload = payload if as_written else kind.typed(payload)
    kind.read(factor, payload)
    if factor.is_verified:
        if kind.guessable:
            # An answer of 200 would look as if the code had been right.
            raise InvalidFactorParameter("auth_payload", "the factor is verified: challenge it")
        kind.prove(factor, payload, timezone.now())
        return factor
    if kind.guessable:
        factor = _charge(factor)
    now = timezone.now()
    proof = kind.prove(factor, payload, now)
    if proof is None:
        return factor
    return factor if settle(factor, proof, now) else fetch_factor(factor.entity, factor.sid)


@retry.on_conflict
def settle(factor: Factor, proof: Proof, now: dt.datetime) -> bool:
    """Let a proof verify a new factor, once; False when it was used before, or the factor is gone.

    Raises BindingExists when the proof binds what another factor of the service has.
    """
    changes = {"status": Factor.Status.VERIFIED, "date_updated": now, **proof.changes}
    unverified = rows().filter(sid=factor.sid, status=Factor.Status.UNVERIFIED, **proof.where)
    try:
        with savepoints.atomic(queries.database()):
            if not unverified.update(**changes):
                return False
            for name, value in changes.items():
                setattr(factor, name, value)
            _notify("verified", signals.factor_verified, factor)
    except IntegrityError:
        raise exceptions.BindingExists from None
    return True


def update(factor: Factor, friendly_name: str = "", **params: Any) -> Factor:
    """Change the name and the kind's configuration. Raises NotFound when it is gone meanwhile."""
    for _ in range(MAX_TRIES):
        # The configuration is one column, read and written as a whole: of two changes at one moment
        # the second begins anew with what the first has written.
        unchanged = rows().filter(sid=factor.sid, date_updated=factor.date_updated)
        factors.get(factor.factor_type).configure(factor, params)
        factor.friendly_name = friendly_name or factor.friendly_name
        factor.date_updated = timezone.now()
        if retry.alone(
            unchanged.update,
            friendly_name=factor.friendly_name,
            config=factor.config,
            date_updated=factor.date_updated,
        ):
            return factor
        factor = fetch_factor(factor.entity, factor.sid)
    raise exceptions.Conflict


def fetch_factor(entity: Entity, sid: str) -> Factor:
    """Return a factor of an entity. Raises NotFound."""
    found = rows().filter(sid=sid, entity_id=entity.sid).first()
    if found is None:
        raise NotFound
    return found


@retry.on_conflict
def delete_factor(factor: Factor) -> None:
    """Delete a factor and its challenges. Raises NotFound when another request deleted it first."""
    with savepoints.atomic(queries.database()):
        if not _delete(factor):
            raise NotFound


def release(factor: Factor) -> None:
    """Give a factor all its guesses back, at its owner's wish. Raises NotFound when it is gone."""
    mine = rows().filter(sid=factor.sid)
    if not mine.update(failures=0, guesses=0, guesses_since=None, date_updated=timezone.now()):
        raise NotFound


def _delete(factor: Factor) -> bool:
    """Delete one factor, with its event and signal; False when it was gone already."""
    # The conditional update takes the row's lock, so that two deletions send one event.
    if not rows().filter(sid=factor.sid).update(date_updated=timezone.now()):
        return False
    rows().filter(sid=factor.sid).delete()
    _notify("deleted", signals.factor_deleted, factor)
    return True


def _new(service: VerifyService, identity: str) -> Entity:
    return Entity(
        account_id=service.account_id,
        service_id=service.sid,
        identity=identity,
        identity_key=identity.lower(),
    )


def _find(service: VerifyService, identity: str) -> Entity | None:
    """Return the entity; the account is looked at, so a service may be an unloaded pointer."""
    if not isinstance(service, VerifyService):
        raise misuse.not_a_service(service)
    if not isinstance(identity, str):
        raise misuse.not_a_text("identity", identity)
    return (
        entities()
        .filter(
            service_id=service.sid, account_id=service.account_id, identity_key=identity.lower()
        )
        .first()
        if _IDENTITY.match(identity)
        else None
    )


def _refuse_malformed(identity: str) -> None:
    if not isinstance(identity, str):
        raise misuse.not_a_text("identity", identity)
    if not _IDENTITY.match(identity):
        raise InvalidFactorParameter("identity", "it has 8–64 letters, digits and hyphens")


def _refuse_too_many(entity: Entity, kind: FactorKind, now: dt.datetime) -> None:
    if entity.day_began and entity.enrolments_in_day >= ENROLMENTS_PER_DAY:
        over_at = entity.day_began + _DAY
        if over_at > now:
            raise exceptions.TooManyEnrolments(retry_after=seconds_until(over_at, now))
    if rows().filter(entity_id=entity.sid, factor_type=kind.name).count() >= kind.limit:
        raise exceptions.TooManyFactors


def _is_new(entity: Entity) -> bool:
    return bool(entity._state.adding)  # noqa: SLF001 - a documented API


def _write(
    factor: Factor, entity: Entity, access_token: AccessToken | None, now: dt.datetime
) -> bool:
    """Write a factor, and its entity if that is new; False when another one was faster."""
    using = queries.database()
    with savepoints.atomic(using):
        if _is_new(entity):
            entity.save(using=using, force_insert=True)
        # The limits were read before: they hold only if no other enrolment was counted since.
        if not _count(entity, now):
            return False
        if access_token is not None:
            access_tokens.consume(access_token, now)
        factor.save(using=using, force_insert=True)
        _notify("created", signals.factor_created, factor)
    return True


def _count(entity: Entity, now: dt.datetime) -> bool:
    """Count one more enrolment; False when another one was counted since the entity was read."""
    begun = entity.day_began
    if begun is None or begun <= now - _DAY:
        changes: dict[str, Any] = {"day_began": now, "enrolments_in_day": 1}
    else:
        changes = {"enrolments_in_day": F("enrolments_in_day") + 1}
    unchanged = entities().filter(sid=entity.sid, enrolments=entity.enrolments)
    return bool(unchanged.update(enrolments=F("enrolments") + 1, **changes))


def _explain(error: DatabaseError, service: VerifyService, factor: Factor) -> None:
    """Raise what a database's error meant; return when another try may do."""
    if not retry.is_conflict(error):
        raise error
    same = rows().filter(service_id=service.sid, binding_digest=factor.binding_digest)
    if factor.binding_digest and same.exists():
        raise exceptions.BindingExists from None
    if not VerifyService.objects.using(queries.database()).filter(sid=service.sid).exists():
        raise NotFound from None


def _charge(factor: Factor) -> Factor:
    """Take one of the guesses of an unverified factor, committed, and return the row anew."""
    left = rows().filter(sid=factor.sid, status=Factor.Status.UNVERIFIED, failures__lt=FAILURES)
    if not retry.alone(left.update, failures=F("failures") + 1):
        again = fetch_factor(factor.entity, factor.sid)
        if again.is_verified:
            raise InvalidFactorParameter("auth_payload", "the factor is verified: challenge it")
        raise exceptions.MaxFactorChecksReached
    return fetch_factor(factor.entity, factor.sid)


def _notify(
    kind: Literal["created", "verified", "deleted"], signal: Signal, factor: Factor
) -> None:
    """Queue the webhooks of an event, and send its signal after the commit."""
    outbox.factor_event(kind, factor)
    transaction.on_commit(
        partial(signal.send_robust, sender=Factor, factor=factor), using=queries.database()
    )
